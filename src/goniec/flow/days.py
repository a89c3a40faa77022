"""Which marketing mails have gone to a contact today: events tell of most, and of what is on its way only we know.

Called by `mails` before an attempt, where a day takes only so many.
"""

from typing import Final

from msgspec import Struct

from goniec.core.mailing import opened
from goniec.core.model import Delivery
from goniec.core.times import Millis
from goniec.ports import Clock, EventFilter, Page, Queries

KEPT_SECONDS: Final = 600.0
"""For so long an attempt is known here; its result is in the store long before."""

_MOST: Final = 500


class _Held(Struct, frozen=True):
    """A mail that was handed in on a day, and the day for which it was decided."""

    on: str
    day: str
    until: float


class Days:
    """Asks the store what has gone, and adds what was handed in a moment ago."""

    def __init__(self, queries: Queries, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock
        self._held: dict[str, dict[str, _Held]] = {}
        self._tidy_at = 0.0

    async def gone(self, delivery: Delivery, contact_id: str, today: str, since: Millis) -> list[str]:
        """Give the days for which those were decided that have gone since today began, but for this one.

        Its contact is the delivery's, or what that was merged into. Raises `Unavailable`.
        """
        told = await self._queries.events(EventFilter(contact_id, "email.sent", since), Page(_MOST))
        ids = [id for event in told if isinstance(id := event.data.get("delivery"), str)]
        days: dict[str, str] = {}
        for one in (await self._queries.deliveries_by_id(ids)).values():
            envelope = opened(one.body)
            if envelope is not None and envelope.day and (one.delivered_at or 0) >= since:
                days[one.id] = envelope.day
        days |= {id: one.day for id, one in self._held.get(delivery.contact_id, {}).items() if one.on == today}
        days.pop(delivery.id, None)
        return list(days.values())

    def hold(self, delivery: Delivery, today: str, day: str) -> None:
        """Count one that is about to go."""
        mono = self._clock.monotonic()
        if mono >= self._tidy_at:
            self._tidy_at = mono + KEPT_SECONDS
            lasting = (
                (contact, {id: one for id, one in mails.items() if one.until > mono})
                for contact, mails in self._held.items()
            )
            self._held = {contact: mails for contact, mails in lasting if mails}
        self._held.setdefault(delivery.contact_id, {})[delivery.id] = _Held(today, day, mono + KEPT_SECONDS)

    def drop(self, delivery: Delivery) -> None:
        """Count it no more: it has not gone."""
        self._held.get(delivery.contact_id, {}).pop(delivery.id, None)
