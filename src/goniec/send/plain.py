"""A mail's plain text, read from its HTML, for those who want none; `markup` passes it on.

Paragraphs, lists, quotes and cells of tables stay apart, links have their address behind them, pictures their text.
What is not for reading is left out: styles, scripts, comments, and what is hidden, such as the line that only a list of
mails shows. Styles in elements count, those in `<style>` do not: give it a page that is `inlined`.
"""

import re
from collections.abc import Sequence
from typing import Final

from goniec.send.elements import VOID, Token, decoded, tokens

DEPTH_MAX: Final = 10
"""Lists and quotes inside of one another that are told apart."""

_SECTIONS: Final = frozenset(
    {
        "p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "dl", "pre", "figure", "fieldset",
        "form", "table", "hr", "address", "article", "section",
    }
)  # fmt: skip
"""What stands between blank lines."""

_BLOCKS: Final = frozenset(
    {
        "html", "body", "div", "center", "li", "dt", "dd", "tr", "thead", "tbody", "tfoot", "caption", "header",
        "footer", "main", "nav", "aside", "legend", "figcaption", "option",
    }
)  # fmt: skip
"""What stands in lines of its own."""

_SKIPPED: Final = frozenset({"template", "noframes", "datalist", "audio", "video", "canvas", "map"})
_HIDDEN: Final = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden|max-height\s*:\s*0(?:px|em|pt)?\s*(?:!|;|$))",
    re.IGNORECASE,
)
_MAY_HIDE: Final = re.compile(r"hidden|display|max-height|&", re.IGNORECASE)
"""What a tag that hides something has in it; most have not, and need not be read."""
_BLANKS: Final = re.compile(r"[\t\n\f\r ]+")
_INVISIBLE: Final = re.compile("[\u00ad\u034f\u200b\ufeff]+")
_TRAILING: Final = re.compile(r"(?<! ) +(?=\n)")
_SPOKEN: Final = re.compile(r"^(?:mailto|tel|sms):", re.IGNORECASE)
_WAY: Final = re.compile(r"^(?:https?://|mailto:|tel:|sms:)", re.IGNORECASE)
_TELLING: Final = re.compile(r"(?:https?|ftp|goniec|mailto|tel|sms):", re.IGNORECASE)


def plain(page: str) -> str:
    """Write a page as a text."""
    found = list(tokens(page))
    hidden = _hidden(found)
    writer = _Writer()
    at = 0
    while at < len(found):
        token = found[at]
        if at in hidden:
            at = hidden[at]
        elif token.kind == "text":
            writer.text(decoded(page[token.start : token.end]))
        elif token.kind == "start":
            writer.start(token)
        elif token.kind == "end":
            writer.end(token.name)
        at += 1
    return writer.done()


def _hidden(found: Sequence[Token]) -> dict[int, int]:
    """Say which tokens begin what is hidden, and which end it."""
    ends: dict[int, int] = {}
    opened: dict[str, list[int]] = {}
    for at, token in enumerate(found):
        if token.kind == "start" and token.name not in VOID:
            opened.setdefault(token.name, []).append(at)
        elif token.kind == "start" and _is_hidden(token):
            ends[at] = at
        elif token.kind == "end" and opened.get(token.name):
            start = opened[token.name].pop()
            if _is_hidden(found[start]):
                ends[start] = at
    return ends


def _is_hidden(token: Token) -> bool:
    if token.name in _SKIPPED:
        return True
    if not _MAY_HIDE.search(token.page, token.named, token.end):
        return False
    style = token.get("style")
    return token.get("hidden") is not None or (style is not None and _HIDDEN.search(style.value) is not None)


class _Writer:
    """What has been written, and what has to stand before the next word."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.breaks = 1
        self.space = False
        self.cell = False
        self.around: list[str] = []
        self.counts: list[int] = []
        self.marker = ""
        self.literal = 0
        self.link: tuple[str, int] | None = None

    def text(self, text: str) -> None:
        if self.literal:
            for n, line in enumerate(text.split("\n")):
                if n:
                    self.line()
                self.put(line.rstrip("\r"))
            return
        words = _BLANKS.sub(" ", text)
        self.space |= words.startswith(" ")
        self.put(words.strip(" "))
        self.space |= words.endswith(" ")

    def put(self, text: str) -> None:
        if not text:
            return
        if self.breaks:
            before = "\n" * self.breaks if self.written else ""
            self.written.append(before + self._margin())
        elif self.cell:
            self.written.append(" | ")
        elif self.space:
            self.written.append(" ")
        self.written.append(text)
        self.breaks, self.space, self.cell = 0, False, False

    def _margin(self) -> str:
        margin = "".join("> " if one == "blockquote" else "  " for one in self.around[:DEPTH_MAX])
        if self.marker:
            margin, self.marker = margin.removesuffix("  ") + self.marker, ""
        return margin

    def line(self) -> None:
        """End a line; two in a row make a blank one."""
        self.breaks, self.space = min(self.breaks + 1, 2), False

    def block(self, breaks: int) -> None:
        """Begin or end what stands apart."""
        self.breaks, self.space, self.cell = max(self.breaks, breaks), False, False

    def start(self, token: Token) -> None:
        name = token.name
        self._apart(name)
        if name == "br":
            self.line()
        elif name == "hr":
            self.put("-" * 20)
            self.block(2)
        elif name == "img":
            self.text(_value(token, "alt"))
        elif name == "a":
            self._end_link()
            self.link = (_value(token, "href").strip(), len(self.written))
        elif name in {"td", "th"}:
            self.cell = not self.breaks
        elif name == "li":
            self._item()
        elif name == "pre":
            self.literal += 1
        elif name in {"ul", "ol", "blockquote"}:
            start = _value(token, "start")
            self.counts.append(int(start) if start.isdecimal() and len(start) < DEPTH_MAX else 1)
            self.around.append(name)

    def end(self, name: str) -> None:
        if name == "a":
            self._end_link()
        elif name == "pre":
            self.literal = max(self.literal - 1, 0)
        elif self.around[-1:] == [name]:
            self.around.pop()
            self.counts.pop()
            self.marker = ""
        self._apart(name)

    def done(self) -> str:
        self._end_link()
        text = _INVISIBLE.sub("", "".join(self.written).replace("\N{NO-BREAK SPACE}", " "))
        return _TRAILING.sub("", text).strip()

    def _apart(self, name: str) -> None:
        if name in _SECTIONS:
            self.block(1 if self.marker or self.around[-1:] in (["ul"], ["ol"]) else 2)
        elif name in _BLOCKS:
            self.block(1)

    def _item(self) -> None:
        if self.around and self.around[-1] == "ol":
            self.marker = f"{self.counts[-1]}. "
            self.counts[-1] += 1
        else:
            self.marker = "- "

    def _end_link(self) -> None:
        """Write where a link leads, unless that is what it says, or leads nowhere that a reader could go."""
        if self.link is None:
            return
        (address, at), self.link = self.link, None
        said = "".join(self.written[at:]).strip()
        if not _TELLING.match(address) or said in _shown(address):
            return
        self.space = True
        shown = _SPOKEN.sub("", address)
        self.put(f"({shown})" if said else shown)


def _shown(address: str) -> set[str]:
    """Say what a link may say so that nothing is to be added."""
    bare = _WAY.sub("", address)
    return {address, address.rstrip("/"), bare, bare.rstrip("/"), bare.partition("?")[0]}


def _value(token: Token, name: str) -> str:
    found = token.get(name)
    return found.value if found else ""
