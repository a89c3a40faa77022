"""One batch inside its transaction: find the contacts, decide call by call, gather everything that is to be written.

Called by `record`, and by nobody else. A later call of the batch sees what an earlier one did, as if each had a
transaction of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from goniec.core.decide import Call, Decision, Happening, World, decide
from goniec.core.identity import NO_KEY, Refusal, Who, email_owner_key, external_owner_key, find, lookups
from goniec.core.mailing import TELLING, figures
from goniec.core.model import Ancestor, Contact, Delivery
from goniec.core.text import email_key, phone_key
from goniec.core.times import Millis
from goniec.ports import Changes, Dedup, Tx

CONTACT_BYTES: Final = 256 * 1024
"""How large a contact may grow, as stored."""


class Recorded(Struct, frozen=True):
    """The call happened: the contact as it leaves it, and whether it is new.

    `events` are the ids of the call's own events, `happened` those of its happenings, in their order, and
    `deliveries` those of all deliveries that followed.
    """

    contact: Contact
    created: bool
    events: tuple[str, ...]
    happened: tuple[str, ...]
    deliveries: tuple[str, ...]


class Duplicate(Struct, frozen=True):
    """The event was known by its dedup key; `conflict` when its content was another."""

    event_id: str
    key: str
    conflict: bool


Result = Recorded | Duplicate | Refusal


class Raced(Exception):
    """Another process was quicker with a key that this batch wanted: the batch has to be run again."""


class Chance:
    """What a batch needs of the outside: the recording time, and makers of event ids (rising) and contact ids.

    `known` is the latest time in ids that were made before.
    """

    def __init__(
        self, now: Millis, known: Millis, event_id: Callable[[Millis], str], contact_id: Callable[[Millis], str]
    ) -> None:
        self.now = now
        self._floor = now
        self._known = known
        self._event_id = event_id
        self._contact_id = contact_id

    async def settle(self, tx: Tx) -> None:
        """Fix the recording time, now that the transaction holds the contacts that it is about."""
        moment = await tx.moment(self.now, self._known)
        self.now, self._floor = moment.at, moment.floor

    def event_id(self) -> str:
        """Make the id of an event that is recorded now."""
        return self._event_id(self._floor)

    def contact_id(self) -> str:
        """Make the id of a contact that is made now."""
        return self._contact_id(self._floor)


class Batch:
    """The working memory of one transaction: `load` for all calls, `decide` them in order, `write`."""

    def __init__(self, tx: Tx, world: World, chance: Chance, country: str) -> None:
        self.deliveries: list[Delivery] = []
        self.totals: dict[str, int] = {}
        self._tx = tx
        self._world = world
        self._chance = chance
        self._country = country
        self._contacts: dict[str, Contact] = {}
        self._owners: dict[str, str] = {}
        self._phones: dict[str, list[str]] = {}
        self._ancestries: dict[str, tuple[Ancestor, ...]] = {}
        self._dedup: dict[str, Dedup] = {}
        self._claims: list[Dedup] = []
        self._taken: dict[str, str] = {}
        self._released: list[str] = []
        self._changed: dict[str, Contact] = {}
        self._changes = Changes()

    async def load(self, calls: Sequence[Call]) -> None:
        """Read and lock what the calls may touch."""
        keys = sorted({key for call in calls for key in lookups(call.who)})
        if keys:
            self._owners = await self._tx.owners(keys)
        numbers = {call.who.phone_key for call in calls if call.who.phone_key is not None and not _keyed(call.who)}
        if numbers:
            self._phones = await self._tx.phone_owners(sorted(numbers))
        ids = {call.who.id for call in calls if call.who.id is not None}
        ids.update(self._owners.values(), *self._phones.values())
        if ids:
            self._contacts = await self._tx.contacts(sorted(ids))
        wanted = sorted({it.dedup_key for call in calls for it in call.happenings if it.dedup_key is not None})
        if wanted:
            self._dedup = await self._tx.known_dedup(wanted)
        causes = sorted({call.cause for call in calls if call.cause is not None})
        if causes:
            self._ancestries = await self._tx.ancestries(causes)
        await self._chance.settle(self._tx)

    def decide(self, calls: Sequence[Call]) -> list[Result]:
        """Decide calls from outside, in order, and count them for the ledger."""
        results = [self._one(call) for call in calls]
        refused = sum(isinstance(result, Refusal) for result in results)
        duplicates = sum(isinstance(result, Duplicate) for result in results)
        self.count(
            received=len(calls), accepted=len(calls) - refused - duplicates, duplicates=duplicates, refused=refused
        )
        return results

    def raise_own(self, calls: Sequence[Call]) -> None:
        """Decide calls of Goniec's own; one whose contact is gone comes to nothing."""
        for call in calls:
            self._one(call)

    def count(self, **totals: int) -> None:
        """Add to the ledger."""
        for name, n in totals.items():
            self.totals[name] = self.totals.get(name, 0) + n

    @property
    def mail(self) -> list[str]:
        """What became of mails, by the figures of messages, one for each time."""
        told = (event for event in self._changes.events if event.type in TELLING)
        return [subject.rpartition(":")[2] for event in told for subject in figures(event)]

    async def write(self) -> set[tuple[str, str]]:
        """Write it all; return the lanes (endpoint, contact) that had pending deliveries before."""
        changes = self._changes
        changes.contacts.extend(self._changed.values())
        lanes = {(delivery.endpoint_id, delivery.contact_id) for delivery in self.deliveries}
        busy = await self._tx.busy_lanes(sorted(lanes)) if lanes else set()
        if self._released:
            await self._tx.release_keys(sorted(self._released))
        if self._taken and await self._tx.claim_keys(sorted(self._taken.items())):
            raise Raced
        if self._claims and await self._tx.dedup(self._claims, self._chance.now):
            raise Raced
        changes.deliveries = self.deliveries
        changes.totals = {name: n for name, n in self.totals.items() if n}
        await self._tx.save(changes)
        return busy

    def _one(self, call: Call) -> Result:
        for it in call.happenings:
            if it.dedup_key is not None and (first := self._dedup.get(it.dedup_key)):
                return Duplicate(first.event_id, it.dedup_key, first.digest != it.digest)
        return self._decided(call)

    def _decided(self, call: Call) -> Recorded | Refusal:
        found = find(call.who, self._contacts, self._owners, self._phones)
        if isinstance(found, Refusal):
            return found
        if found is None and not call.create:
            return Refusal("unknownContact", "no contact has these keys")
        before = self._blank() if found is None else self._contacts[found]
        if call.expect is not None and call.expect != before.seq:
            return Refusal("preconditionFailed", "the contact has changed since it was read; read it again")
        fields = self._fields(before, call)
        if not any(fields.get(name, getattr(before, attribute)) for name, attribute in _KEYS.items()):
            return Refusal("noKey", NO_KEY, "/email")
        ancestors = () if call.cause is None else self._ancestries.get(call.cause)
        call = replace(call, fields=fields, cause=None if ancestors is None else call.cause)
        decision = decide(before, call, ancestors or (), self._world, self._chance.now, self._chance.event_id)
        if not decision.events:
            return Recorded(before, created=False, events=(), happened=(), deliveries=())
        if _grown(before, decision.contact) and len(msgspec.json.encode(decision.contact)) > CONTACT_BYTES:
            return Refusal(
                "contactTooLarge", f"the contact would be larger than {CONTACT_BYTES // 1024} KiB", "/details"
            )
        self._take(before, decision, call.happenings)
        events = tuple(event.id for event in decision.events[: len(decision.events) - decision.derived])
        return Recorded(
            decision.contact,
            created=found is None,
            events=events,
            happened=tuple(event.id for event in decision.happened),
            deliveries=tuple(delivery.id for delivery in decision.deliveries),
        )

    def _fields(self, contact: Contact, call: Call) -> Mapping[str, str | None]:
        """The plain fields to set: those given, and keys that found the contact by another one and are new to it.

        A key that is the contact's already may be one that came with a merged contact; naming it changes nothing.
        """
        who = call.who
        fields = dict(call.fields)
        if who.email_key is not None and self._owners.get(email_owner_key(who.email_key)) != contact.id:
            fields.setdefault("email", who.email)
        if who.external_id is not None and self._owners.get(external_owner_key(who.external_id)) != contact.id:
            fields.setdefault("externalId", who.external_id)
        if who.phone is not None and (_keyed(who) or contact.phone is None):
            fields.setdefault("phone", who.phone)
        return fields

    def _blank(self) -> Contact:
        now = self._chance.now
        return Contact(id=self._chance.contact_id(), created_at=now, updated_at=now)

    def _take(self, before: Contact, decision: Decision, happenings: Sequence[Happening]) -> None:
        """Let the rest of the batch see the decision, and gather its rows."""
        after = decision.contact
        self._contacts[after.id] = self._changed[after.id] = after
        self._index(before, after)
        for it, event in zip(happenings, decision.happened, strict=True):
            if it.dedup_key is not None:
                claim = Dedup(it.dedup_key, it.digest, event.id)
                self._dedup[it.dedup_key] = claim
                self._claims.append(claim)
        changes = self._changes
        changes.events.extend(decision.events)
        changes.misses.update(decision.misses)
        changes.runs.extend(decision.runs)
        self.deliveries.extend(decision.deliveries)

    def _index(self, before: Contact, after: Contact) -> None:
        """Keep keys, phones, tags and names in step with the contact's row."""
        if before.email != after.email:
            self._move(_email(before.email), _email(after.email), after.id)
        if before.external_id != after.external_id:
            self._move(_external(before.external_id), _external(after.external_id), after.id)
        if before.phone != after.phone:
            self._rephone(before, after)
        if before.tags is not after.tags:
            self._changes.tags += [(tag, after.id, False) for tag in sorted(before.tags.keys() - after.tags.keys())]
            added = sorted(after.tags.keys() - before.tags.keys())
            self._changes.tags += [(tag, after.id, True) for tag in added]
            self._changes.names += [("tag", tag) for tag in added]
        if before.details is not after.details:
            self._changes.names += [("detail", name) for name in sorted(after.details.keys() - before.details.keys())]
        if before.consents is not after.consents:
            self._changes.names += [
                ("consent", name) for name in sorted(after.consents.keys() - before.consents.keys())
            ]

    def _move(self, old: str | None, new: str | None, contact_id: str) -> None:
        if old == new:
            return
        if old is not None:
            self._owners.pop(old, None)
            if self._taken.pop(old, None) is None:
                self._released.append(old)
        if new is not None:
            self._owners[new] = self._taken[new] = contact_id

    def _rephone(self, before: Contact, after: Contact) -> None:
        old = phone_key(before.phone, self._country) if before.phone else None
        new = phone_key(after.phone, self._country) if after.phone else None
        if old == new:
            return
        if old is not None:
            self._changes.phones.append((old, after.id, False))
            if after.id in self._phones.get(old, ()):
                self._phones[old].remove(after.id)
        if new is not None:
            self._changes.phones.append((new, after.id, True))
            self._phones.setdefault(new, []).append(after.id)


_KEYS: Final = {"email": "email", "phone": "phone", "externalId": "external_id"}


def _keyed(who: Who) -> bool:
    return who.id is not None or who.external_id is not None or who.email_key is not None


def _grown(before: Contact, after: Contact) -> bool:
    return after.details is not before.details or len(after.tags) > len(before.tags)


def _email(stored: str | None) -> str | None:
    return None if stored is None else email_owner_key(email_key(stored)[1])


def _external(stored: str | None) -> str | None:
    return None if stored is None else external_owner_key(stored)
