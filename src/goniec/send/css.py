"""The CSS of a mail into its elements, as many mail readers want it; `markup` passes it on.

The library that does so is native, and what it is not asked it cannot break: nested some 10,000 deep, a page ends the
process, 5,000 declarations for each of 5,000 elements take minutes and 270 MB, as many selectors of one rule take a
minute, and one long value for each element all memory there is. A page beyond our bounds keeps its `<style>` and goes
out as it is. Nothing is ever fetched or read from a file.
"""

import re
from collections.abc import Iterable
from typing import Final

from goniec.send.elements import VOID, Token, tokens

DEPTH_MAX: Final = 500
"""Elements inside of elements."""

WORK_MAX: Final = 500_000_000
"""Elements times declarations times these as often as selectors may set them: about a second."""

SELECTED_MAX: Final = 20_000_000
"""Elements times selectors: half a second."""

SPREAD_MAX: Final = 100_000_000
"""Elements times characters of styles: what may have to be held."""

REOPENED_MAX: Final = 500_000
"""Formatting elements that are open, counted anew at each tag: what is left open is opened again in each block."""

GROWTH_MAX: Final = 1_048_576
"""Characters that styles may add."""

_MARKS: Final = re.compile(r"[;{},]")
_DECLARES: Final = re.compile(r"[;{}]")
_UNMARKED: Final = re.compile(
    r"""/\*.*?(?:\*/|\Z)|\\.|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|\([^()]*\)""", re.DOTALL
)
"""What may hold a brace or a comma that divides nothing."""
_APPLYING: Final = 10
"""Setting a declaration takes as long as looking for it among so many."""

_DOCTYPE: Final = re.compile(r"\s*(<!doctype[^>]*>)", re.IGNORECASE)
_MADE: Final = "<!DOCTYPE html>"

_PARAGRAPH_ENDS: Final = frozenset(
    {
        "address", "article", "aside", "blockquote", "center", "details", "dialog", "dir", "div", "dl",
        "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
        "hgroup", "hr", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "ul",
    }
)  # fmt: skip
_ENDED_BY: Final = {
    "p": _PARAGRAPH_ENDS,
    "li": frozenset({"li"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "td": frozenset({"td", "th", "tr"}),
    "th": frozenset({"td", "th", "tr"}),
    "tr": frozenset({"tr", "tbody", "tfoot"}),
    "option": frozenset({"option", "optgroup"}),
}
"""Elements whose end need not be written, and before which tags it is."""

_FORMATTING: Final = frozenset(
    {
        "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
    }
)  # fmt: skip


def inlined(page: str) -> str:
    """Put a page's CSS into its elements, and make a whole page of a fragment; `<style>` stays, for media queries.

    Links to style sheets are not followed. The text stays what it was.
    """
    if not page.strip() or beyond(page):
        return page
    import css_inline

    try:
        made = css_inline.CSSInliner(
            load_remote_stylesheets=False, keep_style_tags=True, keep_at_rules=True, keep_link_tags=True
        ).inline(page)
    except ValueError:
        return page
    if len(made) > 2 * len(page) + GROWTH_MAX:
        return page
    doctype = _DOCTYPE.match(page)
    return doctype[1] + made.removeprefix(_MADE) if doctype and made.startswith(_MADE) else made


def beyond(page: str) -> bool:
    """Say whether a page is beyond what is inlined."""
    most = page.count("<")
    least = most <= DEPTH_MAX and most * len(page) <= SPREAD_MAX
    if least and most * (len(_MARKS.findall(page)) + _APPLYING) ** 3 <= WORK_MAX:
        # whatever it says: half of the square of that many elements is below what may be opened again
        return False
    found = list(tokens(page))
    elements = sum(token.kind == "start" for token in found)
    styles = [
        page[token.start : token.end] for token in found if token.name == "style" and token.kind in {"raw", "broken"}
    ]
    return _laborious(elements, "\n".join(styles)) or _tangled(found)


def _laborious(elements: int, style: str) -> bool:
    """Say whether styles take too much for that many elements, should every rule fit each of them."""
    if elements * len(style) > SPREAD_MAX or elements * style.count(",") > SELECTED_MAX:
        return True
    declarations = applied = 0
    head, *rest = _UNMARKED.sub("", _UNMARKED.sub("", style)).split("{")
    for piece in rest:
        selectors = head.rpartition("}")[2].count(",") + 1
        here = len(_DECLARES.findall(piece.partition("}")[0])) + 1
        head = piece
        declarations += here
        applied += selectors * here
    return elements * (declarations + _APPLYING) * applied > WORK_MAX


def _tangled(found: Iterable[Token]) -> bool:
    """Say whether elements are nested too deeply, or left open too often: an end counts where it surely is one."""
    around: list[str] = []
    formatting = reopened = 0
    for token in found:
        if token.kind == "start" and token.name not in VOID:
            while around and token.name in _ENDED_BY.get(around[-1], ()):
                around.pop()
            around.append(token.name)
            formatting += token.name in _FORMATTING
        elif token.kind == "end":
            if around[-2:-1] == [token.name] and around[-1] in _ENDED_BY and token.name not in _FORMATTING:
                around.pop()
            if around[-1:] == [token.name]:
                around.pop()
                formatting -= token.name in _FORMATTING
        reopened += formatting
        if len(around) > DEPTH_MAX or reopened > REOPENED_MAX:
            return True
    return False
