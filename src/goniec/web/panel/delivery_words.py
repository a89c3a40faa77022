"""A delivery in words: how it stands, what was answered, what comes next. For the mailbox and the page of one.

Called by `views.deliveries` and `views.delivery`. It judges from what it is given; every sentence is the viewer's.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from goniec.core.endpoint import MAIL, Endpoint
from goniec.core.labels import Label
from goniec.core.model import Attempt, Delivery, Failure, Status
from goniec.core.times import Millis
from goniec.web.panel.failures import answer_name, failure_words
from goniec.web.panel.formats import duration
from goniec.web.panel.page import Visit
from goniec.web.panel.showing import visible


class Badge(Struct, frozen=True):
    """How a status is shown; `many` is its word above a list."""

    tone: str
    icon: str
    word: Label
    many: Label


class Badges(dict[Status, Badge]):
    """How each status is shown: one that only another release knows by its code."""

    def __missing__(self, status: Status) -> Badge:
        """Name it by its code."""
        code = Label(status.value, status.value)
        return Badge("", "info-circle", code, code)


STATUSES: Final = Badges(
    {
        Status.DELIVERED: Badge(
            "ok", "circle-check", Label("Dostarczona", "Delivered"), Label("Dostarczone", "Delivered")
        ),
        Status.PENDING: Badge("wait", "clock", Label("Oczekująca", "Pending"), Label("Oczekujące", "Pending")),
        Status.FAILED: Badge("bad", "circle-x", Label("Nieudana", "Failed"), Label("Nieudane", "Failed")),
        Status.HELD: Badge("try", "test-pipe", Label("Wstrzymana", "Held"), Label("Wstrzymane", "Held")),
        Status.CANCELLED: Badge("", "ban", Label("Anulowana", "Cancelled"), Label("Anulowane", "Cancelled")),
    }
)
"""In the order of the tabs."""


class Answer(Struct, frozen=True):
    """The cell of a row: what was answered, how bad it is, and what follows."""

    text: str
    tone: str
    more: str


class Summary(Struct, frozen=True):
    """What the page of a delivery says first."""

    tone: str
    icon: str
    title: str
    text: str


def moving(delivery: Delivery) -> bool:
    """Whether it may stand another way in a moment: it is pending, or a test that is under way."""
    return delivery.status is Status.PENDING or (delivery.status is Status.HELD and delivery.test)


def answer(visit: Visit, delivery: Delivery, last: Attempt | None, endpoint: Endpoint | None) -> Answer:
    """Say in a row what the last attempt came to, and what follows."""
    said = visit.say("Not sent") if last is None else answer_name(last, visit.words)
    took = "" if last is None else duration(last.millis, visit.language)
    if not delivery.status.known:
        return Answer(said, "mute", "")
    match delivery.status:
        case Status.DELIVERED:
            return Answer(said, "", took)
        case Status.PENDING:
            more = next_attempt(visit, delivery, endpoint)
            return Answer(visit.say("Not sent yet") if last is None else said, "mute" if last is None else "wait", more)
        case Status.FAILED:
            more = visit.say("test, sent once") if delivery.test else visit.say("no more attempts")
            return Answer(said, "bad", more)
        case Status.CANCELLED:
            return Answer(said, "mute", visit.say("contact erased") if delivery.body_sha256 else "")
        case Status.HELD:
            return Answer(said, "mute", visit.say("test under way") if delivery.test else visit.say("shadow mode"))


def next_attempt(visit: Visit, delivery: Delivery, endpoint: Endpoint | None) -> str:
    """Say when a pending delivery is tried next."""
    if endpoint is not None and endpoint.paused is not None:
        return visit.say("endpoint paused")
    if endpoint is not None and endpoint.breaker.open:
        return visit.say("waits until the receiver answers")
    due = due_at(delivery, endpoint)
    if due is None or due <= visit.now:
        return visit.say("waits for its turn")
    if delivery.failure is Failure.QUIET:
        return visit.say("waits for its hour, goes %(when)s", when=visit.times.until(due))
    return visit.say("next attempt %(when)s", when=visit.times.until(due))


def due_at(delivery: Delivery, endpoint: Endpoint | None) -> Millis | None:
    """When a delivery may go; an endpoint that asked for a break gets nothing before its end."""
    held = 0 if endpoint is None else endpoint.held_until or 0
    return None if delivery.due_at is None else max(delivery.due_at, held)


def summary(
    visit: Visit, delivery: Delivery, attempts: Sequence[Attempt], endpoint: Endpoint | None, *, behind: bool
) -> Summary:
    """Say what happened to a delivery and what comes next; `behind` says that an earlier one of its lane is pending."""
    badge = STATUSES[delivery.status]
    last = attempts[-1] if attempts else None
    title, text = _told(visit, delivery, last, endpoint, behind=behind)
    return Summary(badge.tone, badge.icon, title, text)


def _told(
    visit: Visit, delivery: Delivery, last: Attempt | None, endpoint: Endpoint | None, *, behind: bool
) -> tuple[str, str]:
    if not delivery.status.known:
        return _elsewhere(visit, delivery), ""
    match delivery.status:
        case Status.DELIVERED:
            return _delivered(visit, delivery, last)
        case Status.PENDING:
            return _pending(visit, delivery, last, endpoint, behind=behind)
        case Status.FAILED:
            return _failed(visit, delivery, last)
        case Status.CANCELLED:
            return _cancelled(visit, delivery, last)
        case Status.HELD:
            return _held(visit, delivery)


def _elsewhere(visit: Visit, delivery: Delivery) -> str:
    return visit.say(
        "This version of Goniec does not know how it stands (code %(code)s): another version has moved it.",
        code=delivery.status.value,
    )


def _delivered(visit: Visit, delivery: Delivery, last: Attempt | None) -> tuple[str, str]:
    at = delivery.delivered_at
    if last is None or at is None:
        return visit.say("Delivered."), ""
    when = visit.times.ago(at)
    if last.failure is not None:
        title = visit.say("Delivered %(when)s. Sending it again did not work.", when=when)
        return title, failure_words(last, visit.words)
    took = duration(last.millis, visit.language)
    text = (
        visit.say("The mail server answered %(answer)s after %(span)s.", answer=_said(visit, last), span=took)
        if delivery.endpoint_id == MAIL
        else visit.say("The receiver answered %(answer)s after %(span)s.", answer=_said(visit, last), span=took)
    )
    if last.resend:
        return visit.say("Sent again and delivered %(when)s.", when=visit.times.ago(last.at)), text
    if delivery.attempts == 1:
        return visit.say("Delivered %(when)s, at the first attempt.", when=when), text
    whole = duration(at - delivery.created_at, visit.language)
    text += " " + visit.say("That was %(span)s after it was created.", span=whole)
    return visit.many(
        "Delivered %(when)s, after %(n)s attempt.",
        "Delivered %(when)s, after %(n)s attempts.",
        delivery.attempts,
        when=when,
    ), text


def _pending(
    visit: Visit, delivery: Delivery, last: Attempt | None, endpoint: Endpoint | None, *, behind: bool
) -> tuple[str, str]:
    parts = []
    if delivery.delivered_at is not None:
        title = visit.say("Is being sent again.")
        parts.append(visit.say("It already arrived %(when)s.", when=visit.times.ago(delivery.delivered_at)))
    elif last is None:
        title = visit.say("Has not been sent yet.")
    elif last.failure is not None:
        title = visit.say("Has not arrived yet: %(answer)s.", answer=_said(visit, last))
        parts.append(failure_words(last, visit.words))
    else:
        title = visit.say("Is being sent.")
    return title, " ".join([*parts, _coming(visit, delivery, endpoint, behind=behind)])


def _coming(visit: Visit, delivery: Delivery, endpoint: Endpoint | None, *, behind: bool) -> str:
    """The next attempt, or what it waits for, as a sentence."""
    if endpoint is not None and endpoint.paused is not None:
        return visit.say("The endpoint is paused; it is sent when someone resumes it.")
    if endpoint is not None and endpoint.breaker.open:
        return visit.say(
            "The receiver is not answering. It is asked now and then, and this goes as soon as it is back."
        )
    if endpoint is not None and (endpoint.held_until or 0) > visit.now:
        until = visit.times.short(endpoint.held_until or 0)
        return visit.say("The receiver asked for a break, until %(time)s.", time=until)
    due = due_at(delivery, endpoint)
    if due is not None and due > visit.now:
        when = visit.times.until(due)
        if delivery.failure is Failure.QUIET:
            return visit.say(
                "It waits for the end of the contact's quiet hours, or for a day with room for it, and goes %(when)s.",
                when=when,
            )
        return visit.say("Next attempt %(when)s.", when=when)
    if behind:
        return visit.say("An earlier delivery about this contact has to arrive first: they keep their order.")
    return visit.say("It is sent as soon as its turn comes.")


def _failed(visit: Visit, delivery: Delivery, last: Attempt | None) -> tuple[str, str]:
    if last is None:
        return visit.say("Did not arrive."), ""
    title = visit.say("Did not arrive: %(answer)s.", answer=_said(visit, last))
    if delivery.test:
        return title, failure_words(last, visit.words)
    ended = visit.many(
        "That was attempt %(n)s, and the last one.", "After %(n)s attempts nothing more is tried.", delivery.attempts
    )
    return title, f"{_reason(visit, last)} {ended}"


def _cancelled(visit: Visit, delivery: Delivery, last: Attempt | None) -> tuple[str, str]:
    erased = delivery.body_sha256 is not None
    title = visit.say("Cancelled, because its contact was erased.") if erased else visit.say("Cancelled.")
    if last is None:
        return title, visit.say("Nothing was sent.")
    return title, visit.say("The last attempt: %(answer)s.", answer=_said(visit, last))


def _held(visit: Visit, delivery: Delivery) -> tuple[str, str]:
    if delivery.test:
        return visit.say("The test is under way."), visit.say("The response appears here by itself.")
    return visit.say("Held: nothing was sent."), visit.say("Its rule runs in shadow mode.")


def _reason(visit: Visit, last: Attempt) -> str:
    """Why the last attempt failed, without the promise to try again."""
    match last.failure:
        case Failure.SERVER:
            return visit.say("Something failed at the receiver.")
        case Failure.BUSY:
            return visit.say("The receiver is getting too much at once.")
        case _:
            return failure_words(last, visit.words)


def _said(visit: Visit, attempt: Attempt) -> str:
    name = answer_name(attempt, visit.words)
    return name if attempt.status is not None else name[:1].lower() + name[1:]


def note_words(visit: Visit, attempt: Attempt) -> str:
    """Say what went wrong after a head that arrived."""
    match attempt.note:
        case None | "":
            return ""
        case "answerLong":
            return visit.say("The response was longer than 64 KiB; the rest was not read.")
        case "answerCut":
            return visit.say("The body of the response broke off. That changes nothing: its headers say delivered.")
        case "timeout":
            return visit.say(
                "The body of the response did not end in time. That changes nothing: its headers say delivered."
            )
        case other:
            return visible(other)
