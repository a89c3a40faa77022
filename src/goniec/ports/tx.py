"""Writing: the one transaction in which the flow does all that it does together."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from goniec.core.breaker import Breaker
from goniec.core.endpoint import Endpoint
from goniec.core.jobs import Job
from goniec.core.messages import Message
from goniec.core.model import Ancestor, ApiKey, Contact, Delivery, Funnel, Session, Status, User
from goniec.core.rules import Rule
from goniec.core.times import Millis
from goniec.ports.changes import Changes, Dedup, Emptied, Finished, Moment, Moved, Place, Pruned, Remembered
from goniec.ports.leases import Taken


class Tx(Protocol):
    """One transaction. It speaks in batches, and what it reads of contacts stays locked until the end.

    Its methods are coroutines so that one flow serves a store that waits (PostgreSQL) and one that never does (SQLite,
    where the whole transaction runs on the writer's thread in one hop).
    """

    # setup: rules, endpoints, funnels, API keys, users

    async def setup_version(self) -> int:
        """Rises with every change of a rule, endpoint or funnel, by whichever process."""
        ...

    async def rules(self) -> list[Rule]:
        """All rules, active or not, in the order (position, id).

        A row that cannot be read comes as an inactive rule named so.
        """
        ...

    async def last_position(self) -> int | None:
        """The greatest position of a rule; None when there are no rules."""
        ...

    async def rule(self, rule_id: str) -> Rule | None: ...
    async def put_rule(self, rule: Rule) -> None:
        """Write this version of a rule and keep the earlier ones."""
        ...

    async def delete_rule(self, rule_id: str) -> None: ...
    async def endpoints(self) -> list[Endpoint]: ...
    async def endpoint(self, endpoint_id: str) -> Endpoint | None: ...
    async def endpoint_of(self, url: str, username: str | None) -> Endpoint | None:
        """The endpoint with this identity."""
        ...

    async def put_endpoint(self, endpoint: Endpoint) -> None:
        """Write it; of one that is known, `held_until` and `breaker` stay as they are unless it starts afresh."""
        ...

    async def delete_endpoint(self, endpoint_id: str) -> None: ...
    async def waiting(self, endpoint_id: str, most: int) -> int:
        """How many deliveries wait in the queue for an endpoint, counted up to `most`."""
        ...

    async def hold_endpoint(self, endpoint_id: str, until: Millis, afresh: int) -> None:
        """Keep a Retry-After across restarts; no new version of the endpoint.

        It shortens none, and does nothing where the endpoint has started afresh since: `afresh` is what it was then.
        """
        ...

    async def keep_breaker(self, endpoint_id: str, breaker: Breaker, afresh: int) -> None:
        """Keep how an endpoint is doing across restarts, as `hold_endpoint` keeps a Retry-After."""
        ...

    async def funnels(self) -> list[Funnel]: ...
    async def put_funnel(self, funnel: Funnel) -> None: ...
    async def delete_funnel(self, funnel_id: str) -> None: ...
    async def messages(self) -> list[Message]: ...
    async def message(self, message_id: str) -> Message | None: ...
    async def put_message(self, message: Message) -> None: ...
    async def delete_message(self, message_id: str) -> None: ...
    async def changed(self) -> None:
        """Raise the setup version, for what rules lean on and stands elsewhere: marks and users."""
        ...

    async def keys(self) -> list[ApiKey]: ...
    async def put_key(self, key: ApiKey) -> None: ...
    async def users(self) -> list[User]: ...
    async def user(self, user_id: str) -> User | None: ...
    async def user_of(self, email: str) -> User | None:
        """The user with this e-mail, in its compared form."""
        ...

    async def put_user(self, user: User, email: str) -> None:
        """Write a user; `email` is the compared form, which no other user may have."""
        ...

    async def delete_user(self, user_id: str) -> None:
        """Take a user away, sessions too."""
        ...

    async def session(self, digest: bytes) -> Session | None: ...
    async def put_session(self, session: Session) -> None: ...
    async def delete_session(self, digest: bytes) -> None: ...
    async def delete_sessions(self, user_id: str, keep: bytes | None = None) -> None:
        """End all sessions of a user but the one with the digest `keep`."""
        ...

    async def mark(self, name: str) -> bytes | None:
        """A small value that is kept under a name, such as what proves that the key for secrets is the right one.

        Locked until the end.
        """
        ...

    async def put_mark(self, name: str, value: bytes) -> None: ...

    # ingest and record

    async def last_event_id(self) -> str | None:
        """The greatest event id in the store; new ids go on from it even when the clock was set back."""
        ...

    async def moment(self, now: Millis, known: Millis) -> Moment:
        """Say when this transaction records; asked once it holds the contacts that it is about.

        Where several processes share the store, the server's clock rules, and the floor is later than that of any
        transaction before, and than `known`, the latest time in ids that this process knows of. Steady lists
        hold back what is later than a floor whose transaction has not ended. Where there is one process,
        both are `now`.
        """
        ...

    async def known_dedup(self, keys: Sequence[str]) -> dict[str, Dedup]:
        """Those of these dedup keys that are taken."""
        ...

    async def dedup(self, rows: Sequence[Dedup], now: Millis) -> dict[str, Dedup]:
        """Claim dedup keys; return, by key, the rows that were there first (theirs stay)."""
        ...

    async def owners(self, keys: Sequence[str]) -> dict[str, str]:
        """Identity key → contact id, for those known.

        Keys: `e:` e-mail, `x:` externalId, `i:` id of a merged contact.
        """
        ...

    async def phone_owners(self, numbers: Sequence[str]) -> dict[str, list[str]]:
        """E.164 → ids of the contacts that have it."""
        ...

    async def claim_keys(self, rows: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Insert identity keys (key, contact id), in sorted order.

        Return those that another contact has: key → its id.
        """
        ...

    async def release_keys(self, keys: Sequence[str]) -> None: ...
    async def contacts(self, ids: Sequence[str]) -> dict[str, Contact]:
        """Load and lock contacts, in sorted order."""
        ...

    async def busy_lanes(self, lanes: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these (endpoint id, contact id) have a pending delivery in their lane."""
        ...

    async def save(self, changes: Changes) -> None:
        """Write it all, keeping the totals of rows (`events`, `runs`, `made`, `deliveries.<status>`) in step.

        A delivery that is `pending` also gets its row in the queue, due at `due_at`, but in a lane that `busy_lanes`
        has just called busy only when it has become the head of that lane. Only a test send may do without its event.
        """
        ...

    async def ancestries(self, run_ids: Sequence[str]) -> dict[str, tuple[Ancestor, ...]]:
        """The chain of runs that ends with each of these, nearest last; without those that are not there (any more)."""
        ...

    async def remembered(self, key: str) -> Remembered | None: ...
    async def remember(self, key: str, answer: Remembered, now: Millis) -> None: ...
    async def quarantine(self, content: bytes, reason: str, now: Millis) -> None:
        """Keep what could not be recorded, for a person to look at."""
        ...

    # deliver

    async def finish(self, finished: Sequence[Finished]) -> list[Moved]:
        """Write attempts and move their deliveries on, totals by status in step; return each as it stood and stands.

        The attempt is always written (numbered on after the last one). A delivery that was cancelled meanwhile stays
        so, except that a 2xx always makes it delivered. One that stays `pending` moves to its `due_at`. When it
        leaves its lane (any other status, or aside), the next one there becomes due at once. One that is `put_off`
        moves to its `due_at` without an attempt, if it still waits.

        Where the endpoint's lease has another epoch by now, only a 2xx moves it; all else leaves it as the new owner
        has it. One that is `held` is decided by its attempt. One that was asked for again meanwhile stays in the queue
        unless it arrived; one that had arrived before is `delivered` again when sending it again is given up. Of an
        erased one, nothing that the receiver said is kept.
        """
        ...

    async def requeue(self, delivery_id: str, now: Millis) -> Delivery | None:
        """Send once more, now.

        The same id and bytes, outside any lane, with the whole schedule before it, marked as `resend`. A pending one
        only becomes due, where it stands; an erased one stays as it is. None: no such delivery.
        """
        ...

    async def hurry(
        self, endpoint_id: str, now: Millis, limit: int, part: int | None = None, after: Place | None = None
    ) -> Place | None:
        """Make those deliveries of an endpoint, or of a part, that were put off due now, but what has its own hour.

        It looks at `limit` of what the endpoint has for later, the soonest first, and gives the last of these, `after`
        which to go on; None: there are no more.
        """
        ...

    async def cancel(self, delivery_id: str, now: Millis) -> Delivery | None:
        """Take a pending delivery out of the queue; any other stays as it is.

        One that had arrived before it was asked for again is `delivered` once more.
        """
        ...

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """One delivery as it stands, locked until the end."""
        ...

    async def requeue_many(self, delivery_ids: Sequence[str], statuses: Sequence[Status], now: Millis) -> int:
        """Send those once more that stand in one of these statuses, as `requeue` does; gives how many.

        An erased one has nothing left to send and is left out.
        """
        ...

    async def cancel_many(self, delivery_ids: Sequence[str], now: Millis) -> int:
        """Take those that are pending out of the queue, as `cancel` does; gives how many."""
        ...

    # jobs

    async def job(self, job_id: str) -> Job | None:
        """A job as it stands, locked until the end."""
        ...

    async def begin_job(self, job: Job) -> Job | None:
        """Write a new job unless one with its `key` is running; gives the one that runs now, locked until the end.

        None: it was begun by a release that can say more of a job, and cannot be read.
        """
        ...

    async def put_job(self, job: Job) -> None:
        """Write how a job stands that was begun; its `key` is free once it is not running."""
        ...

    # leases

    async def take_leases(self, owner: str, names: Iterable[str], now: Millis, millis: Millis) -> dict[str, Taken]:
        """Take those of these that nobody has, whose time is over or that are the owner's, for so long from now.

        The epoch of each rises by one. What somebody else is just at is left out. An endpoint is had as a whole or in
        parts (`parts.part_name`): while anybody has the one, nobody gets the other, and who had it and is too late to
        renew it has it no more. `now` counts only where the store has no clock of its own; a server has.
        """
        ...

    async def renew_leases(self, owner: str, names: Iterable[str], now: Millis, millis: Millis) -> set[str]:
        """Have them so long from now; gives those that nobody else has taken."""
        ...

    async def release_leases(self, owner: str, names: Iterable[str]) -> None:
        """Let go those that are the owner's: others may take them at once."""
        ...

    # upkeep and care

    async def erase(self, contact_id: str, now: Millis) -> Emptied:
        """Empty all that is known of a contact, cancel its pending deliveries.

        What was cancelled before its first attempt told its endpoint nothing. When the transaction is answered, the
        contact's texts are gone from the bytes of the database (from those of a large one soon after).
        """
        ...

    async def merge_chain(self, kept: str, gone: str) -> None:
        """Let the identity keys, tags and phones of `gone` point to `kept` and remove its contact row.

        Its id stays an alias.
        """
        ...

    async def prune(
        self, before: Millis, dedup_before: Millis, answers_before: Millis, limit: int, sums_before: Millis = 0
    ) -> Pruned:
        """Delete at most about `limit` rows that are older; nothing that a pending delivery needs.

        With the events go the jobs begun before them that have ended, with the answers the sessions that ended before
        them; sums go by `sums_before` alone. Behind an event that
        stays, the contact's later ones stay too, so that its chain always leads to all of them.
        """
        ...

    async def catch_up(self, limit: int) -> bool:
        """Do a bite of what the store puts off while it records, such as an index for searching; say if more waits.

        `limit` is about how many rows the bite may take. What has been put off is found all the same, only less soon.
        """
        ...

    async def add_totals(self, totals: dict[str, int]) -> None: ...
