"""The nouns of Goniec: contact, event, run, delivery, attempt (the endpoint has a room of its own).

Every floor speaks in these structs. They are frozen: a change makes a new one, so a snapshot is just a reference.
Times are `Millis` (milliseconds since 1970-01-01T00:00Z). Nothing here does anything; the rooms beside it do.
"""

import enum
from typing import Any, Final, Literal, Self

from msgspec import Struct

from goniec.core.ids import event_of, run_id
from goniec.core.times import Millis

State = Literal["CUSTOMER", "PROSPECT", "PARTNER", "OTHER", "UNKNOWN"]
Channel = Literal["email", "phone"]
Source = Literal["api", "panel", "import", "tracking", "rule", "compat"]
DetailValue = str | int | float | bool


class Code(enum.StrEnum):
    """Base of codes that stand in rows. The next release, which runs beside this one for a while, may know more."""

    @classmethod
    def of(cls, code: str) -> Self:
        """What a row says; a code that only another release knows stays as it is, and is none of the class's."""
        try:
            return cls(code)
        except ValueError:
            other = str.__new__(cls, code)
            other._name_ = other._value_ = code
            return other

    @property
    def known(self) -> bool:
        """Whether it is one of the class's."""
        return self._value_ in type(self)._value2member_map_


SCORE_MIN: Final = -(2**31)
SCORE_MAX: Final = 2**31 - 1
"""A score is a signed 32-bit integer."""

DEPTH_MAX: Final = 10
"""How many rule runs may stand between an outside event and the deepest event that descends from it."""

DERIVED_MAX: Final = 1000
"""After this many events that follow from one call no further rule runs: a fan that would not end is a loop too."""

LOOP_WINDOW: Final[Millis] = 24 * 3600 * 1000
"""A rule does not run for a descendant of its own run younger than this."""


class Tag(Struct, frozen=True, array_like=True):
    """A tag on a contact: since when, and the tag's own score."""

    at: Millis
    score: int = 0


class Stage(Struct, frozen=True, array_like=True):
    """The one stage of a funnel that a contact is in: its name, since when, and its own score."""

    stage: str
    at: Millis
    score: int = 0


class Fired(Struct, frozen=True, array_like=True):
    """How often a rule has fired for a contact and when last (recording time). It outlives versions and retention."""

    count: int
    last: Millis


class Contact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person or company that behaves.

    `seq` counts the contact's events; `last_event` is the head of its chain (each event names the one before it).
    `fired` holds the run counters of rules, `merged` the ids that were merged into this one. `mailed` counts the
    marketing mails of the last days, `read` says which of its mails were opened (`OPENED`), clicked in (`CLICKED`),
    sent back (`RETURNED`) or complained of (`COMPLAINED`), and `bounced` is the address, in its compared form, that
    mail came back from for good.
    """

    id: str
    created_at: Millis
    updated_at: Millis
    seq: int = 0
    last_event: str | None = None
    last_activity_at: Millis | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    company: str | None = None
    external_id: str | None = None
    language: str | None = None
    timezone: str | None = None
    state: State = "UNKNOWN"
    owner: str | None = None
    score: int = 0
    tags: dict[str, Tag] = {}
    details: dict[str, DetailValue] = {}
    stages: dict[str, Stage] = {}
    consents: dict[str, bool] = {}
    subscriptions: dict[str, bool] = {}
    fired: dict[str, Fired] = {}
    merged: tuple[str, ...] = ()
    mailed: dict[str, int] = {}
    read: dict[str, int] = {}
    bounced: str | None = None


OPENED: Final = 1
CLICKED: Final = 2
RETURNED: Final = 4
COMPLAINED: Final = 8
READ_MOST: Final = 100
"""Of so many mails a contact keeps whether it has read them: of the newest."""


class Ancestor(Struct, frozen=True, array_like=True):
    """A run above an event: which rule, and when it was decided."""

    rule_id: str
    at: Millis


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened to a contact; append-only.

    `seq` is the contact's own count and gives the order; `received_at` is the recording time, the `now` of every
    decision about the event. `cause` is the run that made it, `ancestors` all runs above it (nearest last), `depth`
    their number.
    """

    id: str
    type: str
    contact_id: str
    seq: int
    occurred_at: Millis
    received_at: Millis
    source: Source
    source_key: str | None = None
    data: dict[str, Any] = {}
    previous: str | None = None
    cause: str | None = None
    ancestors: tuple[Ancestor, ...] = ()
    dedup_key: str | None = None
    fired: bool = True

    @property
    def depth(self) -> int:
        """How many runs stand above this event."""
        return len(self.ancestors)


class Outcome(Code):
    """What one evaluation of a rule for an event came to."""

    FIRED = "fired"
    FIRED_OTHERWISE = "firedOtherwise"
    CONDITIONS_FAILED = "conditionsFailed"
    LIMIT_REACHED = "limitReached"
    INTERVAL = "intervalNotElapsed"
    OUTSIDE_VALIDITY = "outsideValidity"
    TOO_OLD = "tooOld"
    LOOP_STOPPED = "loopStopped"
    CONFIG_ERROR = "configError"
    CONTACT_ERASED = "contactErased"


ROWS: Final = frozenset(
    {
        Outcome.FIRED,
        Outcome.FIRED_OTHERWISE,
        Outcome.LIMIT_REACHED,
        Outcome.INTERVAL,
        Outcome.LOOP_STOPPED,
        Outcome.CONFIG_ERROR,
    }
)
"""Outcomes that get a row of their own; the others stand together in one record beside the event (`Miss`)."""


class Seen(Struct, frozen=True, omit_defaults=True):
    """One line of a condition trace: where in the tree (JSON pointer), what it came to, and the value that was seen.

    `read` says how the value was understood where that is not plain (`"number 9"`, `"no number"`, `"no value"`).
    """

    pointer: str
    holds: bool
    value: Any = None
    read: str | None = None


class Skip(Code):
    """Why an action of a run that fired was left out."""

    NO_ADDRESS = "noAddress"
    OPTED_OUT = "optedOut"
    BOUNCED = "addressBounced"
    DAY_FULL = "dayFull"
    NO_USER = "noUser"


class Skipped(Struct, frozen=True, array_like=True):
    """An action that was left out: its pointer in the rule, and why (a `Skip`)."""

    pointer: str
    why: str


class Run(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One evaluation of a rule that has a row of its own."""

    id: str
    rule_id: str
    version: int
    contact_id: str
    at: Millis
    outcome: Outcome
    trace: tuple[Seen, ...] = ()
    detail: str | None = None
    deliveries: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def event_id(self) -> str:
        """The event that was evaluated; a run's id begins with it."""
        return event_of(self.id)


class Miss(Struct, frozen=True, array_like=True):
    """An evaluation that did not fire and needs no row: the first failing condition and the value seen there."""

    rule_id: str
    version: int
    outcome: Outcome
    seen: Seen | None = None


class Status(Code):
    """Where a delivery stands."""

    PENDING = "pending"
    HELD = "held"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Delivery(Struct, frozen=True, kw_only=True):
    """One message for one endpoint; `body` is the exact bytes of every attempt.

    `first_at` and `last_at` are the starts of the first and the last attempt, `due_at` the next one (None: none is
    planned), `counted` the attempts that count against the schedule, `refusals` those answered with a 4xx that will not
    mend itself. `attempts` counts them all. `aside` means that it has left its lane, `resend` that it was asked for
    once more by hand, and `delivered_at` when it first arrived. `failure` is what the last attempt failed with, None
    when it went well or none was made; `Failure.QUIET` is none, and says why none is made before `due_at`. `test` marks
    a test send. `body_sha256` is what is left of a body that was erased.
    """

    id: str
    endpoint_id: str
    contact_id: str
    rule_id: str
    event_type: str
    seq: int
    body: bytes
    created_at: Millis
    status: Status = Status.PENDING
    due_at: Millis | None = None
    counted: int = 0
    refusals: int = 0
    first_at: Millis | None = None
    last_at: Millis | None = None
    attempts: int = 0
    aside: bool = False
    resend: bool = False
    delivered_at: Millis | None = None
    test: bool = False
    failure: "Failure | None" = None
    body_sha256: bytes | None = None

    @property
    def event_id(self) -> str:
        """The event that led to it; a delivery's id begins with it."""
        return event_of(self.id)

    @property
    def run_id(self) -> str:
        """The run that wrote it."""
        return run_id(self.event_id, self.rule_id)

    @property
    def timed(self) -> bool:
        """Whether it waits for an hour of its own: nothing but that hour lets it go."""
        return self.failure is Failure.QUIET or (self.aside and not self.attempts and not self.resend)


class Failure(Code):
    """Why an attempt failed, one code each."""

    DNS = "dnsFailed"
    ADDRESS = "addressRefused"
    CONNECT = "connectFailed"
    CONNECT_TIMEOUT = "connectTimeout"
    TIMEOUT = "timeout"
    RESET = "connectionReset"
    EMPTY = "emptyAnswer"
    STALE = "staleConnection"
    TLS = "tlsFailed"
    TLS_EXPIRED = "tlsExpired"
    TLS_HOST = "tlsWrongHost"
    TLS_SELF_SIGNED = "tlsSelfSigned"
    TLS_ISSUER = "tlsUnknownIssuer"
    TLS_INTERMEDIATE = "tlsMissingIntermediate"
    NOT_HTTP = "notHttp"
    HEAD_TOO_LARGE = "headTooLarge"
    CUT = "answerCut"
    INFORMATIONAL = "informational"
    REDIRECT = "redirect"
    REJECTED = "rejected"
    GONE = "gone"
    BUSY = "tooManyRequests"
    SERVER = "serverError"
    STATUS = "unexpectedStatus"
    PROXY = "proxyFailed"
    GRANT_UNREACHABLE = "tokenUnreachable"
    GRANT_REFUSED = "tokenRefused"
    GRANT_EXPIRED = "tokenExpired"
    NOT_SMTP = "notSmtp"
    MAIL_OFF = "mailNotSetUp"
    MAIL_LOGIN = "mailLoginRefused"
    MAIL_BUSY = "mailServerBusy"
    MAIL_REFUSED = "mailServerRefused"
    RECIPIENT_REFUSED = "recipientRefused"
    RECIPIENT_DEFERRED = "recipientDeferred"
    RECIPIENT_INVALID = "recipientInvalid"
    MESSAGE_REFUSED = "messageRefused"
    MESSAGE_DEFERRED = "messageDeferred"
    OPTED_OUT = "contactOptedOut"
    BOUNCED = "addressBounced"
    MOVED = "addressChanged"
    QUIET = "quietHours"
    INTERNAL = "internalError"


BOUNCES: Final = frozenset({Failure.RECIPIENT_REFUSED, Failure.RECIPIENT_INVALID})
"""The server will never take mail for this recipient."""
UNWANTED: Final = frozenset({Failure.OPTED_OUT, Failure.BOUNCED, Failure.MOVED})
"""Nothing was sent: the contact has opted out or changed its address since, or that turned out dead."""
OF_RECIPIENT: Final = BOUNCES | {Failure.RECIPIENT_DEFERRED}
"""The server does not take mail for this recipient, ever or at present."""
MAIL_ITSELF: Final = OF_RECIPIENT | {Failure.MESSAGE_REFUSED, Failure.MESSAGE_DEFERRED}
"""What is about one mail and whom it is for, and says nothing of the server."""


class Attempt(Struct, frozen=True, kw_only=True):
    """One HTTP request, or one mail handed to a server; `status` is what HTTP or SMTP calls so.

    Number (1 is the first), start, duration, address, answer. `resend` marks one asked for by hand.
    """

    delivery_id: str
    number: int
    at: Millis
    millis: int
    status: int | None = None
    failure: Failure | None = None
    detail: str = ""
    address: str | None = None
    head: bytes = b""
    body: bytes = b""
    note: str | None = None
    resend: bool = False


class Funnel(Struct, frozen=True, kw_only=True):
    """Ordered stages; a contact is in at most one of them. Funnel and stage are known by their names."""

    id: str
    version: int
    name: str
    stages: tuple[str, ...]


class ApiKey(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API key: never the key itself, only its SHA-256; `name` is what events carry as `sourceKey`."""

    id: str
    name: str
    scope: Literal["ingest", "read", "admin"]
    digest: bytes
    created_at: Millis
    revoked_at: Millis | None = None


UserRole = Literal["admin", "editor", "viewer"]


class User(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody who uses the panel: `viewer` looks, `editor` changes rules and contacts, `admin` does everything.

    `email` is as entered; who signs in is found by its compared form. `password` is a hash of argon2, and never leaves
    the store. `language` and `timezone` are None where the workspace's count.
    """

    id: str
    version: int
    email: str
    role: UserRole
    password: str
    created_at: Millis
    updated_at: Millis
    name: str = ""
    language: Literal["pl", "en"] | None = None
    timezone: str | None = None
    disabled_at: Millis | None = None


class Session(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody signed in, in one browser. What the browser has is a token; only its SHA-256 (`digest`) is kept.

    `csrf` is the secret that every form of the session carries, `agent` what the browser calls itself.
    """

    digest: bytes
    user_id: str
    csrf: str
    created_at: Millis
    seen_at: Millis
    expires_at: Millis
    remember: bool = False
    agent: str = ""
