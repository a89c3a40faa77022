"""The door for `goniec` and `python -m goniec`.

Called by the operating system only. The commands live beside it in `goniec.cli`, which is imported as late as possible,
so that importing the door does not import the house.
"""

import sys


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    from goniec.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
