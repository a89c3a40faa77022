"""A form that is sent twice happens once: by a double click, a reload, or an answer that did not arrive.

Every form carries a number of its own. The second of two that are alike waits for the first and leads where it led.
`serve` asks here; what is kept is this process's alone, for minutes.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from goniec.core.times import MINUTE, Millis
from goniec.web.panel.page import Visit
from goniec.web.reply import Reply

ONCE_FIELD: Final = "_once"
KEPT: Final = 1_000
KEPT_FOR: Final[Millis] = 10 * MINUTE
_SEE_OTHER: Final = 303


class Doubles:
    """The forms that were sent a short while ago, and where each led."""

    def __init__(self) -> None:
        self._sent: OrderedDict[bytes, tuple[Millis, asyncio.Future[Reply | None]]] = OrderedDict()

    async def once(self, visit: Visit, act: Callable[[], Awaitable[Reply]]) -> Reply:
        """Do what a form asks for; if it was done already, give the answer to that.

        Only what led to another page was done. Parts of pages may ask for the same again and again, and are not held
        to it.
        """
        if visit.session is None or visit.htmx or not visit.form.get(ONCE_FIELD):
            return await act()
        key = _key(visit, visit.session.digest)
        while (known := self._sent.get(key)) is not None and visit.now - known[0] < KEPT_FOR:
            reply = await asyncio.shield(known[1])
            if reply is not None:
                return reply
        outcome: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._sent[key] = (visit.now, outcome)
        done = None
        try:
            reply = await act()
            done = reply if reply.status == _SEE_OTHER else None
        finally:
            if done is None:
                self._sent.pop(key, None)
            outcome.set_result(done)
            while len(self._sent) > KEPT:
                self._sent.popitem(last=False)
        return reply


def _key(visit: Visit, session: bytes) -> bytes:
    found = sha256(session + visit.path.encode())
    for pair in visit.form.pairs:
        for text in pair:
            found.update(b"%d:" % len(text) + text.encode(errors="surrogatepass"))
    return found.digest()
