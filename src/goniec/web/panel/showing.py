"""Bytes and JSON on a page: what was sent and answered, in lines that a template colours. Called by views.

Whatever stands in a body (wrong UTF-8, control characters, half a surrogate pair, a megabyte) becomes text that is safe
to show, and says what it is.
"""

import re
from typing import Any, Final

import msgspec
from markupsafe import Markup, escape

SHOWN_LIMIT: Final = 64 * 1024
"""Bytes of a body that a page shows; more can be copied."""

_TOKEN: Final = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?P<colon>\s*:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>null|true|false|-?\d[\d.eE+-]*)|(?P<mark>[{}\[\],])'
)
_UNSEEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def plain_json(value: object) -> dict[str, Any]:
    """Give a struct as its JSON, in plain values."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return plain


def json_lines(raw: bytes) -> Markup:
    """Give a body as coloured lines, one value a line where it is JSON, as it is where it is not."""
    shown = raw[:SHOWN_LIMIT]
    try:
        text = msgspec.json.format(shown, indent=2).decode() if shown.strip() else ""
        msgspec.json.decode(shown)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return text_lines(shown)
    return Markup("\n").join(Markup('<span class="ln">{}</span>').format(_coloured(line)) for line in text.split("\n"))


def text_lines(raw: bytes) -> Markup:
    """Give bytes as lines of text; what cannot be seen is written as an escape."""
    text = visible(raw[:SHOWN_LIMIT].decode("utf-8", "backslashreplace"))
    return Markup("\n").join(Markup('<span class="ln">{}</span>').format(line or " ") for line in text.splitlines())


def head_lines(head: bytes) -> Markup:
    """Give a head as lines, the names of headers apart from their values."""
    lines = []
    for line in visible(head.decode("latin-1")).splitlines():
        name, colon, value = line.partition(":")
        if colon and " " not in name:
            lines.append(Markup('<span class="ln"><span class="hk">{}:</span>{}</span>').format(name, value))
        elif line:
            lines.append(Markup('<span class="ln">{}</span>').format(line))
    return Markup("\n").join(lines)


def visible(text: str) -> str:
    """Write characters that nobody can see, or that turn the text round, as escapes."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _coloured(line: str) -> Markup:
    made, at = Markup(), 0
    for found in _TOKEN.finditer(line):
        made += escape(visible(line[at : found.start()]))
        made += _piece(found)
        at = found.end()
    return made + escape(visible(line[at:]))


def _piece(found: re.Match[str]) -> Markup:
    if found["key"]:
        return Markup('<span class="k">{}</span><span class="p">{}</span>').format(
            visible(found["key"]), found["colon"]
        )
    for name, kind in (("text", "s"), ("word", "n"), ("mark", "p")):
        if found[name]:
            return Markup('<span class="{}">{}</span>').format(kind, visible(found[name]))
    return Markup()
