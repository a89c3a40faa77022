"""API keys: the list, a new one (shown once), revoking. All of it is an administrator's."""

from typing import Final, get_args

from msgspec import Struct

from goniec.core.labels import Label
from goniec.core.model import ApiKey
from goniec.core.problems import Invalid
from goniec.flow.configure import Conflict, Missing, Named, usage
from goniec.flow.keys import Scope, create_key, revoke_key
from goniec.ports import Page
from goniec.web.lists import closed, opened
from goniec.web.panel.page import Visit, page
from goniec.web.problems import missing
from goniec.web.refusals import cut
from goniec.web.reply import Reply

ROWS: Final = 50

SCOPES: Final[dict[Scope, tuple[Label, Label]]] = {
    "ingest": (
        Label("Wysyłanie danych", "Sending data"),
        Label(
            "Dodaje i zmienia kontakty, wysyła zdarzenia. Niczego nie odczyta. Dla sklepu, strony lub formularza.",
            "Adds and changes contacts, sends events. Reads nothing. For a shop, a site or a form.",
        ),
    ),
    "read": (
        Label("Odczyt", "Reading"),
        Label(
            "Odczytuje wszystko, niczego nie zmieni. Dla raportów.",
            "Reads everything, changes nothing. For reports.",
        ),
    ),
    "admin": (
        Label("Pełny dostęp", "Full access"),
        Label(
            "Może wszystko: reguły, endpointy, klucze, usuwanie danych. Dla własnych narzędzi.",
            "Does everything: rules, endpoints, keys, erasing. For tools of your own.",
        ),
    ),
}
"""What a key opens: its name, and what that means."""


class Row(Struct, frozen=True):
    """A key in the list, and the rules that filter by its name."""

    key: ApiKey
    rules: list[Named]


@page("GET", "/keys", role="admin")
async def keys(visit: Visit) -> Reply:
    """List keys, the newest first, revoked ones too."""
    used = usage(await visit.context.store.queries.rules())
    known = await visit.context.store.queries.keys()
    cursor = visit.query.get("cursor")
    found = cut(Page(ROWS + 1, opened(cursor) if cursor else None, newest=True), known, lambda key: key.id)
    more = closed(found[ROWS - 1].id) if len(found) > ROWS else None
    rows = [Row(key, used.get(("key", key.name), [])) for key in found[:ROWS]]
    return visit.page("keys.html", rows=rows, scopes=SCOPES, total=len(known), more=more, first=not cursor)


@page("GET", "/keys/new", role="admin")
async def new_key(visit: Visit) -> Reply:
    """Ask for the name and the scope of a new key."""
    return _form(visit, {})


@page("POST", "/keys/new", role="admin")
async def make_key(visit: Visit) -> Reply:
    """Make a key, and show it now and never again."""
    context = visit.context
    name = visit.form.text("name")
    scope = next((one for one in get_args(Scope) if one == visit.form.get("scope")), None)
    if scope is None:
        return _form(visit, {"scope": visit.say("Choose what the key may do.")}, status=422)
    try:
        made = await create_key(context.store, context.clock, context.dice, name, scope)
    except Invalid as invalid:
        return _form(visit, visit.told(invalid), status=422)
    if isinstance(made, Conflict):
        taken = visit.say("There is already a key with this name. Choose another name, or revoke that key first.")
        return _form(visit, {"name": taken}, status=409)
    return visit.page("key_made.html", key=made.key, text=made.text, scopes=SCOPES)


@page("GET", "/keys/{id}/revoke", role="admin")
async def revoking(visit: Visit, id: str) -> Reply:
    """Ask whether a key is to be revoked."""
    key = next((key for key in await visit.context.store.queries.keys() if key.id == id), None)
    if key is None:
        raise missing("key")
    if key.revoked_at is not None:
        return visit.go("/keys", note=visit.say("The key %(name)s is already revoked.", name=key.name))
    rules = usage(await visit.context.store.queries.rules()).get(("key", key.name), [])
    return visit.page("key_revoke.html", key=key, rules=rules, scopes=SCOPES)


@page("POST", "/keys/{id}/revoke", role="admin")
async def revoke(visit: Visit, id: str) -> Reply:
    """Let a key open nothing any more."""
    found = await revoke_key(visit.context.store, visit.context.clock, id)
    if isinstance(found, Missing):
        raise missing("key")
    return visit.go("/keys", note=visit.say("Revoked: %(name)s. It no longer works.", name=found.name))


def _form(visit: Visit, problems: dict[str, str], status: int = 200) -> Reply:
    chosen = visit.form.get("scope") or "ingest"
    name = visit.form.get("name")
    return visit.page("key_form.html", status=status, scopes=SCOPES, chosen=chosen, name=name, problems=problems)
