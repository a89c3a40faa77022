"""Funnels with their stages, and the names of tags and details, each with the rules that use it."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from msgspec import Meta, Struct

from goniec.core.model import Funnel
from goniec.core.uses import Use
from goniec.flow.configure import Named, Refusal, usage
from goniec.flow.funnels import change_funnel, create_funnel, delete_funnel, funnel_tag
from goniec.ports import Store
from goniec.web.lists import LIMIT, Listed, PageQuery, listed
from goniec.web.once import once
from goniec.web.operation import Ask, operation
from goniec.web.problems import missing
from goniec.web.refusals import NamedOut, cut, etag, fault, named
from goniec.web.reply import Reply


class FunnelIn(Struct, rename="camel", forbid_unknown_fields=True):
    """A funnel: its name and its stages, in order. The other keys are those of reading it, and are left aside."""

    name: str
    stages: list[str]
    id: Any = None
    version: Any = None
    used_by: Any = None


class FunnelOut(Struct, rename="camel", kw_only=True):
    """A funnel. `usedBy` are the rules that name it or one of its stages."""

    id: str
    version: int
    name: str
    stages: list[str]
    used_by: list[NamedOut]


class NamesQuery(Struct, frozen=True, kw_only=True):
    """A page of names, in the order of their letters."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT, description="Rows of a page.")] = 100
    cursor: Annotated[str | None, Meta(description="`nextCursor` of an earlier page: go on after it.")] = None


class NameOut(Struct, rename="camel"):
    """A name, and the rules that use it."""

    name: str
    used_by: list[NamedOut]


_SALES = {"name": "Sales", "stages": ["Lead", "Offer", "Won"]}


@operation("GET", "/funnels", scope="read", tag="funnels", summary="List funnels", answers={200: Listed[FunnelOut]})
async def list_funnels(ask: Ask, query: PageQuery) -> Reply:
    """Funnels in the order in which they were made."""
    queries = ask.context.store.queries
    used = usage(await queries.rules())
    rows = cut(query.page(), await queries.funnels(), lambda funnel: funnel.id)
    return listed(query, rows, lambda funnel: funnel.id, partial(_shown, used))


@operation("GET", "/funnels/{id}", scope="read", tag="funnels", summary="Read a funnel", answers={200: FunnelOut})
async def read_funnel(ask: Ask, id: str) -> Reply:
    """One funnel."""
    queries = ask.context.store.queries
    for funnel in await queries.funnels():
        if funnel.id == id:
            return _tell(usage(await queries.rules()), funnel)
    raise missing("funnel")


@operation(
    "POST",
    "/funnels",
    scope="admin",
    tag="funnels",
    summary="Make a funnel",
    answers={201: FunnelOut},
    errors=(409,),
    examples={"sales": _SALES},
)
async def make_funnel(ask: Ask, body: FunnelIn) -> Reply:
    """Make a funnel. Rules and contacts know it and its stages by their names, in this very spelling."""
    context = ask.context

    async def act(store: Store) -> Funnel | Refusal:
        return await create_funnel(store, context.clock, context.dice, body.name, body.stages)

    return await once(ask, act, partial(_tell, {}, status=201))


@operation(
    "PUT",
    "/funnels/{id}",
    scope="admin",
    tag="funnels",
    summary="Change a funnel",
    answers={200: FunnelOut},
    errors=(409, 412),
    examples={"sales": _SALES},
)
async def put_funnel(ask: Ask, id: str, body: FunnelIn) -> Reply:
    """Give a funnel another name or other stages. A name that a rule uses cannot go (409 `inUse`, with the rules).

    Contacts stay in the stage that they are in, even when it goes.
    """
    store = ask.context.store
    found = await change_funnel(store, id, body.name, body.stages, ask.expected)
    return _tell(usage(await store.queries.rules()), found)


@operation(
    "DELETE",
    "/funnels/{id}",
    scope="admin",
    tag="funnels",
    summary="Delete a funnel",
    answers={204: None},
    errors=(409, 412),
)
async def remove_funnel(ask: Ask, id: str) -> Reply:
    """Delete a funnel that no rule names (else 409 `inUse`)."""
    refused = await delete_funnel(ask.context.store, id, ask.expected)
    if refused is not None:
        raise fault(refused)
    return Reply(204)


@operation("GET", "/tags", scope="read", tag="names", summary="List tags", answers={200: Listed[NameOut]})
async def list_tags(ask: Ask, query: NamesQuery) -> Reply:
    """All tags that a contact has had or a rule names, in their one spelling, each with the rules that use it."""
    return await _names(ask, "tag", query)


@operation("GET", "/details", scope="read", tag="names", summary="List details", answers={200: Listed[NameOut]})
async def list_details(ask: Ask, query: NamesQuery) -> Reply:
    """The names of all details that a contact has had or a rule names, each with the rules that use it."""
    return await _names(ask, "detail", query)


async def _names(ask: Ask, kind: str, query: NamesQuery) -> Reply:
    queries = ask.context.store.queries
    used = usage(await queries.rules())
    names = {*(await queries.names(kind)), *(use[1] for use in used if use[0] == kind)}
    rows = sorted(name for name in names if query.cursor is None or name > query.cursor)
    page = rows[: query.limit]
    cursor = page[-1] if page else query.cursor
    return Reply(
        200, Listed([NameOut(name, named(used.get((kind, name), []))) for name in page], cursor, len(rows) > len(page))
    )


def _tell(used: Mapping[Use, list[Named]], found: Funnel | Refusal, status: int = 200) -> Reply:
    if not isinstance(found, Funnel):
        raise fault(found)
    return Reply(status, _shown(used, found), (etag(funnel_tag(found)), ("location", f"/api/v1/funnels/{found.id}")))


def _shown(used: Mapping[Use, list[Named]], funnel: Funnel) -> FunnelOut:
    uses: list[Use] = [("funnel", funnel.name), *(("stage", funnel.name, stage) for stage in funnel.stages)]
    rules = {rule.id: rule for use in uses for rule in used.get(use, ())}
    return FunnelOut(
        id=funnel.id,
        version=funnel.version,
        name=funnel.name,
        stages=list(funnel.stages),
        used_by=named(sorted(rules.values(), key=lambda rule: rule.id)),
    )
