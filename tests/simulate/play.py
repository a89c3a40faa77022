"""Play a history and judge it."""

from typing import IO, cast

from msgspec import Struct

from goniec.observe import log
from tests.simulate.laws import broken
from tests.simulate.world import World


class Played(Struct):
    """What was wrong with it, and the story of it."""

    seed: int
    wrong: list[str]
    story: list[str]


def play(seed: int, *, telling: bool = False) -> Played:
    """Live through the history of a seed; `telling` puts what the flow logs into the story."""
    world = World(seed)
    log.configure("console", "info" if telling else "error", cast("IO[str]", world))
    try:
        wrong = [*world.run(), *broken(world)]
    finally:
        log.configure("console", "info")
        world.disk.close()
    return Played(seed, wrong, world.story)
