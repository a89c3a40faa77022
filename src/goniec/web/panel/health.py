"""How an endpoint is, in words: whether it works, fails, rests, waits or is paused, and what its last attempt came to.

Called by the views of endpoints. It judges from rows and figures that it is given; sentences are the viewer's.
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from goniec.core.breaker import Breaker
from goniec.core.endpoint import Endpoint, Pause
from goniec.core.labels import Label
from goniec.core.model import Attempt, Delivery, Status
from goniec.core.times import SECOND, Millis
from goniec.ports import Queue, Sum
from goniec.web.panel.attention import Trouble
from goniec.web.panel.failures import answer_name, failure_words
from goniec.web.panel.formats import Times, duration
from goniec.web.panel.words import Words

State = Literal["works", "waits", "fails", "rests", "paused", "quiet"]

UNDER_WAY: Final[Millis] = 10 * SECOND
"""What is due for no longer than this is being sent, and waits for nothing."""

STATES: Final[dict[State, tuple[Label, str, str]]] = {
    "works": (Label("Działa", "Works"), "ok", "circle-check"),
    "waits": (Label("Wysyłki czekają", "Deliveries wait"), "wait", "clock"),
    "fails": (Label("Nie przyjmuje", "Not answering"), "bad", "alert-triangle"),
    "rests": (Label("Przerwa", "Takes a break"), "wait", "clock"),
    "paused": (Label("Wstrzymany", "Paused"), "wait", "player-pause"),
    "quiet": (Label("Bez ruchu", "Quiet"), "", "zzz"),
}
"""The word for a state, its tone, its icon."""

PAUSES: Final[dict[Pause, Label]] = {
    Pause.BY_HAND: Label("Wstrzymany ręcznie.", "Paused by hand."),
    Pause.GONE: Label(
        "Wstrzymany: odbiorca odpowiedział 410 Gone, czyli nie chce już niczego dostawać.",
        "Paused: the receiver answered 410 Gone, so it wants no more.",
    ),
    Pause.FAILING: Label(
        "Wstrzymany: przez pięć dni prób nie doszła ani jedna wysyłka.",
        "Paused: in five days of trying, not a single delivery arrived.",
    ),
    Pause.RESTORED: Label(
        "Wstrzymany po odtworzeniu kopii zapasowej, żeby nic nie wyszło dwa razy.",
        "Paused after a restore from a backup, so that nothing goes out twice.",
    ),
}


class Seen(Struct, frozen=True):
    """A delivery, and its last attempt if it was tried."""

    delivery: Delivery
    last: Attempt | None = None


class Health(Struct, frozen=True):
    """What an endpoint's page says first: how it is, and in a sentence why, with what follows from it."""

    state: State
    title: str
    text: str


def state_of(endpoint: Endpoint, queue: Queue | None, week: Sum | None, trouble: Trouble | None, now: Millis) -> State:
    """Say how an endpoint is, from what a list can know; `week` is what happened there in the last days."""
    if endpoint.paused is not None:
        return "paused"
    if endpoint.held_until is not None and endpoint.held_until > now:
        return "rests"
    if endpoint.breaker.open or (trouble is not None and trouble.kind == "silent"):
        return "fails"
    if queue is not None and queue.pending and not _under_way(queue, now):
        return "waits"
    if week is None or not week.attempts:
        return "quiet"
    return "works" if week.failed_attempts < week.attempts else "fails"


def health(  # noqa: PLR0913 - it looks at all that is known of an endpoint
    endpoint: Endpoint,
    queue: Queue | None,
    recent: Sequence[Seen],
    oldest: Seen | None,
    *,
    words: Words,
    times: Times,
    now: Millis,
) -> Health:
    """Say how an endpoint is; `recent` are its latest deliveries, the newest first, `oldest` is its oldest pending."""
    pending = 0 if queue is None else queue.pending
    if endpoint.paused is not None:
        return Health("paused", words.label(PAUSES[endpoint.paused]), _when_paused(pending, words))
    if endpoint.held_until is not None and endpoint.held_until > now:
        until = times.short(endpoint.held_until)
        title = words.say("The receiver asked for a break, until %(time)s.", time=until)
        return Health("rests", title, _waiting(pending, words))
    if endpoint.breaker.opened_at is not None:
        return _outage(endpoint.breaker, oldest, pending, words, times, now)
    if oldest is not None and pending:
        return _backlog(oldest, pending, words, times)
    last = next((one.last for one in recent if one.last and one.delivery.status is not Status.PENDING), None)
    if last is None:
        text = words.say("Send a test from a rule that uses it, and see it arrive.")
        return Health("quiet", words.say("Nothing has been sent here yet."), text)
    if last.failure is not None:
        title = words.say("The last delivery failed: %(answer)s.", answer=answer_name(last, words))
        return Health("fails", title, failure_words(last, words))
    answer = f"{answer_name(last, words)}, {duration(last.millis, words.language)}"
    text = words.say("The last delivery arrived %(ago)s (%(answer)s).", ago=times.ago(last.at), answer=answer)
    return Health("works", words.say("It works."), text)


def _under_way(queue: Queue, now: Millis) -> bool:
    due = queue.more_due or queue.due == queue.pending
    return due and queue.oldest_due is not None and now - queue.oldest_due < UNDER_WAY


def _outage(breaker: Breaker, oldest: Seen | None, pending: int, words: Words, times: Times, now: Millis) -> Health:
    """Say that only probes go, and when."""
    title = words.say(
        "The receiver has not been taking deliveries since %(time)s.", time=times.short(breaker.opened_at or now)
    )
    parts = [] if oldest is None or oldest.last is None else [failure_words(oldest.last, words)]
    parts.append(_waiting(pending, words))
    if pending:
        probe = times.until(breaker.probe_at)
        parts.append(
            words.say("Until it answers, single deliveries ask whether it is back; the next one %(when)s.", when=probe)
        )
    return Health("fails", title, " ".join(parts))


def _backlog(oldest: Seen, pending: int, words: Words, times: Times) -> Health:
    last = oldest.last
    if last is None or last.failure is None:
        title = words.many("%(n)s delivery waits for its turn.", "%(n)s deliveries wait for their turn.", pending)
        text = words.many("It goes out in a moment.", "They are sent one after the other.", pending)
        return Health("waits", title, text)
    title = words.say("The receiver does not take deliveries: %(answer)s.", answer=answer_name(last, words))
    parts = [failure_words(last, words), _waiting(pending, words)]
    if oldest.delivery.due_at is not None:
        due = times.until(oldest.delivery.due_at)
        parts.append(words.say("The next attempt is due %(when)s.", when=due))
    return Health("fails", title, " ".join(parts))


def _when_paused(pending: int, words: Words) -> str:
    if not pending:
        return words.say("Nothing is waiting now. New deliveries wait until someone resumes it.")
    return words.many(
        "%(n)s delivery waits, and is sent when someone resumes it.",
        "%(n)s deliveries wait, and are sent when someone resumes it.",
        pending,
    )


def _waiting(pending: int, words: Words) -> str:
    if not pending:
        return words.say("Nothing waits.")
    return words.many("%(n)s delivery waits; none is lost.", "%(n)s deliveries wait; none is lost.", pending)
