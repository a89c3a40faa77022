"""From the answer to what is written down: the attempt, where the delivery stands after it, and the line in the log.

Called by `sending`.
"""

from typing import assert_never

from msgspec.structs import replace

from goniec.core.ids import time_of
from goniec.core.model import Attempt, Delivery, Failure, Status
from goniec.core.retry import CallOff, Delivered, GiveUp, Gone, Next, RetryAt
from goniec.core.times import Millis, format_instant
from goniec.ports import Answer, Finished
from goniec.tracing import tracing


def made(delivery: Delivery, answer: Answer, started: Millis) -> Attempt:
    """The attempt that was made, with what the receiver answered."""
    return Attempt(
        delivery_id=delivery.id,
        number=delivery.attempts + 1,
        at=started,
        millis=answer.millis,
        status=answer.status,
        failure=answer.failure,
        detail=answer.detail,
        address=answer.address,
        head=answer.head,
        body=answer.body,
        note=answer.note,
        resend=delivery.resend,
    )


def moved(delivery: Delivery, following: Next, attempt: Attempt) -> Delivery:
    """The delivery as the decision leaves it."""
    tried = following.tried
    status, due_at, delivered_at = _standing(delivery, following, attempt.at + attempt.millis)
    return replace(
        delivery,
        status=status,
        due_at=due_at,
        counted=tried.counted,
        refusals=tried.refusals,
        first_at=tried.first_at,
        last_at=attempt.at,
        attempts=attempt.number,
        aside=tried.aside,
        delivered_at=delivered_at,
    )


def postponed(delivery: Delivery, until: Millis) -> Delivery:
    """The delivery once it has to wait for the end of quiet hours, or for a day with room."""
    return replace(delivery, due_at=until, aside=True, failure=Failure.QUIET)


def _standing(delivery: Delivery, following: Next, end: Millis) -> tuple[Status, Millis | None, Millis | None]:
    """Status, next attempt, first arrival."""
    match following:
        case Delivered():
            return Status.DELIVERED, None, delivery.delivered_at or end
        case GiveUp() | CallOff() if delivery.delivered_at is not None:
            return Status.DELIVERED, None, delivery.delivered_at  # only the wish to send it once more has failed
        case GiveUp():
            return Status.FAILED, None, None
        case CallOff():
            return Status.CANCELLED, None, None
        case RetryAt(at=at) | Gone(at=at):
            return Status.PENDING, at, delivery.delivered_at
        case _:
            assert_never(following)


def line(finished: Finished, host: str | None) -> dict[str, object]:
    """One wide line per attempt: ids, host, counts and outcome; never a path, a query, credentials or the payload.

    `number`, `status`, `failure` and `millis` are the attempt's, `outcome` is how the delivery stands after it, `due`
    when it is tried again. `since_event` are the milliseconds from the event's recording to the start of the attempt.
    """
    delivery, attempt = finished.delivery, finished.attempt
    return {
        "delivery": delivery.id,
        "endpoint": delivery.endpoint_id,
        "host": host,
        "number": attempt.number,
        "status": attempt.status,
        "failure": attempt.failure,
        "millis": attempt.millis,
        "outcome": delivery.status,
        "due": None if delivery.due_at is None else format_instant(delivery.due_at),
        "since_event": max(0, attempt.at - time_of(delivery.id)),
        "trace": tracing.trace(delivery.id),
    }
