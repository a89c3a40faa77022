"""Tracking: what people do with their mail, from when it is seen until it is recorded.

The web notes an opening or a click in the spool and answers; `run` brings what waits there to `record`, in its order,
and lets go of it once it is on the database's disk. Each has a dedup key of its own from the start, so what a kill lets
be told twice is recorded once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from goniec.core import actions as a
from goniec.core.changes import Join
from goniec.core.decide import Call, Happening
from goniec.core.identity import Refusal, Who
from goniec.core.times import Millis
from goniec.core.tokens import Mark
from goniec.flow.batch import Result
from goniec.flow.record import Overloaded, Recorder
from goniec.observe import counters, log
from goniec.ports import Clock, Dice, EventFilter, Page, Queries, Remembered, Spool, Unavailable

T = TypeVar("T")

BATCH: Final = 200
"""So many are recorded together."""

LOOK_SECONDS: Final = 30.0
"""How often the spool is looked into when nothing is noted here: a process that died may have left something."""

AWAY_SECONDS: Final = 0.5
"""How long it rests when the spool or the database is away."""

URL_MOST: Final = 8_192
"""So much of a link's URL stands in its event."""

KEY_BITS: Final = 96

LEFT: Final = 20
"""Among so many of the last opt-outs, of all channels, the last one of mail is looked for."""

Seen = Literal["email.opened", "email.clicked"]


class Sighting(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An opening or a click as it stands in the spool."""

    type: Seen
    contact: str
    delivery: str
    at: Millis
    key: str
    message: str = ""
    url: str | None = None
    machine: bool = False


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Sighting).decode


class Tracking:
    """Takes in openings and clicks; `run` is its loop, ended by cancelling it, which loses nothing."""

    def __init__(self, spool: Spool, recorder: Recorder, clock: Clock, dice: Dice) -> None:
        self._spool = spool
        self._recorder = recorder
        self._clock = clock
        self._dice = dice
        self._wake = asyncio.Event()

    async def note(self, seen: Seen, mark: Mark, *, machine: bool) -> None:
        """Note what was seen just now, on disk when it returns.

        Raises:
            Unavailable: the disk does not take it.

        """
        sighting = Sighting(
            seen,
            mark.contact_id,
            mark.delivery_id,
            self._clock.now(),
            f"{self._dice.bits(KEY_BITS):024x}",
            mark.message_id,
            None if mark.url is None else mark.url[:URL_MOST],
            machine,
        )
        await self._spool.keep([_encode(sighting)])
        self._wake.set()

    async def run(self) -> None:
        """Record what waits, again and again."""
        while True:
            self._wake.clear()
            items = await self._patiently(lambda: self._spool.waiting(BATCH))
            if items:
                await self._record([item for _, item in items])
                numbers = [number for number, _ in items]
                await self._patiently(lambda: self._spool.drop(numbers))  # noqa: B023 - it is called before the next turn
            else:
                await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _record(self, items: Sequence[bytes]) -> None:
        calls = [call for item in items if (call := _call(item)) is not None]
        results = await self._patiently(lambda: self._recorder.record(calls)) if calls else ()
        assert not isinstance(results, Remembered), "nothing was to be remembered"  # noqa: S101 - tells the type checker
        counters.sightings["recorded"] += len(results)
        for result in results:
            _tell_refused(result)

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it, as often as it takes: what is to be recorded lies on the disk meanwhile."""
        while True:
            try:
                return await work()
            except (Unavailable, Overloaded) as error:
                log.warning("tracking.waits", reason=str(error) or "too much waits to be recorded")
            await asyncio.sleep(AWAY_SECONDS)


def leaving(mark: Mark) -> Call:
    """Give the call by which the person of a mail opts out of mail."""
    change = a.LeaveByMail(mark.message_id, mark.delivery_id)
    return Call(who=Who(id=mark.contact_id), changes=(change,), source="tracking", create=False)


async def returning(queries: Queries, mark: Mark) -> Call | None:
    """Give the call by which the person of a mail undoes that; None: it is not by this mail that they are out.

    Who has the mail is not always its person: what they asked for elsewhere, or a complaint, it does not undo.
    """
    contact = await queries.contact(mark.contact_id)
    if contact is None or contact.subscriptions.get("email") is not False:
        return None
    left = await queries.events(EventFilter(contact.id, "contact.opted_out"), Page(LEFT, newest=True))
    data = next((event.data for event in left if event.data["channel"] == "email"), {})
    if data.get("delivery") != mark.delivery_id or data.get("complaint"):
        return None
    return Call(who=Who(id=contact.id), changes=(Join("email"),), source="tracking", create=False, expect=contact.seq)


def _call(item: bytes) -> Call | None:
    try:
        sighting = _decode(item)
    except msgspec.DecodeError as error:
        # nobody but us writes there: a later release did, or the disk is not to be trusted
        log.error("tracking.unreadable", reason=str(error), bytes=len(item))
        return None
    data: dict[str, Any] = {"delivery": sighting.delivery, "machine": sighting.machine}
    if sighting.message:
        data["message"] = sighting.message
    if sighting.url is not None:
        data["url"] = sighting.url
    happening = Happening(sighting.type, data, sighting.at, f"seen:{sighting.key}", sha256(item).digest())
    return Call(who=Who(id=sighting.contact), happenings=(happening,), source="tracking", create=False)


def _tell_refused(result: Result) -> None:
    """Say what is not recorded: the contact has been erased, most likely."""
    if isinstance(result, Refusal):
        log.info("tracking.refused", code=result.code)
