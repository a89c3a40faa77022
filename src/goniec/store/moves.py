"""How deliveries move on: what an attempt, a wish to send again, or calling off makes of one. No database is seen here.

Called by `deliver` in each store, which reads how deliveries stand, asks, and writes how they stand then.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.model import UNWANTED, Attempt, Delivery, Failure, Status
from goniec.core.times import Millis
from goniec.ports import Finished
from goniec.store.rows import Row

MOVED: Final = (
    "status",
    "counted",
    "refusals",
    "attempts",
    "first_at",
    "last_at",
    "delivered_at",
    "aside",
    "resend",
    "failure",
)
"""What changes in a delivery's life."""

_UNDECIDED: Final = frozenset({Status.PENDING, Status.HELD})
"""An attempt may decide these: held ones are tried by hand, outside the queue."""


class Standing(Struct):
    """A delivery (without its body) as it stands in the table, and as it stands after this transaction.

    `lane` is the (endpoint, contact) of the lane that it is in.
    """

    was: Delivery
    now: Delivery
    lane: tuple[str, str] | None

    @property
    def queued(self) -> bool:
        """Whether it had a place in the queue, as all that are pending should."""
        return self.lane is not None or self.was.due_at is not None


def is_plain(one: Finished) -> bool:
    """Whether it arrived with its first attempt, and says of itself what an untouched row would come to say."""
    said, attempt = one.delivery, one.attempt
    return (
        said.status is Status.DELIVERED
        and said.attempts == said.counted == 1
        and not said.refusals
        and attempt.failure is None
        and said.first_at == said.last_at == attempt.at
        and said.delivered_at == end(attempt)
        and not said.resend
    )


def under(one: Finished) -> str:
    """The lease under which an attempt was made."""
    return one.lease or one.delivery.endpoint_id


def after(delivery: Delivery, one: Finished, body: bytes, *, fenced: bool = False) -> Delivery:
    """How a delivery stands after an attempt: as the sender says, unless something happened to it meanwhile.

    Where it is `fenced`, the endpoint has another owner by now, who alone says so, unless it arrived.
    """
    said, attempt = one.delivery, one.attempt
    if one.put_off:
        waits = delivery.status is Status.PENDING and not fenced
        later = {"due_at": said.due_at, "aside": True, "failure": Failure.QUIET, "body": body}
        return replace(delivery, **later) if waits else delivery
    tried: dict[str, Any] = {
        "attempts": delivery.attempts + 1,
        "first_at": attempt.at if delivery.first_at is None else delivery.first_at,
        "last_at": attempt.at,
        "failure": attempt.failure,
        "body": body,
    }
    if attempt.failure is None:
        tried["status"] = Status.DELIVERED
        tried["delivered_at"] = end(attempt) if delivery.delivered_at is None else delivery.delivered_at
    elif fenced or delivery.status not in _UNDECIDED or (delivery.resend and not said.resend):
        # another owner's, cancelled, delivered after all, or asked for again while this attempt was under way
        if delivery.status is Status.CANCELLED and delivery.failure in UNWANTED:
            del tried["failure"]  # it says why nobody wants it
        return replace(delivery, **tried)
    elif said.status is Status.FAILED and delivery.delivered_at is not None:
        tried["status"] = Status.DELIVERED
    else:
        tried["status"] = said.status
        tried["aside"] = delivery.aside or said.aside
    due = None
    if tried["status"] is Status.PENDING:
        due = end(attempt) if said.due_at is None else said.due_at
    return replace(delivery, **tried, due_at=due, counted=said.counted, refusals=said.refusals)


def asked_for(was: Delivery, now: Millis) -> Delivery:
    """How a delivery stands once somebody wants it sent once more.

    An erased one stays as it was, and a follower behind its head.
    """
    if was.status is Status.PENDING:
        return replace(was, due_at=None if was.due_at is None else min(now, was.due_at))
    if was.body_sha256 is not None:
        return was
    return replace(was, status=Status.PENDING, due_at=now, counted=0, refusals=0, aside=True, resend=True)


def called_off(was: Delivery) -> Delivery:
    """How a pending delivery stands once it is taken out of the queue; one that had arrived before has arrived."""
    status = Status.CANCELLED if was.delivered_at is None else Status.DELIVERED
    failure = None if was.failure is Failure.QUIET else was.failure
    return replace(was, status=status, due_at=None, failure=failure)


def end(attempt: Attempt) -> Millis:
    """When an attempt was over."""
    return attempt.at + attempt.millis


def moved_row(delivery: Delivery) -> Row:
    """The id, and the columns of `MOVED`."""
    return (
        delivery.id,
        delivery.status.value,
        delivery.counted,
        delivery.refusals,
        delivery.attempts,
        delivery.first_at,
        delivery.last_at,
        delivery.delivered_at,
        delivery.aside,
        delivery.resend,
        None if delivery.failure is None else delivery.failure.value,
    )


def by_delivery(one: Finished) -> str:
    """The order of ids, for results of attempts."""
    return one.delivery.id


def by_id(found: Standing) -> str:
    """The order of ids, for deliveries."""
    return found.now.id


def by_number(row: Sequence[Any]) -> tuple[str, int]:
    """The order of the key, for rows of attempts."""
    return row[0], row[1]
