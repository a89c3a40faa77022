"""The form of an endpoint's settings: from an endpoint to fields, and from what was sent to a draft.

Called by `views.endpoint_form`. What cannot be read is told at its field, in the viewer's words; what makes no sense
is for the flow to tell. The value of a secret header is in no form: left empty, it stays what it is.
"""

import re
from typing import Any, Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from goniec.core.endpoint import MAIL, Endpoint
from goniec.flow.endpoint_drafts import EndpointDraft, HeaderDraft
from goniec.web.panel.forms import Form
from goniec.web.panel.spans import read_span, read_spans, span_text, spans_text
from goniec.web.panel.words import Words

MINUTE_SECONDS: Final = 60

SPARE: Final = 1
"""Empty rows for further headers."""

_WHOLE: Final = re.compile(r"\d{1,9}", re.ASCII)
_DECIMAL: Final = re.compile(r"\d{1,9}(?:[.,]\d{1,9})?", re.ASCII)


class HeaderRow(Struct, frozen=True):
    """A header in the form; `stored` says that a secret value is kept, which is shown to nobody."""

    name: str = ""
    value: str = ""
    secret: bool = False
    stored: bool = False


class Fields(Struct, frozen=True, kw_only=True):
    """What stands in the form, as texts."""

    url: str
    schedule: str
    timeout: str
    connect_timeout: str
    rate: str
    concurrency: str
    order: bool
    order_hold: str
    breaker: bool
    tell_erasure: bool
    owner: str
    split: bool
    headers: tuple[HeaderRow, ...]
    ca_bundle: str = ""


def shown(endpoint: Endpoint, words: Words) -> Fields:
    """Give the fields of an endpoint as it is."""
    policy = endpoint.policy
    return Fields(
        url=endpoint.url,
        schedule=spans_text(policy.schedule),
        timeout=decimal(policy.timeout, words),
        connect_timeout=decimal(policy.connect_timeout, words),
        rate=rate_of(endpoint, words),
        concurrency=str(policy.concurrency),
        order=policy.order,
        order_hold=span_text(policy.order_hold),
        breaker=policy.breaker,
        tell_erasure=policy.tell_erasure,
        owner=policy.owner or "",
        split=policy.split,
        headers=tuple(
            HeaderRow(header.name, header.value or "", header.sealed is not None, header.sealed is not None)
            for header in endpoint.headers
        ),
        ca_bundle=(endpoint.ca_bundle or "").strip(),
    )


def sent(form: Form) -> Fields:
    """Give the fields as they were sent; rows of headers in which nothing stands are left out."""
    rows = []
    for number in form.all("header"):
        name, value = form.text(f"header/{number}/name"), form.get(f"header/{number}/value")
        row = HeaderRow(name, value, f"header/{number}/secret" in form, f"header/{number}/stored" in form)
        if name or value:
            rows.append(row)
    return Fields(
        url=form.text("url"),
        schedule=form.get("schedule"),
        timeout=form.text("timeout"),
        connect_timeout=form.text("connectTimeout"),
        rate=form.text("rate"),
        concurrency=form.text("concurrency"),
        order="order" in form,
        order_hold=form.text("orderHold"),
        breaker="breaker" in form,
        tell_erasure="tellErasure" in form,
        owner=form.text("owner"),
        split="split" in form,
        headers=tuple(rows),
        ca_bundle=form.text("caBundle"),
    )


def reshaped(fields: Fields, button: str) -> Fields:
    """Do what a button of the form asks for: `drop/N` takes a header out. Any other gives room for one more."""
    _, _, number = button.partition("drop/")
    return replace(fields, headers=tuple(row for n, row in enumerate(fields.headers) if str(n) != number))


def rows(fields: Fields) -> tuple[HeaderRow, ...]:
    """Give the rows of headers that the form shows."""
    return (*fields.headers, *(HeaderRow() for _ in range(SPARE)))


def draft(fields: Fields, words: Words, *, mail: bool) -> tuple[EndpointDraft, dict[str, str]]:
    """Give what is wanted, and what could not be read of it, by field; the mail server (`mail`) has no address here."""
    problems: dict[str, str] = {}
    rate = _rate(fields.rate, words, problems)
    made = EndpointDraft(
        url=UNSET if mail else fields.url,
        headers=tuple(_header(row) for row in fields.headers),
        schedule=_schedule(fields.schedule, words, problems),
        timeout=_seconds(fields.timeout, "timeout", words, problems),
        connect_timeout=_seconds(fields.connect_timeout, "connectTimeout", words, problems),
        rate=rate / MINUTE_SECONDS if mail and rate is not None else rate,
        concurrency=_whole(fields.concurrency, words, problems),
        order=fields.order,
        order_hold=_hold(fields.order_hold, words, problems),
        breaker=fields.breaker,
        tell_erasure=fields.tell_erasure,
        ca_bundle=fields.ca_bundle,
        owner=fields.owner or None,
        split=fields.split,
    )
    return made, problems


def difference(theirs: Fields, mine: Fields, words: Words, *, mail: bool) -> list[tuple[str, str, str]]:
    """What is saved now beside what stands in the form, where they differ: (what, theirs, mine)."""
    named: dict[str, str] = {
        "url": words.say("Address"),
        "schedule": words.say("Waits before further attempts"),
        "timeout": words.say("Timeout"),
        "connect_timeout": words.say("Time to connect"),
        "rate": words.say("Requests a second"),
        "concurrency": words.say("Requests at a time"),
        "order": words.say("One after the other for each contact"),
        "order_hold": words.say("Steps aside after"),
        "breaker": words.say("Go easy on it during an outage"),
        "tell_erasure": words.say("Tell of erased contacts"),
        "owner": words.say("Owner’s e-mail"),
        "split": words.say("Deliver from several processes at once"),
        "headers": words.say("Custom headers"),
        "ca_bundle": words.say("Private authorities"),
    }
    if mail:
        named |= {"rate": words.say("Messages a minute"), "concurrency": words.say("Connections at a time")}
        mine = replace(mine, url=theirs.url)
    pairs = ((word, getattr(theirs, name), getattr(mine, name)) for name, word in named.items())
    return [(word, _told(one, words), _told(other, words)) for word, one, other in pairs if one != other]


def _header(row: HeaderRow) -> HeaderDraft:
    """A secret one left empty keeps its value, and so does nothing else."""
    return HeaderDraft(row.name, None if row.secret and not row.value else row.value, row.secret)


def _schedule(text: str, words: Words, problems: dict[str, str]) -> tuple[int, ...]:
    try:
        return read_spans(text)
    except ValueError as error:
        problems["schedule"] = words.say(
            "“%(text)s” is not a length of time. Write it like this: 5 s, 1 min, 2 h.", text=str(error).strip()[:40]
        )
        return ()


def _hold(text: str, words: Words, problems: dict[str, str]) -> int:
    try:
        return read_span(text or "0")
    except ValueError:
        problems["orderHold"] = words.say("Enter a length of time, such as 30 min, or 0.")
        return 0


def _seconds(text: str, name: str, words: Words, problems: dict[str, str]) -> float:
    if _DECIMAL.fullmatch(text):
        return float(text.replace(",", "."))
    problems[name] = words.say("Enter a number of seconds.")
    return 1


def _rate(text: str, words: Words, problems: dict[str, str]) -> float | None:
    if not text:
        return None
    if _DECIMAL.fullmatch(text):
        return float(text.replace(",", "."))
    problems["rate"] = words.say("Enter a number, such as 10 or 0.5, or leave it empty.")
    return None


def _whole(text: str, words: Words, problems: dict[str, str]) -> int:
    if _WHOLE.fullmatch(text):
        return int(text)
    problems["concurrency"] = words.say("Enter a whole number.")
    return 1


def rate_of(endpoint: Endpoint, words: Words) -> str:
    """Give the rate as its form has it: requests a second, of the mail server messages a minute."""
    rate = endpoint.policy.rate
    if rate is None:
        return ""
    return decimal(rate * MINUTE_SECONDS if endpoint.id == MAIL else rate, words)


def decimal(value: float, words: Words) -> str:
    """Write a number as the viewer does."""
    text = f"{value:g}"
    return text.replace(".", ",") if words.language == "pl" else text


def _told(value: Any, words: Words) -> str:  # noqa: ANN401 - any field
    match value:
        case bool():
            return words.say("yes") if value else words.say("no")
        case tuple():
            lines = (f"{row.name}: {words.say('hidden') if row.secret else row.value}" for row in value)
            return "\n".join(lines) or "\N{EN DASH}"
        case _:
            return value or "\N{EN DASH}"
