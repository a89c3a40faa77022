"""What goes into a transaction and what comes out of it: the structs of `tx`, and the results of attempts."""

from msgspec import Struct

from goniec.core.model import Attempt, Contact, Delivery, Event, Failure, Miss, Run, Status
from goniec.core.times import Millis


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

    One that failed with `Failure.QUIET` was not made, and is not written: the delivery is put off, out of its lane.
    `epoch` is that of the lease on the endpoint under which it was made; None: nobody else can have one. `lease` names
    that lease where it is one on a part; None: it is on the whole endpoint.
    """

    delivery: Delivery
    attempt: Attempt
    epoch: int | None = None
    lease: str | None = None

    @property
    def put_off(self) -> bool:
        """Whether nothing was tried, for it is not its hour."""
        return self.attempt.failure is Failure.QUIET


class Moved(Struct, frozen=True):
    """A delivery as it stands after an attempt, and as what it stood before."""

    delivery: Delivery
    was: Status


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


Place = tuple[Millis, str]
"""A place in an endpoint's queue: due when, which delivery."""


class Moment(Struct, frozen=True):
    """When a transaction records: `at` is the recording time, and what it makes has ids from `floor` on."""

    at: Millis
    floor: Millis
