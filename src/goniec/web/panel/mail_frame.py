"""A mail as a page of the panel shows it: its HTML in a frame in which nothing runs, loads or leads anywhere.

Called by the views that show mails. The frame has no rights (`sandbox`), and its document a policy of its own; what the
page allows (`page.Policy`) is the most that it can show. It is the mail as it was written: neither pixel nor links of
ours are in it, so looking at it here is no opening.
"""

import re
from typing import Final

from goniec.core.mailing import UNSUBSCRIBE

_DOCTYPE: Final = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
_HEAD: Final = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src {pictures}; '
    "style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'\">"
    '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light">'
    # a link would open a window, which the frame may not: so the mail stays where it is
    '<base target="_blank">'
)


def framed(html: str, *, pictures: bool) -> str:
    """Give the document of the frame; without `pictures` those of other servers are not asked for."""
    head = _HEAD.format(pictures="data: http: https:" if pictures else "data:")
    doctype = _DOCTYPE.match(html)
    at = 0 if doctype is None else doctype.end()
    return html[:at] + head + html[at:]


def readable(text: str, public_url: str) -> str:
    """Give a text with an address where the link to opt out goes; the real one is made when it is sent."""
    return text.replace(UNSUBSCRIBE, f"{public_url}/t/u/…")
