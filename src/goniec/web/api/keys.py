"""API keys: made, listed, revoked."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from goniec.core.model import ApiKey
from goniec.core.times import format_instant
from goniec.flow.configure import Conflict, Missing
from goniec.flow.keys import KeyMade, Scope, create_key, revoke_key
from goniec.ports import Store
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.once import REPLAYED, once
from goniec.web.operation import Ask, operation
from goniec.web.problems import Fault
from goniec.web.refusals import cut, fault
from goniec.web.reply import Reply


class KeyIn(Struct, rename="camel", forbid_unknown_fields=True):
    """A key to make. Its name is what events carry as `sourceKey`."""

    name: Annotated[str, Meta(description="At most 100 characters, and no other active key's.")]
    scope: Annotated[
        Scope,
        Meta(description="`ingest` sends contacts and events, `read` reads everything, `admin` does all."),
    ]


class KeyOut(Struct, rename="camel", kw_only=True):
    """A key; what it opens, not the key itself."""

    id: str
    name: str
    scope: Scope
    created_at: str
    revoked_at: str | None


class NewKey(KeyOut, rename="camel", kw_only=True):
    """A key that was just made; `key` is what to send, and is never told again."""

    key: str


@operation("GET", "/keys", scope="admin", tag="keys", summary="List API keys", answers={200: Listed[KeyOut]})
async def list_keys(ask: Ask, query: PageQuery) -> Reply:
    """Keys in the order in which they were made, revoked ones too."""
    rows = cut(query.page(), await ask.context.store.queries.keys(), lambda key: key.id)
    return listed(query, rows, lambda key: key.id, lambda key: KeyOut(**_shown(key)))


@operation(
    "POST",
    "/keys",
    scope="admin",
    tag="keys",
    summary="Make an API key",
    answers={201: NewKey},
    errors=(409,),
    examples={"for a shop": {"name": "shop", "scope": "ingest"}},
)
async def make_key(ask: Ask, body: KeyIn) -> Reply:
    """Make a key. The answer tells it, **once**: only its SHA-256 is kept.

    With an `Idempotency-Key` the same request within 24 hours is told the key again, for an answer may get lost; that
    one is kept encrypted. Where the key has been revoked meanwhile, the answer is 409 `keyRevoked`.
    """
    context = ask.context

    async def act(store: Store) -> KeyMade | Conflict:
        return await create_key(store, context.clock, context.dice, body.name, body.scope)

    reply = await once(ask, act, _tell, secret=True)
    if REPLAYED in reply.headers:
        await _refuse_revoked(ask, reply)
    return reply


@operation("DELETE", "/keys/{id}", scope="admin", tag="keys", summary="Revoke an API key", answers={204: None})
async def remove_key(ask: Ask, id: str) -> Reply:
    """Let a key open nothing any more, within two seconds. It stays in the list, because events carry its name."""
    found = await revoke_key(ask.context.store, ask.context.clock, id)
    if isinstance(found, Missing):
        raise fault(found)
    return Reply(204)


async def _refuse_revoked(ask: Ask, again: Reply) -> None:
    told = msgspec.json.decode(again.body(), type=NewKey)
    keys = await ask.context.store.queries.keys()
    if any(key.id == told.id and key.revoked_at is not None for key in keys):
        detail = "the key that this request made has been revoked; ask for another one with a new Idempotency-Key"
        raise Fault(409, detail, code="keyRevoked")


def _tell(made: KeyMade | Conflict) -> Reply:
    if isinstance(made, Conflict):
        raise fault(made)
    return Reply(201, NewKey(**_shown(made.key), key=made.text))


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope,
        "created_at": format_instant(key.created_at),
        "revoked_at": None if key.revoked_at is None else format_instant(key.revoked_at),
    }
