"""Messages: what rules send by mail, as users write them and as they are stored.

Every save makes a version, which the mails made of it name. What a user wrote is read and checked here, by whoever
takes it: the API, the panel's form, messages as code. How a mail is made of one is in `composing`.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from goniec.core.liquid import TemplateError, parse
from goniec.core.meant import meant
from goniec.core.names import name_problems
from goniec.core.problems import Invalid, Problem
from goniec.core.retry import check_address
from goniec.core.shapes import escaped, faults, shaped
from goniec.core.text import clean
from goniec.core.times import Millis

SUBJECT_LIMIT: Final = 500
HTML_LIMIT: Final = 200_000
TEXT_LIMIT: Final = 100_000
"""Characters of the texts as they are written. Most readers of mail cut a page at 102 KB."""
FROM_LIMIT: Final = 320


class MessageDraft(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a user gives for a message.

    `subject`, `html` and `text` are Liquid; of the last two one is enough. `from` is what stands there (null:
    the installation's own, GONIEC_MAIL_FROM). A `transactional` message is no marketing: it also goes to who has opted
    out, at any hour, and has no link to opt out. What it gets by being stored is taken and left aside.
    """

    id: Any = None
    version: Any = None
    name: str
    subject: str
    html: str | None = None
    text: str | None = None
    sender: str | None = field(default=None, name="from")
    reply_to: str | None = None
    transactional: bool = False
    created_at: Any = None
    updated_at: Any = None


class Message(MessageDraft, frozen=True, kw_only=True):
    """A message as it is stored."""

    id: str
    version: int
    created_at: Millis
    updated_at: Millis


def read_draft(data: object) -> MessageDraft:
    """Read a message as it comes out of JSON, and check it.

    Raises:
        Invalid: with every problem that was found.

    """
    if not isinstance(data, dict):
        raise Invalid(Problem("", "Expected object"))
    if unfit := list(faults(data)):
        raise Invalid(*unfit)
    given: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in data.items():
        known = _FIELDS.get(key)
        if known is None:
            detail = f"unknown key{meant(key, _FIELDS)}; known are {', '.join(_FIELDS)}"
            problems.append(Problem(f"/{escaped(key)}", detail))
            continue
        try:
            given[known.name] = shaped(value, known.type, f"/{key}")
        except Invalid as invalid:
            problems += invalid.problems
    told = {problem.pointer for problem in problems}
    problems += [
        Problem(f"/{key}", "is required")
        for key, known in _FIELDS.items()
        if known.required and known.name not in given and f"/{key}" not in told
    ]
    problems += _problems(given)
    if given.get("html") is None and given.get("text") is None and "/html" not in told:
        problems.append(Problem("/html", "a message needs html or text"))
    if problems:
        raise Invalid(*problems)
    return MessageDraft(**given)


def templates(draft: MessageDraft) -> Mapping[str, tuple[str, bool]]:
    """The parts of a message that are Liquid, by their names: the source, and whether it is HTML."""
    parts = {"subject": (draft.subject, False), "html": (draft.html, True), "text": (draft.text, False)}
    return {name: (source, html) for name, (source, html) in parts.items() if source is not None}


def _problems(given: Mapping[str, Any]) -> list[Problem]:
    found = name_problems("/name", given["name"]) if "name" in given else []
    subject, html, text = given.get("subject"), given.get("html"), given.get("text")
    if subject is not None:
        found += _text_problems("/subject", subject, SUBJECT_LIMIT, html=False)
        if "\n" in subject or "\r" in subject:
            found.append(Problem("/subject", "is one line"))
    if html is not None:
        found += _text_problems("/html", html, HTML_LIMIT, html=True)
    if text is not None:
        found += _text_problems("/text", text, TEXT_LIMIT, html=False)
    for key, name in (("sender", "from"), ("reply_to", "replyTo")):
        if given.get(key) is not None:
            found += _mailbox_problems(f"/{name}", given[key])
    return found


def _text_problems(pointer: str, source: str, limit: int, *, html: bool) -> list[Problem]:
    try:
        blank = not clean(source, limit, multiline=True)
    except ValueError as error:
        return [Problem(pointer, str(error))]
    if blank:
        return [Problem(pointer, "cannot be empty")]
    try:
        parse(source, html=html)
    except TemplateError as error:
        return [Problem(pointer, f"line {error.line}: {error.detail}")]
    return []


def _mailbox_problems(pointer: str, text: str) -> list[Problem]:
    """What a header of addresses holds: one address, with a name before it or without. It is no template."""
    if "{{" in text or "{%" in text:
        return [Problem(pointer, "is no template: it is sent as it is written, so it cannot hold {{ or {%")]
    if not text.isprintable():
        return [Problem(pointer, "is one line, without characters that cannot be seen")]
    address = text.strip()
    if address.endswith(">") and "<" in address:
        name, _, address = address[:-1].rpartition("<")
        if any(char in name for char in '<>@,;:\\"'):
            return [Problem(pointer, 'the name before the address cannot hold any of < > @ , ; : \\ "')]
    if len(text) > FROM_LIMIT:
        return [Problem(pointer, f"at most {FROM_LIMIT} characters")]
    try:
        check_address(address)
    except ValueError:
        return [Problem(pointer, "an e-mail address is expected: shop@example.com or My Shop <shop@example.com>")]
    return []


_FIELDS: Final = {one.encode_name: one for one in msgspec.structs.fields(MessageDraft)}
