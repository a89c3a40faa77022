"""Thousands of histories, and no law broken in any; and that the laws find what they are there for."""

import gc
import multiprocessing
import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from goniec.core import mailing
from goniec.core.mailing import Envelope
from goniec.core.model import Contact, Delivery
from goniec.core.quiet import MailLimits
from goniec.core.times import Millis
from goniec.flow import mails, outbox, record
from goniec.flow.deliver import Deliverer
from goniec.flow.outbox import Outbox
from goniec.flow.outboxes import Outboxes
from goniec.flow.record import Recorder
from goniec.flow.sending import Sending
from goniec.ports import Finished, Moved, Tx
from tests.simulate.play import Played, play

HISTORIES = 10_000
SOAK = 200_000
BITE = 250

PATIENCE = 3_000
"""So many histories at most until a bug is found."""


def bad(first: int) -> list[Played]:
    """Play some, in a process of their own; give those that broke a law."""
    gc.set_threshold(20_000)  # hardly anything outlives its history, so looking for garbage all the time finds little
    return [played for seed in range(first, first + BITE) if (played := play(seed)).wrong]


def told(found: list[Played]) -> str:
    """What went wrong, and how to see it again."""
    return "\n".join(f"python -m tests.simulate {one.seed}: {one.wrong[0]}" for one in found)


def run(first: int, n: int) -> None:
    """Play so many on all processors."""
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        found = [one for some in pool.map(bad, range(first, first + n, BITE)) for one in some]
    assert not found, told(found)


@pytest.mark.timeout(1_800)
def test_no_history_breaks_a_law() -> None:
    run(0, HISTORIES)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3_600)
def test_no_history_of_many_breaks_a_law() -> None:
    first = random.SystemRandom().randrange(10**9) * BITE
    print(f"histories from {first} on")  # noqa: T201 - so that the very same can be played again
    run(first, SOAK)


def test_the_same_number_is_the_same_history() -> None:
    for seed in (3, 8, 91):
        assert play(seed, telling=True) == play(seed, telling=True)


# --- bugs put in on purpose -----------------------------------------------------------------------------------------


def forgets_who_waits(box: Outbox, _: Delivery) -> None:
    """What finds no room in memory no longer holds up those behind it."""
    box.more = True


def forgets_what_is_written(self: Outboxes, box: Outbox, delivery: Delivery) -> None:
    """What was written while a query ran is in its answer, and goes out once more."""
    self._known[delivery.id] -= 1
    if not self._known[delivery.id]:
        del self._known[delivery.id]
        box.held -= 1


def overtakes_who_failed(_: Sending, box: Outbox, delivery: Delivery) -> None:
    """A head that has to be tried again lets those behind it go."""
    box.advance(delivery.contact_id)


def forgets_that_it_was_saved(self: Outboxes, endpoint_id: str) -> None:
    """An endpoint that is saved while it is read may stay what it was before."""
    box = self.box(endpoint_id)
    box.endpoint = None
    self.drop(box)
    self.look(box)


def goes_on_without_a_lease(_outboxes: Outboxes, _box: Outbox) -> bool:
    """What is in memory is sent though another process may have the endpoint by now."""
    return True


def overtakes_what_waits(_deliverer: Deliverer, _box: Outbox, _delivery: Delivery) -> bool:
    """What is in the table alone is overtaken by what is recorded after it."""
    return False


def deals_out_no_rate(rate: float | None, _: int | None) -> float | None:
    """Each part of a split endpoint is sent to as quickly as the whole may be."""
    return rate


def asks_nobody(_contact: Contact | None, _envelope: Envelope, _decided_for: str) -> None:
    """A mail goes, whatever its contact has said since it was decided."""


def minds_no_hour(_now: Millis, _zone: ZoneInfo, _limits: Sequence[MailLimits]) -> None:
    """A mail goes at whatever hour it comes to be sent."""


def tells_of_every_attempt(one: Finished, found: Moved) -> bool:
    """Each time that a mail is taken is told, and not the first alone."""
    return one.delivery.status is found.delivery.status


WRITE = Recorder._write


async def answers_too_early(self: Recorder, jobs: Any, riders: Any, tx: Tx) -> Any:
    """A caller is told what a transaction came to before it is on disk."""
    written = await WRITE(self, jobs, riders, tx)
    for job, given in zip(jobs, written.results, strict=False):
        job.succeed(given)
    return written


@pytest.mark.parametrize(
    ("place", "name", "bug", "first"),
    [
        (Outbox, "leave_out", forgets_who_waits, 342),
        (Outboxes, "release", forgets_what_is_written, 7),
        (Sending, "_advance", overtakes_who_failed, 55),
        (Outboxes, "forget", forgets_that_it_was_saved, 1721),
        (Outboxes, "lasts", goes_on_without_a_lease, 1154),
        (Deliverer, "_may_overtake", overtakes_what_waits, 5118),
        (outbox, "pace", deals_out_no_rate, 20),
        (Recorder, "_write", answers_too_early, 9),
        (mails, "unwanted", asks_nobody, 8),
        (mailing, "wait", minds_no_hour, 47),
        (record, "has_come", tells_of_every_attempt, 270),
    ],
)
@pytest.mark.timeout(1_800)
def test_a_bug_put_in_on_purpose_is_found(
    place: object, name: str, bug: Callable[..., Any], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for from the history on in which it was found before, which saves those that do not show it."""
    assert not play(first).wrong
    monkeypatch.setattr(place, name, bug)
    found = next((seed for seed in range(first, first + PATIENCE) if play(seed).wrong), None)
    assert found is not None
