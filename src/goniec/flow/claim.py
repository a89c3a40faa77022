"""Claim: what has become due in the queue table is taken into memory, endpoint by endpoint, and goes out.

Called by `deliver` in each of its rounds. An endpoint's settings are read here and its secrets opened, the first time
and whenever somebody has changed them.
"""

from collections.abc import Sequence
from typing import Final

from goniec.core.breaker import in_force
from goniec.core.endpoint import MAIL
from goniec.core.model import Delivery
from goniec.core.times import Millis
from goniec.flow.credentials import unsealed
from goniec.flow.health import Health
from goniec.flow.mails import Mails
from goniec.flow.outbox import Outbox
from goniec.flow.outboxes import Outboxes
from goniec.flow.sending import Sending
from goniec.flow.shares import Shares
from goniec.observe import log
from goniec.ports import Clock, Queries, Unavailable, Vault

EVER: Final[Millis] = 2**62
"""Later than anything that is due: a probe takes what comes first, whenever that may be, unless it has its hour."""


class Claims:
    """Fetches what is due for every endpoint that has room."""

    def __init__(  # noqa: PLR0913, PLR0917 - its ports
        self,
        queries: Queries,
        vault: Vault,
        clock: Clock,
        outboxes: Outboxes,
        shares: Shares,
        health: Health,
        sending: Sending,
        mails: Mails,
    ) -> None:
        self._queries = queries
        self._vault = vault
        self._clock = clock
        self._outboxes = outboxes
        self._shares = shares
        self._health = health
        self._sending = sending
        self._mails = mails
        self._missed: set[str] = set()
        """The endpoints about which the store could not be asked in the round before."""
        self._away = False
        """Whether the store was away in the round before, be it for one endpoint only."""

    async def round(self) -> None:
        """Fetch what is due from the table.

        An endpoint about which the store cannot be asked starves no other, and comes last in the next round.
        """
        why: Unavailable | None = None
        due: set[str] = set()
        try:
            due = await self._shares.round(await self._queries.due_endpoints(self._clock.now()))
        except Unavailable as error:
            why = error
        missed: set[str] = set()
        for name in sorted(due, key=lambda name: (name in self._missed, name)):
            if self._outboxes.owns(name):
                try:
                    await self._claim(self._outboxes.box(name))
                except Unavailable as error:
                    why = error
                    missed.add(name)
        if why is not None and not self._away:
            log.warning("claim.unavailable", reason=str(why), endpoints=len(missed) or None)
        self._away, self._missed = why is not None, missed

    async def _claim(self, box: Outbox) -> None:
        if box.endpoint is None:
            await self._open(box)
        now = self._clock.now()
        if self._outboxes.stopping or box.endpoint is None or not self._outboxes.lasts(box):
            return
        if box.breaker.open:
            box.more = True
            if box.may_probe(now):
                await self._fetch(box, EVER, 1, probe=True)
        elif (room := self._outboxes.room(box)) > 0 and box.open(now):
            await self._fetch(box, now, room, probe=False)

    async def _open(self, box: Outbox) -> None:
        """Read the endpoint and open its secrets."""
        changes = box.changes
        endpoint = await self._queries.endpoint(box.endpoint_id)
        if box.changes != changes:  # saved while we read: what we have may be what was before
            return
        if endpoint is None:  # deleted: to ask for it in every round would keep it ours, and for nothing
            box.more = False
            return
        before, afresh = box.afresh, box.afresh != endpoint.afresh
        box.read(endpoint)
        if afresh or not box.keeping:
            box.breaker = box.kept = endpoint.breaker
        box.breaker = in_force(box.breaker, endpoint.policy)
        if afresh and before >= 0:
            self._health.back(box)
        try:
            box.credentials = unsealed(endpoint, self._vault)
        except ValueError as error:
            box.credentials = None
            log.error("endpoint.secrets_unreadable", endpoint=endpoint.id, reason=str(error))

    async def _fetch(self, box: Outbox, due: Millis, room: int, *, probe: bool) -> None:
        """Take what is due by then into memory, and let it go."""
        box.more = probe
        settled: set[str] = set()
        self._outboxes.settled = settled  # what is written while the query runs may still be in its answer
        try:
            rows = await self._queries.due(box.endpoint_id, due, room, box.part)
            if probe:
                now = self._clock.now()
                rows = [one for one in rows if not (one.timed and (one.due_at or 0) > now)]
            waits = await self._mails.waits(rows) if box.endpoint_id == MAIL else {}
            going = [one for one in rows if one.id not in waits]
            behind = {} if probe else await self._behind(box, going, room)
        except Unavailable:
            box.more = True
            raise
        finally:
            self._outboxes.settled = None
        for delivery in rows:
            if delivery.id in settled or (box.laned(delivery) and delivery.contact_id in box.lanes):
                continue
            if delivery.id in waits:
                self._sending.put_off(box, delivery, waits[delivery.id])
            elif self._outboxes.put(box, delivery, claimed=True, probe=probe):
                self._follow(box, delivery, behind.get(delivery.id, ()), settled)
        box.more = box.more or len(rows) >= room
        self._sending.pump(box)

    async def _behind(self, box: Outbox, rows: Sequence[Delivery], room: int) -> dict[str, list[Delivery]]:
        """Read those that stand behind heads of lanes, as far as there is room for more than heads.

        One claim for each delivery would let a lane go only as quickly as claims follow each other.
        """
        heads = [one.id for one in rows if not one.aside and one.contact_id not in box.lanes]
        each = min(room - len(rows), box.ahead) // len(heads) if heads else 0
        return await self._queries.followers(heads, each) if each > 0 else {}

    def _follow(self, box: Outbox, head: Delivery, behind: Sequence[Delivery], settled: set[str]) -> None:
        """Take those behind a head into memory: up to one with a time of its own, or of a contact merged meanwhile."""
        for delivery in behind:
            if delivery.due_at is not None or delivery.contact_id != head.contact_id or delivery.id in settled:
                return
            if not self._outboxes.put(box, delivery, claimed=True):
                return
