"""`python -m tests.simulate SEED` plays a history again and tells it; `FIRST LAST` plays many and tells what went wrong."""

import sys
import time

from tests.simulate.play import play


def main() -> int:
    first, *rest = map(int, sys.argv[1:])
    if not rest:
        played = play(first, telling=True)
        sys.stdout.write("\n".join([*played.story, "", *(played.wrong or ["all laws hold"]), ""]))
        return bool(played.wrong)
    bad, began = 0, time.perf_counter()
    for seed in range(first, rest[0]):
        if wrong := play(seed).wrong:
            bad += 1
            sys.stdout.write(f"{seed}: {wrong[0]}\n")
    seconds = time.perf_counter() - began
    sys.stdout.write(
        f"{rest[0] - first} histories, {bad} broke a law, {seconds * 1000 / (rest[0] - first):.1f} ms each\n"
    )
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
