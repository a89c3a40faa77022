"""Users: the list, a new one, changing, another password, removing. All of it is an administrator's.

The last administrator stays one: the flow sees to that. Whoever would take a right from themselves is told first.
"""

from typing import Any, Final, get_args

from msgspec import Struct
from msgspec.structs import asdict, replace

from goniec.core.labels import Label
from goniec.core.model import User, UserRole
from goniec.core.problems import Invalid
from goniec.core.times import Millis
from goniec.flow.configure import Conflict, Missing, Stale
from goniec.flow.passwords import made_password
from goniec.flow.users import add_user, change_user, remove_user, user_tag
from goniec.ports import Page
from goniec.web.lists import closed, opened
from goniec.web.panel.page import RANKS, Visit, page
from goniec.web.panel.serve import SESSION_COOKIE
from goniec.web.panel.zones import zones
from goniec.web.problems import missing
from goniec.web.refusals import cut
from goniec.web.reply import Reply

ROWS: Final = 50

ROLES: Final[dict[UserRole, Label]] = {
    "viewer": Label("Tylko ogląda.", "Looks, and changes nothing."),
    "editor": Label(
        "Zmienia reguły i kontakty, ponawia wysyłki.", "Changes rules and contacts, sends deliveries again."
    ),
    "admin": Label(
        "Robi wszystko, także z endpointami, kluczami API i użytkownikami.",
        "Does everything, with endpoints, API keys and users too.",
    ),
}
"""What a role may do."""


class Row(Struct, frozen=True):
    """A user in the list, and when any of their browsers was last here."""

    user: User
    seen_at: Millis | None


class Fields(Struct, frozen=True, kw_only=True):
    """What stands in the form."""

    email: str = ""
    name: str = ""
    role: str = "editor"
    language: str = ""
    timezone: str = ""
    active: bool = True


@page("GET", "/users", role="admin")
async def users(visit: Visit) -> Reply:
    """List users, the newest first."""
    queries = visit.context.store.queries
    known = await queries.users()
    cursor = visit.query.get("cursor")
    found = cut(Page(ROWS + 1, opened(cursor) if cursor else None, newest=True), known, lambda user: user.id)
    more = closed(found[ROWS - 1].id) if len(found) > ROWS else None
    rows = [
        Row(user, max((session.seen_at for session in await queries.sessions(user.id)), default=None))
        for user in found[:ROWS]
    ]
    return visit.page("users.html", rows=rows, total=len(known), more=more, first=not cursor)


@page("GET", "/users/new", role="admin")
async def new_user(visit: Visit) -> Reply:
    """Ask who is to be added."""
    return _form(visit, None, Fields())


@page("POST", "/users/new", role="admin")
async def add(visit: Visit) -> Reply:
    """Add a user; a password that Goniec makes is shown now and never again."""
    context, fields = visit.context, _sent(visit)
    role = _role(fields.role)
    if role is None:
        return _form(visit, None, fields, {"role": visit.say("Choose a role.")}, status=422)
    given = visit.form.get("password")
    password = given or made_password(context.dice)
    try:
        made = await add_user(
            context.store,
            context.clock,
            context.dice,
            context.gate.passwords,
            email=fields.email,
            password=password,
            role=role,
            name=fields.name,
            language="pl" if fields.language == "pl" else "en" if fields.language == "en" else None,
            timezone=fields.timezone or None,
        )
    except Invalid as invalid:
        return _form(visit, None, fields, visit.told(invalid), status=422)
    if isinstance(made, Conflict):
        taken = visit.say("There is already a user with this e-mail address.")
        return _form(visit, None, fields, {"email": taken}, status=409)
    if not given:
        return visit.page("user_password.html", person=made, password=password, fresh=True)
    return visit.go("/users", note=visit.say("Added: %(name)s.", name=made.name or made.email))


@page("GET", "/users/{id}", role="admin")
async def user(visit: Visit, id: str) -> Reply:
    """Show a user to be changed."""
    found = await _load(visit, id)
    return _form(visit, found, _shown(found))


@page("POST", "/users/{id}", role="admin")
async def change(visit: Visit, id: str) -> Reply:
    """Change name, role, language, zone, and whether the user may sign in."""
    found, fields = await _load(visit, id), _sent(visit)
    fields = replace(fields, email=found.email)
    if _lowers_own(visit, found, fields) and visit.form.get("sure") != "1":
        return _form(visit, found, fields, own=True, status=422)
    wanted: dict[str, Any] = {**asdict(fields), "disabled": not fields.active}
    try:
        saved = await change_user(
            visit.context.store, visit.context.clock, visit.context.gate.passwords, id, wanted, _expected(visit)
        )
    except Invalid as invalid:
        return _form(visit, found, fields, visit.told(invalid), status=422)
    match saved:
        case User():
            note = visit.say("User saved: %(name)s.", name=saved.name or saved.email)
            return visit.go("/users" if visit.user is None or visit.user.id != id else "/account", note=note)
        case Stale():
            theirs = await _load(visit, id)
            return _form(visit, theirs, fields, stale=_difference(visit, _shown(theirs), fields), status=412)
        case Conflict():
            return _form(visit, found, fields, {"role": _last(visit)}, status=409)
        case Missing():
            raise missing("user")


@page("POST", "/users/{id}/password", role="admin")
async def set_password(visit: Visit, id: str) -> Reply:
    """Give another user another password, typed or made; it ends all their sessions."""
    found = await _load(visit, id)
    if visit.user is not None and found.id == visit.user.id:
        return visit.go("/account", note=visit.say("Change your own password here."))
    given = visit.form.get("password")
    password = given or made_password(visit.context.dice)
    try:
        saved = await change_user(
            visit.context.store, visit.context.clock, visit.context.gate.passwords, id, {"password": password}
        )
    except Invalid as invalid:
        return _form(visit, found, _shown(found), visit.told(invalid), status=422)
    if not isinstance(saved, User):
        raise missing("user")
    if not given:
        return visit.page("user_password.html", person=saved, password=password, fresh=False)
    note = visit.say("%(name)s has a new password, and is signed out everywhere.", name=saved.name or saved.email)
    return visit.go(f"/users/{id}", note=note)


@page("GET", "/users/{id}/remove", role="admin")
async def removing(visit: Visit, id: str) -> Reply:
    """Ask whether a user is to be removed."""
    found = await _load(visit, id)
    return visit.page("user_remove.html", person=found, tag=user_tag(found), problem="", stale=False)


@page("POST", "/users/{id}/remove", role="admin")
async def remove(visit: Visit, id: str) -> Reply:
    """Remove a user."""
    found = await _load(visit, id)
    refused = await remove_user(visit.context.store, id, _expected(visit))
    match refused:
        case User():
            if visit.user is not None and visit.user.id == id:
                visit.forget_cookie(SESSION_COOKIE)
                return visit.go("/login")
            return visit.go("/users", note=visit.say("Removed: %(name)s.", name=found.name or found.email))
        case Missing():
            raise missing("user")
        case Stale(tag):
            return visit.page("user_remove.html", status=412, person=found, tag=tag, problem="", stale=True)
        case Conflict():
            tag = user_tag(found)
            return visit.page("user_remove.html", status=409, person=found, tag=tag, problem=_last(visit), stale=False)


async def _load(visit: Visit, id: str) -> User:
    found = await visit.context.store.queries.user(id)
    if found is None:
        raise missing("user")
    return found


def _expected(visit: Visit) -> frozenset[str] | None:
    tag = visit.form.get("tag")
    return frozenset({tag}) if tag else None


def _shown(found: User) -> Fields:
    return Fields(
        email=found.email,
        name=found.name,
        role=found.role,
        language=found.language or "",
        timezone=found.timezone or "",
        active=found.disabled_at is None,
    )


def _sent(visit: Visit) -> Fields:
    form = visit.form
    return Fields(
        email=form.text("email"),
        name=form.text("name"),
        role=form.get("role"),
        language=form.get("language"),
        timezone=form.text("timezone"),
        active="active" in form,
    )


def _difference(visit: Visit, theirs: Fields, mine: Fields) -> list[tuple[str, str, str]]:
    """Name what differs, with what was saved in the meantime and what stands in the form, as both are called."""
    roles = {"admin": visit.say("Admin"), "editor": visit.say("Editor"), "viewer": visit.say("Viewer")}
    languages = {"": visit.say("same as the browser"), "pl": "Polski", "en": "English"}
    truth = {True: visit.say("yes"), False: visit.say("no")}
    rows = [
        (visit.say("Full name"), theirs.name, mine.name),
        (visit.say("Role"), roles.get(theirs.role, ""), roles.get(mine.role, "")),
        (visit.say("May sign in"), truth[theirs.active], truth[mine.active]),
        (visit.say("Language"), languages.get(theirs.language, ""), languages.get(mine.language, "")),
        (visit.say("Time zone"), theirs.timezone, mine.timezone),
    ]
    return [(word, saved, typed) for word, saved, typed in rows if saved != typed]


def _role(text: str) -> UserRole | None:
    return next((role for role in get_args(UserRole) if role == text), None)


def _lowers_own(visit: Visit, found: User, fields: Fields) -> bool:
    """Whether somebody would take a right from themselves."""
    own = visit.user is not None and visit.user.id == found.id
    lower = RANKS.get(_role(fields.role) or "viewer", 0) < RANKS[found.role]
    return own and (lower or not fields.active)


def _last(visit: Visit) -> str:
    return visit.say("This is the last administrator who can sign in. Give someone else the role first.")


def _form(  # noqa: PLR0913 - a form comes back for many reasons
    visit: Visit,
    found: User | None,
    fields: Fields,
    problems: dict[str, str] | None = None,
    *,
    own: bool = False,
    stale: list[tuple[str, str, str]] | None = None,
    status: int = 200,
) -> Reply:
    return visit.page(
        "user_form.html",
        status=status,
        person=found,
        tag="" if found is None else user_tag(found) if stale is not None else visit.form.get("tag") or user_tag(found),
        fields=fields,
        problems=problems or {},
        roles=ROLES,
        own=own,
        stale=stale,
        zones=zones(),
    )
