"""Reading: all that the API, the panel, the doctor and the flow itself look up outside of transactions."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from goniec.core.endpoint import Endpoint
from goniec.core.jobs import Job
from goniec.core.messages import Message
from goniec.core.model import (
    ApiKey,
    Attempt,
    Contact,
    Delivery,
    Event,
    Funnel,
    Miss,
    Outcome,
    Run,
    Session,
    Status,
    User,
)
from goniec.core.rules import Rule
from goniec.core.times import Millis
from goniec.ports.figures import Balance, Holder, Queue, Stuck, Subject, Sum
from goniec.ports.leases import Lease
from goniec.ports.lists import FIRED, ContactFilter, DeliveryFilter, EventFilter, Page, Rows, RunFilter


class Queries(Protocol):
    """Reading, outside any transaction.

    Never waits for writers. Lists are ordered by id, which is the order of recording. Where a filter finds too little
    among what it may look at, they come with `Rows.stopped`.
    """

    async def contact(self, contact_id: str) -> Contact | None:
        """By id; the id of a merged contact leads to the one that was kept."""
        ...

    async def contacts(self, wanted: ContactFilter, page: Page) -> Rows[Contact]: ...
    async def event(self, event_id: str) -> tuple[Event, tuple[Miss, ...]] | None: ...
    async def events(self, wanted: EventFilter, page: Page) -> Rows[Event]: ...
    def timeline(self, contact_id: str) -> AsyncIterator[tuple[Event, tuple[Miss, ...], list[Run], list[Delivery]]]:
        """A contact's events from the newest back along its chain, each with what followed from it."""
        ...

    async def rule(self, rule_id: str) -> Rule | None: ...
    async def rule_version(self, rule_id: str, version: int) -> Rule | None: ...
    async def rules(self) -> list[Rule]: ...
    async def runs(self, wanted: RunFilter, page: Page) -> Rows[Run]: ...
    async def run(self, run_id: str) -> Run | None: ...
    async def last_runs(self, rule_ids: Sequence[str], outcomes: Sequence[Outcome] = FIRED) -> dict[str, Run]:
        """By rule the newest run with one of these outcomes; rules without one are left out."""
        ...

    async def endpoints(self) -> list[Endpoint]: ...
    async def endpoint(self, endpoint_id: str) -> Endpoint | None: ...
    async def funnels(self) -> list[Funnel]: ...
    async def messages(self) -> list[Message]: ...
    async def message(self, message_id: str) -> Message | None: ...
    async def names(self, kind: str) -> list[str]:
        """The tags, details or consents ever seen: kind `tag`, `detail`, `consent`."""
        ...

    async def keys(self) -> list[ApiKey]: ...
    async def key(self, digest: bytes) -> ApiKey | None:
        """The key with this SHA-256, revoked ones too."""
        ...

    async def users(self) -> list[User]: ...
    async def user(self, user_id: str) -> User | None: ...
    async def user_of(self, email: str) -> User | None:
        """The user with this e-mail, in its compared form."""
        ...

    async def sessions(self, user_id: str) -> list[Session]:
        """The sessions of a user, the newest first."""
        ...

    async def session(self, digest: bytes) -> tuple[Session, User] | None:
        """A session and whose it is."""
        ...

    async def deliveries(self, wanted: DeliveryFilter, page: Page) -> Rows[Delivery]: ...
    async def delivery(self, delivery_id: str) -> tuple[Delivery, list[Attempt]] | None: ...
    async def deliveries_by_id(self, delivery_ids: Sequence[str]) -> dict[str, Delivery]:
        """Those of these that are there, by id, with their bodies: not too many at once."""
        ...

    async def last_attempts(self, delivery_ids: Sequence[str]) -> dict[str, Attempt]:
        """By delivery its newest attempt; those without one are left out."""
        ...

    async def due_endpoints(self, now: Millis) -> list[str]:
        """Endpoints that have something due, paused ones too."""
        ...

    async def homeless(self) -> list[str]:
        """Endpoints that something waits for and that are not there. One that cannot be read is."""
        ...

    async def due(self, endpoint_id: str, now: Millis, limit: int, part: int | None = None) -> list[Delivery]:
        """Deliveries of an endpoint, or of one part of it, that may go now, oldest due first.

        In a lane only the first pending one, aside ones freely. A contact's `part` is as `parts.part_of` says.
        """
        ...

    async def followers(self, heads: Sequence[str], each: int) -> dict[str, list[Delivery]]:
        """By the ids of heads of lanes, those behind them in their order, at most `each`; heads without are left out.

        As long as it stands behind another, one is due at no time, unless it has one of its own.
        """
        ...

    async def queues(self, now: Millis, endpoint_ids: Sequence[str] | None = None) -> list[Queue]:
        """The queues in which something waits, in the order of endpoints; None: of all. Costs nothing per delivery."""
        ...

    async def mark(self, name: str) -> bytes | None:
        """As `Tx.mark`, without the lock."""
        ...

    async def setup_version(self) -> int:
        """As `Tx.setup_version`."""
        ...

    async def leases(self, now: Millis) -> list[Lease]:
        """Those that somebody has, ran out or not, by name; `now` counts as in `Tx.take_leases`."""
        ...

    async def totals(self) -> dict[str, int]:
        """The ledger.

        `received`, `accepted`, `duplicates`, `refused` as `save` was told, `events`, `runs`, `made`, `attempts` and
        `deliveries.<status>` as rows were written, since the beginning; each of them, also when it is 0.
        """
        ...

    async def standing(self) -> dict[Status, int]:
        """How many deliveries stand in each status now, test sends too: what lists would find."""
        ...

    async def sums(
        self, kind: Subject, ids: Sequence[str] | None, since: Millis, until: Millis, step: Millis
    ) -> list[Sum]:
        """What happened in steps of `step` milliseconds from `since` to before `until`, ordered by subject and step.

        Steps in which nothing happened are left out. All is counted by whole hours of UTC: an hour belongs to the step
        in which it begins, and so do the hours that `since` and `until` cut. `ids` None: all rules, all endpoints. Of
        the whole the subject is "", of `wait` an upper bound in milliseconds: `delivered` counts those that arrived
        within it and not within the next smaller one. Kept for 400 days at least, whatever the retention.
        """
        ...

    async def balances(self, holder: Holder) -> list[Balance]:
        """The ledger of each endpoint or rule that ever had a delivery, in the order of their ids."""
        ...

    async def recount_balances(self, holder: Holder) -> list[Balance]:
        """The same figures counted from the rows (with what retention took away added), for `goniec doctor`."""
        ...

    async def stuck(self) -> list[Stuck]:
        """What is stuck, by how and endpoint, for `goniec doctor`; it looks at all deliveries."""
        ...

    async def job(self, job_id: str) -> Job | None: ...
    async def jobs(self, limit: int) -> list[Job]:
        """The newest jobs that can be read, the newest first."""
        ...

    async def running_jobs(self) -> list[Job]:
        """The jobs that go on and can be read, in the order in which they were begun."""
        ...

    async def recount(self) -> dict[str, int]:
        """The same figures counted from the rows (with what retention took away added), for `goniec doctor`."""
        ...

    async def health(self) -> str | None:
        """None when the store can write, else why not."""
        ...
