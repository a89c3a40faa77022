"""The pixel and the links of a mail: each request is noted on this machine's disk, and then answered.

Where the disk does not take it in time the person gets the answer all the same, and the log and `/metrics` say so.
Called by `routes`.
"""

import asyncio
import base64
from typing import Final

from goniec.core.machines import from_machine
from goniec.core.tokens import Keys, Mark, read_link, read_seen
from goniec.flow.tracking import Seen
from goniec.observe import counters, log
from goniec.ports import Unavailable
from goniec.web.context import ApiContext
from goniec.web.reply import Reply, Scope
from goniec.web.tracking.location import location

PATIENCE_SECONDS: Final = 2.0
"""So long a person waits for our disk."""

PIXEL: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""

ENDING: Final = ".gif"

_NEVER_KEPT: Final = (
    ("cache-control", "no-store, no-cache, must-revalidate, max-age=0, private"),
    ("pragma", "no-cache"),
    ("expires", "0"),
    ("x-robots-tag", "noindex"),
)
_SHOWN_ANYWHERE: Final = ("cross-origin-resource-policy", "cross-origin")
_PURPOSES: Final = frozenset({b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"})


async def pixel(context: ApiContext, keys: Keys, name: str, scope: Scope) -> Reply | None:
    """Note that a mail was opened, and give the pixel; None: nobody sent it."""
    mark = read_seen(keys, name.removesuffix(ENDING)) if name.endswith(ENDING) else None
    if mark is None:
        return None
    await _note(context, "email.opened", mark, scope)
    return Reply(200, PIXEL, (*_NEVER_KEPT, _SHOWN_ANYWHERE), "image/gif")


async def link(context: ApiContext, keys: Keys, token: str, scope: Scope) -> Reply | None:
    """Note that a link was followed, and lead where it leads; None: nobody sent it.

    Nothing is said about referrers: the page behind it is told what it would be without us.
    """
    mark = read_link(keys, token)
    target = location(mark.url) if mark is not None and mark.url is not None else None
    if mark is None or target is None:
        return None
    await _note(context, "email.clicked", mark, scope)
    return Reply(302, None, (*_NEVER_KEPT, ("location", target)))


async def _note(context: ApiContext, seen: Seen, mark: Mark, scope: Scope) -> None:
    agent = b" ".join(value for name, value in scope["headers"] if name == b"user-agent")
    purpose = b" ".join(value for name, value in scope["headers"] if name in _PURPOSES)
    picture = seen == "email.opened"
    machine = from_machine(scope["method"], agent.decode("latin-1"), purpose.decode("latin-1"), picture=picture)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await context.tracking.note(seen, mark, machine=machine)
    except (Unavailable, TimeoutError) as error:
        counters.sightings["lost"] += 1
        log.warning("tracking.lost", seen=seen, reason=str(error) or "the disk took too long")
