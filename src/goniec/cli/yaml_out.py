"""Writing YAML that a reviewer can read, and that comes out of reading as the very same texts.

Called by the commands that write files, or show differences. Texts stand as they are wherever YAML can hold them so: by
themselves, in quotes, or as a block whose lines are those of the text. Only what would be lost or unseen there (ends of
lines other than LF, control characters, those that turn the direction of writing) becomes an escape, a line of the text
still being a line of the file.
"""

import re
from collections.abc import Container, Mapping
from typing import Final

Scalar = str | int | bool | None

_UNSEEN: Final = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""What cannot stand in a block, or not so that it is seen."""

_PLAIN: Final = re.compile(r"[^\W\d_][^\t\n]*")
_NOT_PLAIN: Final = re.compile(r":(\s|\Z)|\s#|\s\Z")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Texts that some reader of YAML would take for something else."""

_INDENT: Final = "  "
_LINE_END: Final = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def written(values: Mapping[str, Scalar], blocks: Container[str] = ()) -> str:
    """Write keys and values, one after the other, as a document; texts of the keys `blocks` are always blocks."""
    return "".join(f"{key}: {_value(value, block=key in blocks)}\n" for key, value in values.items())


def _value(value: Scalar, *, block: bool) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _text(value, block=block)


def _text(value: str, *, block: bool) -> str:
    if _UNSEEN.search(value):
        return _quoted(value)
    if not block and _PLAIN.fullmatch(value) and not _NOT_PLAIN.search(value) and value.lower() not in _WORDS:
        return value
    if not block and not any(char in value for char in '\\"\t\n'):
        return f'"{value}"'
    return _block(value)


def _block(text: str) -> str:
    """A literal block (YAML 1.2, 8.1.2): with its indentation told where it cannot be seen, and what ends it."""
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    told = str(len(_INDENT)) if body[:1] in {"", " ", "\t", "\n"} else ""
    chomped = "-" if not ends else "" if ends == 1 and body else "+"
    lines = [_INDENT + line if line else "" for line in body.split("\n")] if body else []
    blank = "\n" * (ends if not body else ends - 1)
    return "\n".join([f"|{told}{chomped}", *lines]) + blank


def _quoted(text: str) -> str:
    """In double quotes (7.3.1): from a second line on, each on a line of its own, with its end as an escape."""
    lines = [_escaped(part) for part in _LINE_END.split(text) if part]
    if len(lines) <= 1:
        return f'"{"".join(lines)}"'
    # white space at the start of a line would be taken for its indentation
    shown = [f"\\{line}" if line.startswith(" ") else line for line in lines]
    return '"\\\n' + _INDENT + f"\\\n{_INDENT}".join(shown) + '"'


def _escaped(text: str) -> str:
    escaped = "".join(_ESCAPES.get(char, char) for char in text)
    # all of them are below U+10000
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped)
