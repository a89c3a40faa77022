"""How an endpoint is, in words: whether it works, fails, rests, waits or is paused, and what its last attempt came to.

Called by the views of endpoints. It judges from rows and figures that it is given; sentences are the viewer's.
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from goniec.core.endpoint import MAIL, Endpoint, Pause, next_probe
from goniec.core.labels import Label
from goniec.core.model import Attempt, Delivery
from goniec.core.times import SECOND, Millis
from goniec.ports import Queue, Sum
from goniec.web.panel.attention import Trouble
from goniec.web.panel.failures import answer_name, failure_words
from goniec.web.panel.formats import Times, duration, number
from goniec.web.panel.words import Words

State = Literal["works", "some", "waits", "fails", "rests", "paused", "quiet"]

UNDER_WAY: Final[Millis] = 10 * SECOND
"""What is due for no longer than this is being sent, and waits for nothing."""

STATES: Final[dict[State, tuple[Label, str, str]]] = {
    "works": (Label("Działa", "Works"), "ok", "circle-check"),
    "some": (Label("Przyjmuje nie wszystko", "Takes only some"), "wait", "alert-triangle"),
    "waits": (Label("Wysyłki czekają", "Deliveries wait"), "wait", "clock"),
    "fails": (Label("Nie przyjmuje", "Not accepting"), "bad", "alert-triangle"),
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


def lately(hours: Sequence[Sum], week: Sum | None) -> Sum | None:
    """Give the figures that an endpoint is judged by: of the latest hour with an attempt, or else of the week.

    `hours` are those of the last day. None: nothing was tried at all.
    """
    tried = [one for one in (week, *hours) if one is not None and one.attempts]
    return tried[-1] if tried else None


def state_of(
    endpoint: Endpoint,
    queue: Queue | None,
    tried: Sum | None,
    trouble: Trouble | None,
    last: Attempt | None,
    now: Millis,
) -> State:
    """Say how an endpoint is, for a list and its page alike.

    `tried` is what `lately` gives, `last` its newest attempt as far as that is known. In an hour in which some attempts
    went well and some did not, the newest one says whether it works again.
    """
    if endpoint.paused is not None:
        return "paused"
    if (rests_until(endpoint) or 0) > now:
        return "rests"
    if endpoint.breaker.open or (trouble is not None and trouble.kind == "silent"):
        return "fails"
    if queue is not None and queue.pending and not (tried is not None and _under_way(queue, now)):
        return "waits"
    if tried is None:
        return "quiet"
    if not tried.failed_attempts or (tried.failed_attempts < tried.attempts and last is not None and not last.failure):
        return "works"
    return "fails" if tried.failed_attempts == tried.attempts else "some"


def rests_until(endpoint: Endpoint) -> Millis | None:
    """Until when it asked to be left alone, unless it is a probe that it waits for after that."""
    until, probe = endpoint.held_until, next_probe(endpoint)
    return None if probe is not None and probe > (until or 0) else until


def health(  # noqa: PLR0913 - it looks at all that is known of an endpoint
    state: State,
    endpoint: Endpoint,
    queue: Queue | None,
    tried: Sum | None,
    last: Attempt | None,
    oldest: Seen | None,
    *,
    fresh: bool,
    words: Words,
    times: Times,
    now: Millis,
) -> Health:
    """Say in sentences how an endpoint is that is judged to be in `state`.

    `oldest` is its oldest pending delivery; `fresh` says that it never had one.
    """
    pending = 0 if queue is None else queue.pending
    if endpoint.paused is not None:
        return Health(state, words.label(PAUSES[endpoint.paused]), _when_paused(pending, words))
    if state == "rests":
        title = words.say(
            "The receiver asked for a break, until %(time)s.", time=times.short(endpoint.held_until or now)
        )
        return Health(state, title, _waiting(pending, words))
    if endpoint.breaker.open:
        return _outage(endpoint, oldest, pending, words, times, now)
    if oldest is not None and pending and state in {"waits", "fails"}:
        return _backlog(state, oldest, pending, words, times, now)
    if tried is None:
        return _quiet(last, words, times, fresh=fresh, mail=endpoint.id == MAIL)
    if state == "works":
        return Health(state, words.say("It works."), _arrived(tried, last, words, times))
    failed = last if last is not None and last.failure is not None else None
    why = "" if failed is None else failure_words(failed, words)
    if state == "some":
        title = words.say(
            "It does not take everything: of the latest attempts %(good)s of %(all)s went well.",
            good=number(tried.attempts - tried.failed_attempts, words.language),
            all=number(tried.attempts, words.language),
        )
        return Health(state, title, why)
    if failed is None:
        return Health(state, words.say("None of the latest attempts went well."), _waiting(pending, words))
    return Health(state, words.say("The last delivery failed: %(answer)s.", answer=answer_name(failed, words)), why)


def _under_way(queue: Queue, now: Millis) -> bool:
    """Whether what waits is what has just come: who follows another of its contact's is not counted as due."""
    return queue.oldest_due is not None and now - queue.oldest_due < UNDER_WAY


def _outage(endpoint: Endpoint, oldest: Seen | None, pending: int, words: Words, times: Times, now: Millis) -> Health:
    """Say that only probes go, and when."""
    title = words.say(
        "The receiver has not been taking deliveries since %(time)s.",
        time=times.short(endpoint.breaker.opened_at or now),
    )
    parts = [] if oldest is None or oldest.last is None else [failure_words(oldest.last, words)]
    parts.append(_waiting(pending, words))
    if pending:
        probe = times.until(next_probe(endpoint) or now)
        parts.append(
            words.say("Until it answers, single deliveries ask whether it is back; the next one %(when)s.", when=probe)
        )
    return Health("fails", title, " ".join(parts))


def _quiet(last: Attempt | None, words: Words, times: Times, *, fresh: bool, mail: bool) -> Health:
    """Say that nothing was sent lately: nothing but tests, or what is too long ago to say how it is now."""
    if last is None:
        title = (
            words.say("Nothing has been sent here yet.") if fresh else words.say("Nothing has been sent here lately.")
        )
        advice = (
            words.say("Send a test from a message, and see it arrive.")
            if mail
            else words.say("Send a test from a rule that uses it, and see it arrive.")
        )
        return Health("quiet", title, advice)
    text = words.say("The last attempt, %(ago)s: %(answer)s.", ago=times.ago(last.at), answer=answer_name(last, words))
    return Health("quiet", words.say("Nothing has been sent here lately."), text)


def _arrived(tried: Sum, last: Attempt | None, words: Words, times: Times) -> str:
    if last is None or last.failure is not None:
        good = tried.attempts - tried.failed_attempts
        return words.many("%(n)s of the latest attempts went well.", "%(n)s of the latest attempts went well.", good)
    answer = f"{answer_name(last, words)}, {duration(last.millis, words.language)}"
    return words.say("The last delivery arrived %(ago)s (%(answer)s).", ago=times.ago(last.at), answer=answer)


def _backlog(state: State, oldest: Seen, pending: int, words: Words, times: Times, now: Millis) -> Health:
    last = oldest.last
    if last is None or last.failure is None:
        title = words.many("%(n)s delivery waits for its turn.", "%(n)s deliveries wait for their turn.", pending)
        text = words.many("It goes out in a moment.", "They are sent one after the other.", pending)
        if (at := oldest.delivery.due_at) is not None and at > now:  # the end of quiet hours, say
            text = words.many(
                "It is due %(when)s.", "The first of them is due %(when)s.", pending, when=times.until(at)
            )
        return Health(state, title, text)
    if state == "waits":
        title = words.say("What waits has failed so far: %(answer)s.", answer=answer_name(last, words))
    else:
        title = words.say("The receiver does not take deliveries: %(answer)s.", answer=answer_name(last, words))
    parts = [failure_words(last, words), _waiting(pending, words)]
    if oldest.delivery.due_at is not None:
        due = times.until(oldest.delivery.due_at)
        parts.append(words.say("The next attempt is due %(when)s.", when=due))
    return Health(state, title, " ".join(parts))


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
