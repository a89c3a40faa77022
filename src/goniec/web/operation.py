"""How a call of the API is declared, read and answered.

A call is one coroutine with its description beside it:

    @operation("PATCH", "/things/{id}", scope="admin", answers={200: Thing}, tag="things", summary="Change a thing")
    async def change_thing(ask: Ask, id: str, body: ThingChange) -> Reply: ...

Its arguments say what it wants: `ask` (always), `body` (decoded into the type that it names), `query` (a struct of the
parameters), and the parts of its path by name. It returns a `Reply` or raises. The OpenAPI document is made of the same
declarations, so the two cannot say different things.

Litestar finds the call for a path; what it would do beyond that (its own decoding turns "9" into 9 where a number fits)
is not used. `dispatch` serves the hot calls without it.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from goniec.core.model import ApiKey
from goniec.flow.decoding import decode
from goniec.web.auth import Keys
from goniec.web.auth import Scope as KeyScope
from goniec.web.context import ApiContext
from goniec.web.problems import problem
from goniec.web.reading import Gone, cause, content_type, expected, idempotency_key, read_body, read_query
from goniec.web.reply import Receive, Reply, Scope, Send, send_reply

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

BODY_LIMIT: Final = 1024 * 1024
"""Bytes of a request's body, unless its operation says otherwise."""

Handler = Callable[..., Awaitable[Reply]]


class Ask(Struct, frozen=True):
    """A request: who asks and what its head says. `raw` is the body as it came, `target` path and query."""

    context: ApiContext
    key: ApiKey
    method: str
    target: str
    raw: bytes
    idempotency_key: str | None = None
    cause: str | None = None
    expected: frozenset[str] | None = None


class NoQuery(Struct):
    """A call that takes no parameters."""


class Parts(Struct):
    """What every operation of one application shares."""

    context: ApiContext
    keys: Keys


class Operation(Struct, frozen=True, kw_only=True):
    """A call of the API: where it is, what it wants, what it answers, what can go wrong.

    `answers` has the type of the body for each status, None for no body; `files` are the media types of a 200 that is
    no JSON. A call that is `foreign` is made by those who do it their way: whatever they call the type of a body that
    is JSON, and with the key as a password if they like.
    """

    method: Method
    path: str
    scope: KeyScope
    tag: str
    summary: str
    description: str
    handler: Handler
    name: str
    body: Any = None
    query: type[Struct] | None = None
    path_names: tuple[str, ...] = ()
    answers: Mapping[int, Any] = {}
    errors: tuple[int, ...] = ()
    files: tuple[str, ...] = ()
    examples: Mapping[str, Any] = {}
    limit: int = BODY_LIMIT
    raw: bool = False
    decoder: Any = None
    foreign: bool = False

    async def serve(self, parts: Parts, path: Mapping[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            reply = await self._answer(parts, path, scope, receive)
        except Gone:
            return
        except Exception as error:  # noqa: BLE001 - every one becomes an answer; what is not expected is logged there
            reply = problem(error, parts.context.dice, self.method, self.path)
        await send_reply(reply, send)

    async def _answer(self, parts: Parts, path: Mapping[str, str], scope: Scope, receive: Receive) -> Reply:
        headers = dict(scope["headers"])
        key = await parts.keys.admit(headers.get(b"authorization"), self.scope, basic=self.foreign)
        arguments: dict[str, Any] = {name: path[name] for name in self.path_names}
        if self.query is not None:
            arguments["query"] = read_query(scope, self.query)
        elif scope["query_string"]:
            read_query(scope, NoQuery)
        raw = b""
        if self.method in {"POST", "PUT", "PATCH"}:
            if (self.body is not None or self.raw) and not self.foreign:
                content_type(headers)
            raw = await read_body(headers, receive, self.limit)
        if self.body is not None and not self.raw:
            arguments["body"] = decode(raw, self.decoder, self.body)
        ask = Ask(
            parts.context,
            key,
            self.method,
            target(scope),
            raw,
            idempotency_key(headers),
            cause(headers),
            expected(headers),
        )
        return await self.handler(ask, **arguments)


def operation(  # noqa: PLR0913 - a declaration has that many parts
    method: Method,
    path: str,
    *,
    scope: KeyScope,
    tag: str,
    summary: str,
    answers: Mapping[int, Any],
    errors: tuple[int, ...] = (),
    files: tuple[str, ...] = (),
    examples: Mapping[str, Any] | None = None,
    limit: int = BODY_LIMIT,
    raw: object = None,
    foreign: bool = False,
) -> Callable[[Handler], Operation]:
    """Declare a call; `path` stands below `/api/v1`. The handler's docstring becomes the description.

    `errors` are statuses beside those that any call can end in, `examples` bodies by name. `raw` is the type of a body
    that the handler decodes by itself from `ask.raw`; for `foreign` see `Operation`.
    """

    def declare(handler: Handler) -> Operation:
        wanted = inspect.signature(handler, eval_str=True).parameters
        body = wanted["body"].annotation if "body" in wanted else raw
        return Operation(
            method=method,
            path=path,
            scope=scope,
            tag=tag,
            summary=summary,
            description=inspect.getdoc(handler) or "",
            handler=handler,
            name=handler.__name__,
            body=body,
            query=wanted["query"].annotation if "query" in wanted else None,
            path_names=tuple(name for name in wanted if name not in {"ask", "body", "query"}),
            answers=answers,
            errors=errors,
            files=files,
            examples=examples or {},
            limit=limit,
            raw=raw is not None,
            foreign=foreign,
            decoder=None if body is None or raw is not None else msgspec.json.Decoder(body),
        )

    return declare


def target(scope: Scope) -> str:
    """Give path and query of a request."""
    path: str = scope["path"]
    query: bytes = scope["query_string"]
    return path + ("?" + query.decode("latin-1") if query else "")
