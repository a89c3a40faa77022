"""Where tags begin and end in the HTML of a mail; `markup`, `css` and `plain` call it.

Reads as browsers do (the tokenizer of the HTML standard), and builds no tree: what is not touched has to stay byte for
byte as it was, however strange. Takes time with the length of the page, whatever is in it.
"""

import html
import re
import sys
from collections.abc import Iterator
from html.entities import html5
from typing import Final, Literal

from msgspec import Struct

VOID: Final = frozenset(
    {
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
        "wbr", "basefont", "bgsound", "frame", "keygen",
    }
)  # fmt: skip
"""Elements without an end."""

_RAW: Final = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"})
"""Elements in which nothing is a tag but their own end."""

_BEGINS: Final = re.compile(r"</?[A-Za-z]")
_ATTRIBUTE: Final = re.compile(
    r"""[\t\n\f\r /]*(?P<name>[^\t\n\f\r />][^\t\n\f\r />=]*)"""
    r"""(?:[\t\n\f\r ]*=[\t\n\f\r ]*"""
    r"""(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\t\n\f\r >"'][^\t\n\f\r >]*)|(?P<none>)))?"""
)
_TAG: Final = re.compile(
    r"""</?([A-Za-z][^\t\n\f\r />]*+)"""
    r"""(?:[\t\n\f\r /]*+[^\t\n\f\r />][^\t\n\f\r />=]*+"""
    r"""(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+"""
    r"""(?:"[^"]*+"|'[^']*+'|[^\t\n\f\r >"'][^\t\n\f\r >]*+|(?=>))|(?![\t\n\f\r ]*=)))*+"""
    r"""[\t\n\f\r /]*+>"""
)
"""A whole tag. It never goes back, so it takes time with the tag's length alone; what it does not match is broken."""
_COMMENT_ENDS: Final = re.compile(r"-->|(?<!<!)--!>")
_REFERENCE: Final = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[A-Za-z][A-Za-z0-9]*;?)(=?)")
_HUGE: Final = re.compile(r"&#(?:[0-9]{9,}|[xX][0-9a-fA-F]{9,});?")
_SURROGATES: Final = (0xD800, 0xDFFF)
_C1: Final = (0x80, 0x9F)


class Attribute(Struct, frozen=True):
    """What it is called, in lower case, and where in the page its value stands, with its quotes."""

    name: str
    start: int
    end: int
    value: str


class Token(Struct, frozen=True):
    """A piece of a page: a text, a tag, a comment (or declaration), what stands in a script, or what never ends.

    `named` is where a tag's name ends. Few are asked for their attributes, so these are read when they are.
    """

    kind: Literal["text", "start", "end", "comment", "raw", "broken"]
    start: int
    end: int
    name: str = ""
    page: str = ""
    named: int = 0

    def get(self, name: str) -> Attribute | None:
        """Give an attribute; of two with one name the first counts."""
        at = self.named
        while found := _ATTRIBUTE.match(self.page, at, self.end - 1):
            if found["name"].lower() == name:
                return _attribute(found)
            at = found.end()
        return None


def tokens(page: str) -> Iterator[Token]:
    """Read a page from its beginning."""
    at, text = 0, 0
    while (start := page.find("<", at)) >= 0:
        token = _token(page, start)
        if token is None:
            at = start + 1
            continue
        if text < start:
            yield Token("text", text, start)
        yield token
        at = text = token.end
        if token.kind == "start" and token.name in _RAW:
            ends = re.compile(rf"</{token.name}(?=[\t\n\f\r />])", re.IGNORECASE).search(page, at)
            at = text = ends.start() if ends else len(page)
            if token.end < at:
                yield Token("raw" if ends else "broken", token.end, at, token.name)
        elif token.kind == "start" and token.name == "plaintext":
            at = len(page)
    if text < len(page):
        yield Token("text", text, len(page))


def _token(page: str, start: int) -> Token | None:
    """Read what begins with a `<`; None: it is a text."""
    found = _TAG.match(page, start)
    if found is not None:
        kind: Literal["start", "end"] = "end" if page[start + 1] == "/" else "start"
        return Token(kind, start, found.end(), found[1].lower(), page, found.end(1))
    if _BEGINS.match(page, start):
        return Token("broken", start, len(page))
    after = page[start + 1 : start + 2]
    comment = after in {"!", "?"} or (after == "/" and start + 2 < len(page))
    return _comment(page, start) if comment else None


def _comment(page: str, start: int) -> Token:
    if page.startswith("<!--", start):
        found = _COMMENT_ENDS.search(page, start + 2)
        end = found.end() if found else -1
    else:
        end = page.find(">", start) + 1 or -1
    return Token("comment", start, end) if end >= 0 else Token("broken", start, len(page))


def _attribute(found: re.Match[str]) -> Attribute:
    name = found["name"].lower()
    for quoted, marks in (("double", 1), ("single", 1), ("bare", 0)):
        if found[quoted] is not None:
            start, end = found.span(quoted)
            return Attribute(name, start - marks, end + marks, _decoded(found[quoted]))
    return Attribute(name, found.end(), found.end(), "")


def decoded(text: str) -> str:
    """Decode the entities of a text."""
    return html.unescape(_HUGE.sub("\N{REPLACEMENT CHARACTER}", text)) if "&" in text else text


def _decoded(value: str) -> str:
    """Decode an attribute's entities; `&copy=1` is none there, but the second value of a query."""

    def one(found: re.Match[str]) -> str:
        reference, equals = found.groups()
        if reference.startswith("#"):
            return _character(reference[1:].rstrip(";")) + equals
        if reference not in html5 or (equals and not reference.endswith(";")):
            return found[0]
        return html5[reference] + equals

    return _REFERENCE.sub(one, _HUGE.sub("\N{REPLACEMENT CHARACTER}", value)) if "&" in value else value


def _character(number: str) -> str:
    """Give the character of a number: browsers keep control characters, and read those of C1 as windows-1252."""
    code = int(number[1:], 16) if number[0] in "xX" else int(number)
    if code == 0 or code > sys.maxunicode or _SURROGATES[0] <= code <= _SURROGATES[1]:
        return "\N{REPLACEMENT CHARACTER}"
    if _C1[0] <= code <= _C1[1]:
        return bytes([code]).decode("cp1252", "ignore") or chr(code)
    return chr(code)
