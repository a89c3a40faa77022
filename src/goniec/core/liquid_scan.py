"""A first look at a text in Liquid, before the library reads it: what is not closed, and which tags there are not.

Two reasons. What is wrong here is nearly always a brace or an `endif` that was forgotten, and the line where it is
missing says more than where the text ends. And the library's expressions take time with the square of what they meet
(8,000 blanks between braces: three seconds), so what would do that is refused here, in one pass over the text.
"""

import re
from typing import Final

SOURCE_MAX: Final = 262_144
"""Characters of a text."""

BLANKS_MAX: Final = 100
"""Blanks in a row inside of braces: as the library looks for their end, it starts over at each of them."""

TERMS_MAX: Final = 100
"""Comparisons and brackets in one tag: for each the library goes one deeper, and may look at the whole tag anew."""

TAGS_MAX: Final = 5_000
"""Tags and outputs in a text: 5,000 take a tenth of a second to read."""

DEPTH_MAX: Final = 30
"""Blocks inside of blocks."""

BLOCKS: Final = frozenset({"if", "unless", "case", "for", "capture", "comment"})
WITHIN: Final = {
    "else": frozenset({"if", "unless", "case", "for"}),
    "elsif": frozenset({"if", "unless"}),
    "when": frozenset({"case"}),
}
"""Tags that divide a block, and which blocks."""

LOOP: Final = frozenset({"break", "continue"})
LONE: Final = frozenset({"assign", "cycle", "echo", "increment", "decrement", "#"})

_OPENS: Final = re.compile(r"\{[{%]")
_BLANKS: Final = re.compile(rf"\s{{{BLANKS_MAX + 1}}}")
_TERM: Final = re.compile(r"\b(?:and|or|contains)\b|[!=<>]+|[\[(]")
_NAME: Final = re.compile(r"#|\w+")
_RAW_ENDS: Final = re.compile(r"\{%-?\s*endraw\s*-?%\}")


class TemplateError(ValueError):
    """What is wrong with a text, in one sentence, and in which line of it, counted from 1."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"line {line}: {detail}")
        self.line = line
        self.detail = detail


def check(source: str) -> None:
    """Look at the braces and blocks of a text.

    Raises:
        TemplateError: one is not closed, out of place or unknown, or the text would take too long to read.

    """
    if len(source) > SOURCE_MAX:
        raise TemplateError(1, f"the text has {len(source)} characters; at most {SOURCE_MAX} are taken")
    _Scan(source).run()


class _Scan:
    def __init__(self, source: str) -> None:
        self.source = source
        self.open: list[tuple[str, int]] = []

    def run(self) -> None:
        at, tags = 0, 0
        while (found := _OPENS.search(self.source, at)) is not None:
            start, tags = found.start(), tags + 1
            if tags > TAGS_MAX:
                raise self._error(start, f"more than {TAGS_MAX} tags cannot stand in one text")
            at = self._tag(start) if found[0] == "{%" else self._output(start)
        if self.open:
            name, start = self.open[-1]
            raise self._error(start, f"{{% {name} %}} is never closed; end it with {{% end{name} %}}")

    def _output(self, start: int) -> int:
        end = self._end(start, "}}")
        if not self._inside(start, end):
            raise self._error(start, "there is nothing between {{ and }}")
        return end

    def _tag(self, start: int) -> int:
        end = self._end(start, "%}")
        inside = self._inside(start, end)
        found = _NAME.match(inside)
        if found is None:
            raise self._error(start, "{% needs the name of a tag, such as {% if contact.name %}")
        name = found[0]
        if name == "raw" and inside == name:
            closes = _RAW_ENDS.search(self.source, end)
            if closes is None:
                raise self._error(start, "{% raw %} is never closed; end it with {% endraw %}")
            return closes.end()
        self._place(name, start)
        return end

    def _end(self, start: int, closing: str) -> int:
        end = self.source.find(closing, start + 2)
        if end < 0:
            raise self._error(start, f"{self.source[start : start + 2]} is never closed; end it with {closing}")
        return end + 2

    def _inside(self, start: int, end: int) -> str:
        inside = self.source[start + 2 : end - 2]
        if _BLANKS.search(inside):
            raise self._error(start, f"more than {BLANKS_MAX} blanks in a row cannot stand inside of braces")
        if sum(1 for _ in _TERM.finditer(inside)) > TERMS_MAX:
            raise self._error(start, f"more than {TERMS_MAX} comparisons and brackets cannot stand in one tag")
        return inside.removeprefix("-").removesuffix("-").strip()

    def _place(self, name: str, start: int) -> None:
        """Keep account of what is open; in a comment anything may stand but what the library looks for even there."""
        around = self.open[-1][0] if self.open else ""
        ends = name.removeprefix("end") if name.startswith("end") else ""
        if around == "comment" and name not in {"comment", "endcomment", "doc"}:
            return
        if name in BLOCKS:
            self.open.append((name, start))
            if len(self.open) > DEPTH_MAX:
                raise self._error(start, f"more than {DEPTH_MAX} tags stand inside of one another")
        elif ends in BLOCKS:
            if ends != around:
                raise self._misplaced(name, start)
            self.open.pop()
        else:
            self._place_lone(name, around, start)

    def _place_lone(self, name: str, around: str, start: int) -> None:
        if name in WITHIN:
            if around not in WITHIN[name]:
                raise self._misplaced(name, start)
        elif name in LOOP:
            if not any(block == "for" for block, _ in self.open):
                raise self._error(start, f"{{% {name} %}} stands in no loop")
        elif name not in LONE:
            raise self._error(start, f"there is no tag {{% {name} %}}")

    def _misplaced(self, name: str, start: int) -> TemplateError:
        if not self.open:
            return self._error(start, f"{{% {name} %}} closes or divides nothing")
        block, opened = self.open[-1]
        return self._error(start, f"{{% {name} %}} stands in {{% {block} %}} of line {self._line(opened)}, still open")

    def _error(self, at: int, detail: str) -> TemplateError:
        return TemplateError(self._line(at), detail)

    def _line(self, at: int) -> int:
        return self.source.count("\n", 0, at) + 1
