"""From the HTML that a message was rendered to, to what is sent: styles, links, the pixel, and a plain text.

The mailer calls these in turn, `inlined`, `plain` where the message has no text of its own, `tracked`, each time that
it sends: the same page gives the same bytes.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from goniec.core.mailing import UNSUBSCRIBE
from goniec.send.css import inlined
from goniec.send.elements import Token, tokens
from goniec.send.plain import plain

__all__ = ["inlined", "plain", "tracked", "tracked_text"]

_WEB: Final = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_AROUND: Final = "".join(map(chr, range(0x21)))
_BETWEEN: Final = str.maketrans("", "", "\t\n\r")
_CONDITION: Final = re.compile(r"<!--\s*\[if [^\]>]*\]>", re.IGNORECASE)
_PIXEL: Final = '<img src="{}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">'


def tracked(page: str, link: Callable[[str], str], pixel: str, opt_out: str | None) -> str:
    """Lead each link of a page through `link`, put the address of `pixel` at its end, and `opt_out` where it belongs.

    Links are the http and https addresses of `<a>` and `<area>`, and those that only Outlook sees: in a conditional
    comment, its `<v:…>` buttons too. `link` is given what a browser would open: entities decoded once, without blanks
    around it or line ends in it. Everything else stays as it was, byte for byte: `mailto:`, `tel:`, `#top`, relative
    addresses, and what stands in scripts, styles and other comments. Where a mail has no `opt_out`, its place is empty.
    """
    own = opt_out or ""
    found = list(tokens(page))
    at = _end(page, found)
    edits = [*_links(page, found, link, own), (at, at, _PIXEL.format(html.escape(pixel)))]
    pieces, at = [], 0
    for start, end, new in sorted(edits):
        pieces += [page[at:start].replace(UNSUBSCRIBE, html.escape(own)), new]
        at = end
    return "".join([*pieces, page[at:].replace(UNSUBSCRIBE, html.escape(own))])


def tracked_text(text: str, opt_out: str | None) -> str:
    """Put `opt_out` where it belongs in a plain text; its links stay as the author wrote them, for all to read."""
    return text.replace(UNSUBSCRIBE, opt_out or "")


def _links(page: str, found: Iterable[Token], link: Callable[[str], str], own: str) -> Iterator[tuple[int, int, str]]:
    """Give where the addresses of a page stand, with their quotes, and what stands there instead."""
    for token in found:
        if token.kind == "start" and token.name in {"a", "area"}:
            yield from _link(token, link, own, 0)
        elif token.kind == "comment" and (condition := _CONDITION.match(page, token.start, token.end)):
            inside = page[condition.end() : token.end]
            for inner in tokens(inside):
                if inner.kind == "start" and (inner.name in {"a", "area"} or inner.name.startswith("v:")):
                    yield from _link(inner, link, own, condition.end())


def _link(token: Token, link: Callable[[str], str], own: str, offset: int) -> Iterator[tuple[int, int, str]]:
    href = token.get("href")
    if href is None:
        return
    url = href.value.strip(_AROUND).translate(_BETWEEN)
    if _WEB.match(url):
        new = link(url.replace(UNSUBSCRIBE, own))
        yield offset + href.start, offset + href.end, f'"{html.escape(new)}"'


def _end(page: str, found: Sequence[Token]) -> int:
    """Say where a page's own elements end: before `</body>`, or before what was begun and never ends."""
    for name in ("body", "html"):
        for token in reversed(found):
            if token.kind == "end" and token.name == name:
                return token.start
    return found[-1].start if found and found[-1].kind == "broken" else len(page)
