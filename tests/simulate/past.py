"""What the diary tells of a history that is over, sorted by what laws ask about. Made once, read by all of them."""

from collections import defaultdict
from typing import TYPE_CHECKING

from goniec.core.model import Status
from goniec.core.times import SECOND, Millis
from tests.core.build import NOW
from tests.simulate.diary import Gone, Move
from tests.simulate.world import World

if TYPE_CHECKING:
    from goniec.core.jobs import Job


class Past:
    """The moves of each delivery, which of them were wishes to send it once more, and what was called off and why."""

    def __init__(self, world: World) -> None:
        diary = world.disk.diary
        self._diary = diary
        self.moves: dict[str, list[Move]] = defaultdict(list)
        for move in diary.moves():
            self.moves[move.id].append(move)
        self.asked: dict[str, list[Move]] = defaultdict(list)
        for id, moves in self.moves.items():
            self.asked[id] = [move for move in moves if move.now is Status.PENDING]
        self.failures: dict[str, set[str]] = defaultdict(set)
        """How attempts of a mail have failed; what is written last may be an older one, of a process that stood still."""
        if world.mailing.on:
            sql = "SELECT delivery_id, failure FROM all_attempts WHERE failure IS NOT NULL"
            for id, failure in world.disk.db.execute(sql):
                self.failures[id].add(failure)
        self.gone: dict[str, Gone] = {one.id: one for one in diary.gone()}
        self.jobs: dict[str, list[tuple[int, Job]]] = defaultdict(list)
        for turn, job in diary.jobs():
            self.jobs[job.id].append((turn, job))
        self.erased = diary.erased()
        self.merged = diary.merged()
        self.called_off = set(world.people.called_off)
        turns = {turn for steps in self.jobs.values() for turn, job in steps if job.kind == "cancel"}
        turns |= set(self.erased.values())
        self.called_off |= {
            id for id, moves in self.moves.items() if any(move.turn in turns and _called_off(move) for move in moves)
        }

    def millis(self, turn: int) -> Millis:
        """When it was, by the disk's clock."""
        return self._diary.turns[turn]

    def at(self, turn: int) -> float:
        """When it was, in seconds of the world."""
        return (self._diary.turns[turn] - NOW) / SECOND

    def waited(self, id: str, turn: int) -> bool:
        """Whether a delivery that was there then was pending after a transaction; in the end none is."""
        later = next((move for move in self.moves[id] if move.turn > turn), None)
        return later is not None and later.was is Status.PENDING


def _called_off(move: Move) -> bool:
    return move.was is Status.PENDING and move.now in {Status.CANCELLED, Status.DELIVERED}
