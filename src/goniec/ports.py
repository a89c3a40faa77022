"""The outside, on one page: what the flow needs of databases, networks, clocks and chance, shaped by who uses it.

`flow` calls these, `store` and `send` fill them in, `app` joins the two; tests put fakes in their place. A log in front
of record will stand beside them.
"""

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final, Literal, Protocol, TypeVar

from msgspec import Struct

from goniec.core.breaker import Breaker
from goniec.core.endpoint import Endpoint
from goniec.core.jobs import Job
from goniec.core.model import (
    Ancestor,
    ApiKey,
    Attempt,
    Contact,
    Delivery,
    Event,
    Failure,
    Funnel,
    Miss,
    Outcome,
    Run,
    Session,
    State,
    Status,
    User,
)
from goniec.core.problems import Problem
from goniec.core.rules import Rule
from goniec.core.times import Millis
from goniec.core.wire import Grant

T = TypeVar("T")

FIRED: Final = (Outcome.FIRED, Outcome.FIRED_OTHERWISE)
"""The outcomes of a run that did something."""


class Unavailable(Exception):
    """The store cannot work just now (full disk, locked file, lost database); nothing was written. Try again later."""


# --- chance and time ------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Wall time and a clock that never jumps."""

    def now(self) -> Millis:
        """Milliseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...


class Timed(Struct, frozen=True):
    """The time of a server, in milliseconds, at some moment between two of our clock that never goes back."""

    at: float
    asked: float
    answered: float


class Dice(Protocol):
    """Chance, as an argument."""

    def bits(self, n: int) -> int:
        """`n` random bits, fit for secrets."""
        ...

    def jitter(self) -> float:
        """A number in [-1, 1]."""
        ...


class Vault(Protocol):
    """Seals secrets for the database (AES-GCM, the row's id as associated data) and opens them again."""

    def seal(self, row_id: str, text: str) -> bytes:
        """Encrypt `text` for the row `row_id`."""
        ...

    def unseal(self, row_id: str, sealed: bytes) -> str:
        """Decrypt; raises `ValueError` when no key at hand fits."""
        ...


class Passwords(Protocol):
    """Hashes passwords, slowly on purpose, away from the loop."""

    async def hash(self, password: str) -> str:
        """Give what is kept of a password."""
        ...

    async def fits(self, password: str, kept: str | None) -> bool:
        """Say whether a password is the one; None costs the same time and never fits."""
        ...

    def stale(self, kept: str) -> bool:
        """Say whether it was hashed more weakly than is done now."""
        ...


# --- sending --------------------------------------------------------------------------------------------------------


class Outgoing(Struct, frozen=True):
    """One HTTP POST to make.

    The URL was checked when saved; headers are complete and in order; seconds for the limits. `authorities` (PEM) are
    believed instead of the usual ones; `client` is a certificate and its key (PEM), for a receiver that asks for one.
    With a `grant`, an access token takes the place of the empty `Authorization`.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout: float = 15.0
    connect_timeout: float = 5.0
    fresh: bool = False
    authorities: str | None = None
    client: tuple[str, str] | None = None
    grant: Grant | None = None


class Answer(Struct, frozen=True):
    """What came of it.

    `failure` is None when delivered: any 2xx whose head arrived whole (`note` says what went wrong after). `millis` is
    how long it took, `sent` after how many of them the first byte went out (None: none did).
    """

    failure: Failure | None
    detail: str
    status: int | None = None
    address: str | None = None
    millis: int = 0
    head: bytes = b""
    body: bytes = b""
    note: str | None = None
    retry_after: str | None = None
    sent: int | None = None


class Sender(Protocol):
    """Makes requests; every failure is an `Answer`."""

    async def send(self, request: Outgoing) -> Answer:
        """Send once. Raises nothing but `CancelledError`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Forbidden(Struct, frozen=True):
    """Why a URL cannot be taken, and what to do about it; never repeats credentials that stood in it."""

    detail: str


class Identified(Struct, frozen=True):
    """A client certificate that its key fits: the chain and the key (PEM), whose it is, until when."""

    certificate: str
    key: str
    subject: str
    not_after: Millis


class Guard(Protocol):
    """Checks where webhooks are to go, and with which headers of their own, before that is saved."""

    async def check(self, url: str) -> str | Forbidden:
        """Give a URL that a person entered in the form that is stored and sent; its host is looked up."""
        ...

    def check_header(self, name: str, value: str) -> str | None:
        """Say why a header cannot be sent; None: it can."""
        ...

    def check_authorities(self, text: str) -> str | Forbidden:
        """Give the certificates of a PEM text that a person entered, and nothing else that stood there."""
        ...

    def check_client(self, certificate: str, key: str | None, now: Millis) -> Identified | Problem:
        """Read a client certificate and its key; a problem is at `certificate` or `key`, and repeats neither."""
        ...


class Mail(Struct, frozen=True):
    """A letter: to one address, of plain text; `key` names it, the same each time that it is sent."""

    to: str
    subject: str
    text: str
    key: str


class Undelivered(Exception):
    """The mail server did not take a letter; `final` says that it never will."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Mailer(Protocol):
    """Hands letters to a mail server."""

    async def send(self, mail: Mail) -> None:
        """Send once. Raises `Undelivered`."""
        ...


class Notice(Protocol):
    """Is told what somebody changed about an endpoint: after the commit, from any thread; never raises, never waits."""

    def changed(self, endpoint_id: str) -> None:
        """Its settings are others now, or it is gone."""
        ...

    def kick(self, endpoint_id: str) -> None:
        """Deliveries to it may have become due."""
        ...


class Signal(enum.StrEnum):
    """What one process tells the others that share its store."""

    DUE = "due"
    """Something of this endpoint may be due."""
    CHANGED = "changed"
    """The settings of this endpoint are others now, or it is gone."""
    LEASES = "leases"
    """Somebody has let go of what this endpoint's id names, or of more (an empty id)."""


class Signals(Protocol):
    """Tells other processes what they would find out by themselves a little later; it may be lost."""

    def tell(self, signal: Signal, endpoint_ids: Iterable[str] = ()) -> None:
        """Tell all others: after the commit, from any thread; never raises, never waits."""
        ...

    def hear(self, heard: Callable[[Signal, str], None]) -> None:
        """Call `heard` with what others tell from now on, a call for each id, in a thread of the store's."""
        ...


# --- the store: writing ---------------------------------------------------------------------------------------------


class Dedup(Struct, frozen=True):
    """A caller's key for an event.

    `digest` is the SHA-256 of the event's content, `event_id` the event that it names.
    """

    key: str
    digest: bytes
    event_id: str


class Remembered(Struct, frozen=True):
    """The stored answer to a request with an `Idempotency-Key`; `digest` is the SHA-256 of method, path and body."""

    digest: bytes
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Changes(Struct):
    """Everything that one recording transaction writes. `contacts` are whole rows (new and old alike).

    `tags` and `phones` keep the search indexes: (value, contact id, present). `misses` belong to the event of the same
    id. `names` are tags, details and consents that may be seen for the first time: (kind, name). `totals` are added to
    the ledger.
    """

    contacts: list[Contact] = []
    events: list[Event] = []
    misses: dict[str, tuple[Miss, ...]] = {}
    runs: list[Run] = []
    deliveries: list[Delivery] = []
    tags: list[tuple[str, str, bool]] = []
    phones: list[tuple[str, str, bool]] = []
    names: list[tuple[str, str]] = []
    totals: dict[str, int] = {}


class Finished(Struct, frozen=True):
    """An attempt that was made, and how the delivery stands after it.

    `epoch` is that of the lease on the endpoint under which it was made; None: nobody else can have one. `lease` names
    that lease where it is one on a part; None: it is on the whole endpoint.
    """

    delivery: Delivery
    attempt: Attempt
    epoch: int | None = None
    lease: str | None = None


class Lease(Struct, frozen=True):
    """Who owns an endpoint or a duty: `owner` names a process from its start to its end.

    `epoch` rises whenever it is taken; `left` are the milliseconds until it runs out, by the store's clock.
    """

    name: str
    owner: str
    epoch: int
    left: Millis


class Taken(Struct, frozen=True):
    """A lease that was just taken: under which epoch, and when, by the store's clock."""

    epoch: int
    at: Millis


WORKER: Final = "worker:"
"""Begins the name of the lease by which a process tells that it lives and delivers; its owner follows."""


class Emptied(Struct, frozen=True):
    """The endpoints that had deliveries about an erased contact, and those of them that were tried at least once.

    Both are sorted.
    """

    endpoints: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()


class Pruned(Struct, frozen=True):
    """How many rows retention took away in one bite; `more` says that some are left that are due to go."""

    events: int
    runs: int
    deliveries: int
    attempts: int
    keys: int
    more: bool


class Moment(Struct, frozen=True):
    """When a transaction records: `at` is the recording time, and what it makes has ids from `floor` on."""

    at: Millis
    floor: Millis


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

    async def ancestry(self, run_id: str) -> tuple[Ancestor, ...] | None:
        """The chain of runs that ends with this run (nearest last); None when there is no such run (any more)."""
        ...

    async def remembered(self, key: str) -> Remembered | None: ...
    async def remember(self, key: str, answer: Remembered, now: Millis) -> None: ...
    async def quarantine(self, content: bytes, reason: str, now: Millis) -> None:
        """Keep what could not be recorded, for a person to look at."""
        ...

    # deliver

    async def finish(self, finished: Sequence[Finished]) -> list[Delivery]:
        """Write attempts and move their deliveries on, totals by status in step; return each as it now stands.

        The attempt is always written (numbered on after the last one). A delivery that was cancelled meanwhile stays
        so, except that a 2xx always makes it delivered. One that stays `pending` moves to its `due_at`. When it
        leaves its lane (any other status, or aside), the next one there becomes due at once.

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

    async def hurry(self, endpoint_id: str, now: Millis, limit: int, part: int | None = None) -> bool:
        """Make those deliveries of an endpoint, or of a part, that were put off due now.

        It takes at most `limit`, the soonest first. Says whether more are put off.
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


# --- the store: reading ---------------------------------------------------------------------------------------------


class Page(Struct, frozen=True):
    """Where to go on and how far: `after` is the id of the last row seen, `newest` turns the order round.

    `most` bounds the search: about so many rows are looked at, then it stops with what it has found.

    Whoever goes on later from where a `steady` list from the oldest on has ended misses nothing: what other processes
    are just recording, and what is later, is held back until that is done.
    """

    limit: int = 100
    after: str | None = None
    newest: bool = False
    most: int = 10_000
    steady: bool = False


class Rows(list[T]):
    """The rows of a page, in its order.

    `stopped` says that there may be more though the page is not full: so much was looked at without finding it. It is
    what to go on after, as `Page.after`. None: the page is full, or the list ends with it.
    """

    def __init__(self, rows: Iterable[T] = (), stopped: str | None = None) -> None:
        super().__init__(rows)
        self.stopped = stopped


class ContactFilter(Struct, frozen=True):
    """All that is given must hold. `q` is literal text in e-mail, phone, name, company or externalId, any case.

    `email` is in its compared form, `phone` in E.164; they and `external_id` are exact. `stage` names a funnel and one
    of its stages. `since` (included) and `until` (not) compare when the contact was made.
    """

    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    tag: str | None = None
    q: str | None = None
    state: State | None = None
    stage: tuple[str, str] | None = None
    since: Millis | None = None
    until: Millis | None = None


class EventFilter(Struct, frozen=True):
    """All that is given must hold; `since` (included) and `until` (not) compare the recording time."""

    contact_id: str | None = None
    type: str | None = None
    since: Millis | None = None
    until: Millis | None = None


class RunFilter(Struct, frozen=True):
    """All that is given must hold: the outcome is one of these; `since` (included) and `until` (not) compare `at`."""

    rule_id: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    since: Millis | None = None
    until: Millis | None = None


class DeliveryFilter(Struct, frozen=True):
    """All that is given must hold; `since` (included) and `until` (not) compare the creation.

    The status is `status` and one of `statuses`; `failure` is what the last attempt failed with, `test` tells test
    sends from all others.
    """

    status: Status | None = None
    rule_id: str | None = None
    endpoint_id: str | None = None
    contact_id: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    failure: Failure | None = None
    test: bool | None = None
    statuses: tuple[Status, ...] = ()


Subject = Literal["", "rule", "endpoint", "wait"]
"""What is counted by the hour: the whole instance, each rule, each endpoint, and how long deliveries took to arrive."""


class Sum(Struct, frozen=True):
    """What happened from `at` on for one step; each thing in the hour in which it happened, test sends left out.

    `runs` are those that fired, either way. `delivered` counts deliveries that arrived for the first time, `failed`
    those that were given up, `cancelled` those that were called off: one that is sent again later counts where it ends
    then. `waited` are the milliseconds from being made to arriving, all of `delivered` together. What is no matter of
    its subject is 0: a rule has no events and attempts, an endpoint no events and runs.
    """

    subject: str
    at: Millis
    events: int = 0
    runs: int = 0
    made: int = 0
    delivered: int = 0
    failed: int = 0
    cancelled: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    waited: Millis = 0


Holder = Literal["endpoint", "rule"]
"""Whose deliveries a balance is of."""


class Balance(Struct, frozen=True):
    """How all deliveries of an endpoint or a rule stand, test sends included; those that retention took as they stood.

    `made` is the sum of the others.
    """

    subject: str
    made: int
    pending: int
    held: int
    delivered: int
    failed: int
    cancelled: int


class Stuck(Struct, frozen=True):
    """Deliveries to an endpoint that nothing would ever move: how many, and the id of one.

    `unqueued` are pending without a place in the queue, `unwanted` have one though they are not pending or not there,
    `homeless` wait in the queue for an endpoint that is not there, `headless` behind one of their lane that has gone.
    """

    how: Literal["unqueued", "unwanted", "homeless", "headless"]
    endpoint_id: str
    n: int
    example: str


DUE_MOST: Final = 1_000
"""So many due deliveries of an endpoint are counted, so that asking costs the same however many there are."""


class Queue(Struct, frozen=True):
    """One endpoint's pending deliveries: how many, how many are due, and when the oldest due one fell due.

    `pending` is the ledger's figure and exact, `due` is counted up to `DUE_MOST`.
    """

    endpoint_id: str
    pending: int
    due: int
    oldest_due: Millis | None

    @property
    def more_due(self) -> bool:
        """Whether more may be due than were counted."""
        return self.due == DUE_MOST


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
    async def last_attempts(self, delivery_ids: Sequence[str]) -> dict[str, Attempt]:
        """By delivery its newest attempt; those without one are left out."""
        ...

    async def due_endpoints(self, now: Millis) -> list[str]:
        """Endpoints that have something due, paused ones too."""
        ...

    async def due(self, endpoint_id: str, now: Millis, limit: int, part: int | None = None) -> list[Delivery]:
        """Deliveries of an endpoint, or of one part of it, that may go now, oldest due first.

        In a lane only the first pending one, aside ones freely. A contact's `part` is as `parts.part_of` says.
        """
        ...

    async def queues(self, now: Millis, endpoint_ids: Sequence[str] | None = None) -> list[Queue]:
        """The queues in which something waits, in the order of endpoints; None: of all. Costs nothing per delivery."""
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


class Store(Protocol):
    """The database."""

    @property
    def queries(self) -> Queries:
        """The reading side."""
        ...

    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run `work` in one transaction and commit it to disk before returning; any exception undoes it all.

        Raises `Unavailable` when the store cannot work. `work` awaits nothing but the `Tx`, and may be run again from
        the start.
        """
        ...

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a new file while the service runs."""
        ...

    async def close(self) -> None: ...


class Handover(Protocol):
    """Takes freshly recorded deliveries without a query; what it does not keep, the queue table still has."""

    def take(self, deliveries: Sequence[Delivery], busy: set[tuple[str, str]]) -> None:
        """`busy` lanes had earlier pending deliveries.

        Called after the commit, from any thread; never raises, never waits.
        """
        ...
