"""Writes down what happens to contacts, as the flow would: ids that rise, chains that hold, deliveries of rules."""

from collections.abc import Iterable, Sequence
from inspect import isawaitable
from itertools import count
from typing import Any

from msgspec.structs import replace

from goniec.core.endpoint import Endpoint
from goniec.core.identity import email_owner_key, external_owner_key
from goniec.core.ids import EventIds, delivery_id, run_id
from goniec.core.model import ApiKey, Attempt, Contact, Delivery, Event, Failure, Funnel, Outcome, Run, Seen, Status
from goniec.core.rules import Rule
from goniec.ports import Changes, Finished, Store, Tx

NOW = 1_764_041_760_000
"""2025-11-25T03:36:00Z."""
DAY = 86_400_000

ENDPOINT = "end_1"
RULE = "rul_1"


class Scribe:
    """A clock, ids, and the contacts as they stand. `now` is the recording time; a test moves it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        self.contacts: dict[str, Contact] = {}
        self._ids = EventIds()
        self._fresh = count(1)

    async def contact(self, contact_id: str, **fields: Any) -> Contact:
        """A new contact, with the keys and indexes that its fields ask for."""
        made = Contact(**{"id": contact_id, "created_at": self.now, "updated_at": self.now, **fields})
        self.contacts[contact_id] = made

        async def work(tx: Tx) -> None:
            keys = [(email_owner_key(made.email.lower()), made.id)] if made.email else []
            keys += [(external_owner_key(made.external_id), made.id)] if made.external_id else []
            assert await tx.claim_keys(keys) == {}
            phones = [(made.phone.replace(" ", ""), made.id, True)] if made.phone else []
            tags = [(tag, made.id, True) for tag in made.tags]
            await tx.save(Changes(contacts=[made], tags=tags, phones=phones))

        await self.store.transact(work)
        return made

    def event(self, contact_id: str, **fields: Any) -> Event:
        """The contact's next event, at the end of its chain; not written yet."""
        before = self.contacts.get(contact_id) or Contact(id=contact_id, created_at=self.now, updated_at=self.now)
        event = Event(
            **{
                "id": self._ids.next(self.now, next(self._fresh)),
                "type": "page.visited",
                "contact_id": contact_id,
                "seq": before.seq + 1,
                "occurred_at": self.now,
                "received_at": self.now,
                "source": "api",
                "previous": before.last_event,
                **fields,
            }
        )
        self.contacts[contact_id] = replace(before, seq=event.seq, last_event=event.id)
        return event

    def sent(self, event: Event, endpoints: Sequence[str] = (ENDPOINT,), rule_id: str = RULE, **fields: Any) -> Changes:
        """What a rule makes of an event: a run, and a delivery for each endpoint."""
        deliveries = [
            Delivery(
                **{
                    "id": delivery_id(event.id, n, rule_id, f"/actions/{n}"),
                    "endpoint_id": endpoint,
                    "contact_id": event.contact_id,
                    "rule_id": rule_id,
                    "event_type": event.type,
                    "seq": event.seq,
                    "body": b'{"id":"%d"}' % event.seq,
                    "created_at": self.now,
                    "due_at": self.now,
                    **fields,
                }
            )
            for n, endpoint in enumerate(endpoints)
        ]
        run = Run(
            id=run_id(event.id, rule_id),
            rule_id=rule_id,
            version=1,
            contact_id=event.contact_id,
            at=self.now,
            outcome=Outcome.FIRED,
            trace=(Seen("/conditions", holds=True, value="seen"),),
            deliveries=tuple(delivery.id for delivery in deliveries),
        )
        return Changes(events=[event], runs=[run], deliveries=deliveries)

    async def save(self, *parts: Changes) -> None:
        """Write changes as one transaction, the contacts of their events with them."""
        whole = Changes()
        for part in parts:
            for name in ("contacts", "events", "runs", "deliveries", "tags", "phones", "names"):
                getattr(whole, name).extend(getattr(part, name))
            whole.misses.update(part.misses)
            for name, n in part.totals.items():
                whole.totals[name] = whole.totals.get(name, 0) + n
        known = {contact.id for contact in whole.contacts}
        touched = {event.contact_id for event in whole.events} - known
        whole.contacts.extend(self.contacts[id] for id in sorted(touched))
        await self.store.transact(lambda tx: _record(tx, whole))

    async def happen(self, contact_id: str, **fields: Any) -> Event:
        """An event that no rule cares about."""
        event = self.event(contact_id, **fields)
        await self.save(Changes(events=[event]))
        return event

    async def deliver(self, contact_id: str, endpoints: Sequence[str] = (ENDPOINT,), **fields: Any) -> list[Delivery]:
        """An event and its deliveries."""
        changes = self.sent(self.event(contact_id), endpoints, **fields)
        await self.save(changes)
        return changes.deliveries

    async def finish(self, *finished: Finished) -> list[Delivery]:
        """Write down attempts."""
        return [one.delivery for one in await self.store.transact(lambda tx: tx.finish(finished))]


async def _record(tx: Tx, changes: Changes) -> None:
    """As the flow does: what is busy is asked before it is written."""
    lanes = sorted({(delivery.endpoint_id, delivery.contact_id) for delivery in changes.deliveries})
    await tx.busy_lanes(lanes)
    await tx.contacts(sorted({contact.id for contact in changes.contacts}))
    await tx.save(changes)


def succeeded(delivery: Delivery, at: int = NOW, **fields: Any) -> Finished:
    """An attempt that arrived."""
    made = attempt(delivery, at, status=200, detail="delivered", **fields)
    done = replace(
        delivery,
        status=Status.DELIVERED,
        due_at=None,
        counted=delivery.counted + 1,
        attempts=delivery.attempts + 1,
        first_at=at if delivery.first_at is None else delivery.first_at,
        last_at=at,
        delivered_at=at + made.millis if delivery.delivered_at is None else delivery.delivered_at,
    )
    return Finished(done, made)


def failed(
    delivery: Delivery, at: int = NOW, due_at: int | None = None, failure: Failure = Failure.SERVER, **fields: Any
) -> Finished:
    """An attempt that did not; tried again at `due_at`, or given up."""
    status = Status.FAILED if due_at is None else Status.PENDING
    after = replace(delivery, **{"status": status, "due_at": due_at, "counted": delivery.counted + 1, **fields})
    said = {"status": 500, "failure": failure, "detail": "server error"}
    return Finished(after, attempt(delivery, at, **said))


def attempt(delivery: Delivery, at: int, **fields: Any) -> Attempt:
    """One attempt; its number is the store's to give."""
    return Attempt(
        **{
            "delivery_id": delivery.id,
            "number": 0,
            "at": at,
            "millis": 7,
            "address": "203.0.113.5:443",
            "head": b"HTTP/1.1 200 OK",
            "body": b"\x00\xffthanks",
            **fields,
        }
    )


def endpoint(endpoint_id: str = ENDPOINT, **fields: Any) -> Endpoint:
    """An endpoint."""
    return Endpoint(
        **{
            "id": endpoint_id,
            "version": 1,
            "url": f"https://{endpoint_id}.example/hook",
            "secret": b"sealed",
            "created_at": NOW,
            "updated_at": NOW,
            **fields,
        }
    )


async def put(store: Store, *things: Rule | Endpoint | Funnel | ApiKey) -> None:
    """Save setup, one after the other, in one transaction."""

    async def work(tx: Tx) -> None:
        for thing in things:
            match thing:
                case Rule():
                    await tx.put_rule(thing)
                case Endpoint():
                    await tx.put_endpoint(thing)
                case Funnel():
                    await tx.put_funnel(thing)
                case ApiKey():
                    await tx.put_key(thing)

    await store.transact(work)


async def by_hand(store: Store, sql: str, doc: bytes = b"") -> None:
    """Let a hand, or another release, write into the tables; `{}` in the statement stands for `doc`."""

    async def work(tx: Any) -> None:
        hexed = f"'\\x{doc.hex()}'::bytea" if "postgres" in type(tx).__module__ else f"x'{doc.hex()}'"
        done = tx.db.execute(sql.format(hexed))
        if isawaitable(done):
            await done

    await store.transact(work)


def ids(rows: Iterable[Any]) -> list[str]:
    """The ids of rows, in their order."""
    return [row.id for row in rows]
