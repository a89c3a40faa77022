"""Reading YAML: plain values as they would come out of JSON, and the lines on which they stand.

Called by the commands that take files. Of YAML's ways to say a thing several are left out, because a reviewer would not
see what they come to: tags (`!!python/name`), anchors and aliases, a key that stands twice, and plain words other than
those of JSON that mean something else than themselves (`no` is a text). So there is nothing that could call code, or
grow when it is read.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from msgspec import Struct

from goniec.core.shapes import DEPTH_LIMIT, escaped

_PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""That of libyaml, where it was built in: a hundred times as fast."""

_UNFIT: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,99})")
_BROKEN: Final = re.compile(r"-?(0|[1-9][0-9]{0,99})(\.[0-9]{1,99})?([eE][-+]?[0-9]{1,3})?")


class NotYaml(Exception):
    """The text cannot be taken as YAML; `line` is where, `detail` is why."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(detail)
        self.line = line
        self.detail = detail


class Document(Struct, frozen=True):
    """One document: its value, and by JSON pointer the line of each key and item, and that before a block of text."""

    value: Any
    lines: dict[str, int]
    blocks: dict[str, int]


def documents(text: str) -> list[Document]:
    """Read all documents of a text, but those with nothing in them. Raises `NotYaml` with the first fault."""
    text = text.removeprefix("\ufeff")
    if unfit := _UNFIT.search(text):
        line = text.count("\n", 0, unfit.start()) + 1
        raise NotYaml(line, f"U+{ord(unfit[0]):04X} cannot stand in YAML as it is: in double quotes there are escapes")
    events = yaml.parse(text, Loader=_PARSER)
    try:
        found = [_document(events) for event in events if isinstance(event, yaml.DocumentStartEvent)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(1 if mark is None else mark.line + 1, f"is no YAML: {error.problem or error.context}") from None
    return [one for one in found if one.value is not None]


def _document(events: Iterator[yaml.Event]) -> Document:
    document = Document(None, {}, {})
    value = _value(events, next(events), document, "", 1)
    return Document(value, document.lines, document.blocks)


def _value(events: Iterator[yaml.Event], event: yaml.Event, into: Document, pointer: str, depth: int) -> Any:  # noqa: ANN401 - whatever stands there
    line = _line(event)
    into.lines.setdefault(pointer, line)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise NotYaml(line, "anchors (&x) and aliases (*x) are not taken: write it out")
    if getattr(event, "tag", None) is not None:
        raise NotYaml(line, "tags (!x) are not taken")
    if depth > DEPTH_LIMIT:
        raise NotYaml(line, f"nested deeper than {DEPTH_LIMIT} levels")
    match event:
        case yaml.ScalarEvent(style="|"):
            into.blocks[pointer] = line
            return event.value
        case yaml.ScalarEvent():
            return event.value if event.style else _plain(event.value)
        case yaml.SequenceStartEvent():
            return _list(events, into, pointer, depth)
        case _:
            return _mapping(events, into, pointer, depth)


def _list(events: Iterator[yaml.Event], into: Document, pointer: str, depth: int) -> list[Any]:
    found: list[Any] = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        found.append(_value(events, event, into, f"{pointer}/{len(found)}", depth + 1))
    return found


def _mapping(events: Iterator[yaml.Event], into: Document, pointer: str, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        line = _line(event)
        key = _value(events, event, Document(None, {}, {}), "", depth)
        if not isinstance(key, str):
            raise NotYaml(line, "a key has to be a text: put it in quotes")
        below = f"{pointer}/{escaped(key)}"
        if key in found:
            raise NotYaml(line, f"the key {key[:100]} stands here twice, first on line {into.lines[below]}")
        into.lines[below] = line
        found[key] = _value(events, next(events), into, below, depth + 1)
    return found


def _line(event: yaml.Event) -> int:
    return 1 if event.start_mark is None else event.start_mark.line + 1


def _plain(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _BROKEN.fullmatch(text) else text
