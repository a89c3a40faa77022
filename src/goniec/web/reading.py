"""What a request brings besides its path: its head, its body, its query.

Everything that cannot be read is a `Fault`.
"""

from collections.abc import Sequence
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from goniec.core.ids import RUN, is_id
from goniec.core.meant import meant
from goniec.core.problems import Problem
from goniec.core.shapes import escaped, told
from goniec.core.times import parse_instant
from goniec.web.problems import Fault, invalid
from goniec.web.reply import Receive, Scope

Q = TypeVar("Q", bound=Struct)

KEY_LIMIT: Final = 255
"""Characters of an `Idempotency-Key`."""

SKIPPED: Final = 100_000_000
"""Bytes from which on a body that is too large is not even read past.

Closing on a client that still sends would reset the connection, and it might never see why.
"""

QUERY_LIMIT: Final = 8 * 1024
"""Bytes of a query."""

_EMPTY: Final = "give it a value, or leave it out"
_VISIBLE: Final = frozenset(range(0x21, 0x7F))


class Gone(Exception):
    """The client went away before it had sent all; nobody waits for an answer."""


class Instant(int):
    """An instant in a query: RFC 3339 outside, milliseconds since the epoch inside."""

    __slots__ = ()


def content_type(headers: dict[bytes, bytes]) -> None:
    """See to it that a body is JSON, in UTF-8 if it says so."""
    media, _, parameters = headers.get(b"content-type", b"").decode("latin-1").partition(";")
    named = media.strip().lower()
    if named != "application/json":
        shown = f"not {named}" if named.isprintable() and named else "and say so in Content-Type"
        raise Fault(415, f"send the body as application/json, {shown}")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            raise Fault(415, "send the body in UTF-8")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Fault(415, "send the body as it is, without Content-Encoding")


async def read_body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """Read a body of at most `limit` bytes; a longer one is refused before it is read to its end."""
    declared = headers.get(b"content-length", b"").lstrip(b"0")
    if len(declared) > len(str(limit)) or (declared.isdigit() and int(declared) > limit):
        skipped = len(declared) < len(str(SKIPPED))
        if skipped and headers.get(b"connection", b"").lower() == b"close" and b"expect" not in headers:
            # the server skips what it has not read, but only on a connection that goes on
            await _read_past(receive)
        raise _too_large(limit, skipped=skipped)
    chunks = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit, skipped=False)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def read_query(scope: Scope, kind: type[Q]) -> Q:
    """Give the query as the struct `kind`; what is unknown, empty or given twice is refused.

    Empty is mostly a variable of a script that was never set: to leave out the parameter would give it everything.
    """
    values = _values(scope, kind.__struct_encode_fields__)
    try:
        query = msgspec.convert(values, kind, strict=False, dec_hook=_special)
    except msgspec.ValidationError as error:
        raise invalid([told(error, kind, values)], "query") from None
    # read laxly, the text "null" is nothing where a number or a truth value is wanted
    names = zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True)
    if empty := [name for name, attribute in names if name in values and getattr(query, attribute) is None]:
        raise invalid([Problem("/" + name, _EMPTY) for name in empty], "query")
    return query


def _values(scope: Scope, known: Sequence[str]) -> dict[str, str]:
    text: bytes = scope["query_string"]
    if len(text) > QUERY_LIMIT:
        raise Fault(400, f"the query has at most {QUERY_LIMIT} bytes")
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise Fault(400, "the query is percent-encoded UTF-8") from None
    values: dict[str, str] = {}
    problems = []
    for name, value in pairs:
        if name not in known:
            detail = f"unknown parameter{meant(name, known)}; this call takes {', '.join(known) or 'none'}"
            problems.append(Problem("/" + escaped(name), detail))
        elif name in values:
            problems.append(Problem("/" + name, "give it once"))
        elif not value:
            problems.append(Problem("/" + name, _EMPTY))
        elif "\0" in value:
            problems.append(Problem("/" + name, "a text cannot hold the character NUL (U+0000)"))
        else:
            values[name] = value
    if problems:
        raise invalid(problems, "query")
    return values


def idempotency_key(headers: dict[bytes, bytes]) -> str | None:
    """Give the `Idempotency-Key`, if there is one."""
    value = headers.get(b"idempotency-key")
    if value is None:
        return None
    if not value or len(value) > KEY_LIMIT or not _VISIBLE.issuperset(value):
        raise _header("Idempotency-Key", f"1 to {KEY_LIMIT} visible ASCII characters")
    return value.decode("ascii")


def cause(headers: dict[bytes, bytes]) -> str | None:
    """Give the run that the caller answers to, if it names one."""
    value = headers.get(b"goniec-cause")
    if value is None:
        return None
    text = value.decode("latin-1")
    if not is_id(RUN, text):
        raise _header("goniec-cause", "send back what the webhook's header goniec-cause said, or leave it out")
    return text


def expected(headers: dict[bytes, bytes]) -> frozenset[str] | None:
    """Give the versions that `If-Match` lists (RFC 9110, section 13.1.1); None: any will do.

    A weak tag counts like a strong one, because proxies that compress weaken what they pass on.
    """
    value = headers.get(b"if-match")
    if value is None or value.strip() == b"*":
        return None
    tags = set()
    for part in value.decode("latin-1").split(","):
        tag = part.strip().removeprefix("W/")
        if len(tag) < 3 or tag[0] != '"' or tag[-1] != '"' or '"' in tag[1:-1]:  # noqa: PLR2004 - two quotes and a character
            raise _header("If-Match", 'send the ETag as it came, quotes included, such as "3"')
        tags.add(tag[1:-1])
    return frozenset(tags)


async def _read_past(receive: Receive) -> None:
    message = await receive()
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()


def _too_large(limit: int, *, skipped: bool) -> Fault:
    size = f"{limit // 1024**2} MiB" if limit % 1024**2 == 0 else f"{limit // 1024} KiB"
    # where the rest of the body is not waited for, the connection cannot be used again
    headers = () if skipped else (("connection", "close"),)
    return Fault(413, f"the body may have {size} ({limit} bytes)", headers=headers)


def _header(name: str, detail: str) -> Fault:
    return Fault(400, f"{name}: {detail}", code="invalid", errors=[Problem("/" + name, detail)], place="header")


def _special(_kind: type, value: object) -> Instant:
    """Read the one type of its own that a query has."""
    return Instant(parse_instant(str(value)))
