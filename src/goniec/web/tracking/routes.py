"""Which token leads where. Called by `dispatch` for every path under `PREFIX`."""

from typing import Final

from goniec.core.tokens import PURPOSE, Keys, read_leave
from goniec.observe import log
from goniec.web.context import ApiContext
from goniec.web.problems import Fault, problem
from goniec.web.reading import Gone
from goniec.web.reply import ASGIApp, Receive, Reply, Scope, Send, send_reply
from goniec.web.tracking.leaving import change, look, page
from goniec.web.tracking.seen import link, pixel

PREFIX: Final = "/t/"

_READING: Final = ("GET", "HEAD")
_CHANGING: Final = "POST"
_LEAVE: Final = "u"


def tracked(context: ApiContext) -> ASGIApp:
    """Give what answers there."""
    keys = context.vault.derived(PURPOSE)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        kind, _, token = scope["path"].removeprefix(PREFIX).partition("/")
        try:
            reply = await _answer(context, keys, (kind, token), scope, receive)
        except Gone:
            return
        except Exception as error:  # noqa: BLE001 - every one becomes an answer; what is not expected is logged there
            # the path is not for the log: whoever has it may opt somebody out
            reply = problem(error, context.dice, scope["method"], PREFIX + kind[:1])
        await send_reply(reply, send)

    return serve


async def _answer(context: ApiContext, keys: Keys, asked: tuple[str, str], scope: Scope, receive: Receive) -> Reply:
    kind, token = asked
    allowed = (*_READING, _CHANGING) if kind == _LEAVE else _READING
    if scope["method"] not in allowed:
        detail = "this path does not take that method; the header Allow names those it takes"
        raise Fault(405, detail, headers=(("allow", ", ".join(allowed)),))
    match kind:
        case "o":
            reply = await pixel(context, keys, token, scope)
        case "c":
            reply = await link(context, keys, token, scope)
        case "u":
            reply = await _leave(context, keys, token, scope, receive)
        case _:
            reply = None
    if reply is None:
        log.debug("tracking.forged", kind=kind[:1])
        return page(context, scope, "missing")
    return reply


async def _leave(context: ApiContext, keys: Keys, token: str, scope: Scope, receive: Receive) -> Reply | None:
    mark = read_leave(keys, token)
    if mark is None:
        return None
    if scope["method"] != _CHANGING:
        return await look(context, mark, scope)
    scope["path_template"] = f"{PREFIX}{_LEAVE}/{{token}}"  # for traces, which do not learn the token
    return await change(context, mark, scope, receive)
