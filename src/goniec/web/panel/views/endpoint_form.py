"""What changes an endpoint: its settings, its Basic authorization, its signing secret.

All of it is an administrator's. A new secret is shown once, on the page that made it; nothing else that is secret is
ever shown.
"""

from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from goniec.core.actions import BasicAuth
from goniec.core.endpoint import MAIL, Endpoint, origin
from goniec.core.problems import Invalid
from goniec.flow.configure import Conflict, Missing, Stale
from goniec.flow.endpoint_drafts import EndpointDraft
from goniec.flow.endpoints import (
    OVERLAP_DAYS,
    OVERLAP_DAYS_MAX,
    EndpointSaved,
    change_endpoint,
    endpoint_tag,
    rotate_secret,
)
from goniec.ports import Forbidden
from goniec.web.panel.endpoint_fields import Fields, difference, draft, reshaped, rows, sent, shown
from goniec.web.panel.page import Visit, page
from goniec.web.panel.views.endpoints import load, load_receiver, rules_of
from goniec.web.problems import missing
from goniec.web.reply import Reply

OVERLAPS: Final = tuple(range(OVERLAP_DAYS_MAX + 1))
"""Days for which the old secret may sign beside the new one."""


@page("GET", "/endpoints/{id}/edit", role="admin")
async def editing(visit: Visit, id: str) -> Reply:
    """Show the settings to change them."""
    found = await load(visit, id)
    return await _form(visit, found, shown(found, visit.words))


@page("POST", "/endpoints/{id}/edit", role="admin")
async def edit(visit: Visit, id: str) -> Reply:
    """Save the settings, for all rules that use the endpoint."""
    found = await load(visit, id)
    fields = sent(visit.form)
    if visit.form.get("do") not in {"", "save"}:
        return await _form(visit, found, reshaped(fields, visit.form.get("do")))
    wanted, problems = draft(fields, visit.words, mail=id == MAIL)
    if problems:
        also = await _also(visit, found, wanted)
        return await _form(visit, found, fields, also | problems, status=422)
    moved = await _moved(visit, found, fields.url)
    if moved and found.username is not None and found.password is not None:
        password = visit.form.get("password")
        if not password:
            asked = {"password": visit.say("Enter the password that this endpoint asks for.")}
            return await _form(visit, found, fields, asked, moved=True, status=422)
        wanted = replace(wanted, basic_auth=BasicAuth(found.username, password))
    try:
        saved = await change_endpoint(visit.context.outside, id, wanted, _expected(visit))
    except Invalid as invalid:
        return await _form(visit, found, fields, _told(visit, found, invalid), moved=moved, status=422)
    match saved:
        case EndpointSaved():
            note = visit.say("Endpoint saved: %(name)s.", name=visit.receiver(saved.endpoint))
            return visit.go(f"/endpoints/{id}", note=note)
        case Stale():
            return await _form(visit, await load(visit, id), fields, stale=True, status=412)
        case Conflict():
            return await _form(
                visit, found, fields, {"url": await taken(visit, fields.url, found.username)}, status=409
            )
        case Missing():
            raise missing("endpoint")


@page("GET", "/endpoints/{id}/password", role="admin")
async def credentials(visit: Visit, id: str) -> Reply:
    """Ask for another user name or password, and name the rules that it will hold for."""
    found = await load_receiver(visit, id)
    return await _credentials(visit, found, auth=found.username is not None, username=found.username or "")


@page("POST", "/endpoints/{id}/password", role="admin")
async def change_credentials(visit: Visit, id: str) -> Reply:
    """Change user name and password, or take the authorization away."""
    found = await load_receiver(visit, id)
    auth, username, password = "auth" in visit.form, visit.form.text("username"), visit.form.get("password")
    problems = _missing_of(visit, found, username, password) if auth else {}
    if problems:
        return await _credentials(visit, found, problems, auth=auth, username=username, status=422)
    wanted = EndpointDraft(basic_auth=BasicAuth(username, password or UNSET) if auth else None)
    if auth and found.oauth2 is not None:
        wanted = replace(wanted, oauth2=None)
    try:
        saved = await change_endpoint(visit.context.outside, id, wanted, _expected(visit))
    except Invalid as invalid:
        told = {name.removeprefix("basicAuth/"): detail for name, detail in visit.told(invalid).items()}
        return await _credentials(visit, found, told, auth=auth, username=username, status=422)
    match saved:
        case EndpointSaved():
            return visit.go(f"/endpoints/{id}", note=visit.say("Saved. The next attempt already uses it."))
        case Stale():
            found = await load_receiver(visit, id)
            return await _credentials(visit, found, stale=True, auth=auth, username=username, status=412)
        case Conflict():
            told = {"username": await taken(visit, found.url, username if auth else None)}
            return await _credentials(visit, found, told, auth=auth, username=username, status=409)
        case Missing():
            raise missing("endpoint")


@page("GET", "/endpoints/{id}/secret", role="admin")
async def secret(visit: Visit, id: str) -> Reply:
    """Offer another signing secret."""
    return await _secret(visit, await load_receiver(visit, id), {})


@page("POST", "/endpoints/{id}/secret", role="admin")
async def rotate(visit: Visit, id: str) -> Reply:
    """Sign with another secret, which is shown now and never again."""
    found = await load_receiver(visit, id)
    given, days = visit.form.text("secret"), visit.form.text("overlapDays")
    overlap = int(days) if days in {str(one) for one in OVERLAPS} else OVERLAP_DAYS
    try:
        saved = await rotate_secret(visit.context.outside, id, given or None, overlap, _expected(visit))
    except Invalid as invalid:
        return await _secret(visit, found, visit.told(invalid), status=422)
    match saved:
        case EndpointSaved(endpoint, None):
            return visit.go(f"/endpoints/{endpoint.id}", note=visit.say("Saved. The next attempt already uses it."))
        case EndpointSaved(endpoint, made):
            return visit.page("endpoint_secret_made.html", endpoint=endpoint, secret=made)
        case Missing():
            raise missing("endpoint")
        case _:
            return await _secret(visit, await load_receiver(visit, id), {}, stale=True, status=412)


def _expected(visit: Visit) -> frozenset[str] | None:
    tag = visit.form.get("tag")
    return frozenset({tag}) if tag else None


async def _also(visit: Visit, found: Endpoint, wanted: EndpointDraft) -> dict[str, str]:
    """What else is wrong, beside fields that could not even be read: no endpoint has this version, so none is saved."""
    try:
        await change_endpoint(visit.context.outside, found.id, wanted, frozenset({"none"}))
    except Invalid as invalid:
        return _told(visit, found, invalid)
    return {}


async def _moved(visit: Visit, found: Endpoint, url: str) -> bool:
    """Say whether another server is meant, for which the password was not given."""
    if found.id == MAIL:
        return False
    target = await visit.context.guard.check(url)
    return not isinstance(target, Forbidden) and origin(target) != origin(found.url)


def _told(visit: Visit, found: Endpoint, invalid: Invalid) -> dict[str, str]:
    """What is wrong, by field of this form; the rate of the mail server is one by the minute."""
    told = visit.told(invalid)
    if "basicAuth/password" in told:
        told["password"] = told["basicAuth/password"]
    if found.id == MAIL and "rate" in told:
        told["rate"] = visit.say("Enter a number of messages a minute, such as 30, or leave it empty.")
    return told


def _missing_of(visit: Visit, found: Endpoint, username: str, password: str) -> dict[str, str]:
    problems = {}
    if not username:
        problems["username"] = visit.say("Enter the user name that this endpoint asks for.")
    if not password and found.password is None:
        problems["password"] = visit.say("Enter the password that this endpoint asks for.")
    return problems


async def taken(visit: Visit, url: str, username: str | None) -> str:
    """Say which endpoint has this address and user already."""
    target = await visit.context.guard.check(url)
    known = await visit.context.store.queries.endpoints()
    other = next((one.id for one in known if (one.url, one.username) == (target, username)), "")
    return visit.say("Another endpoint already has this address and user: %(id)s. Use that one in the rules.", id=other)


def _tag(visit: Visit, found: Endpoint, *, stale: bool) -> str:
    """The version that the form will save over: the one that its first reader saw, or what is there now, once told."""
    return endpoint_tag(found) if stale else visit.form.get("tag") or endpoint_tag(found)


async def _form(  # noqa: PLR0913 - a form comes back for many reasons
    visit: Visit,
    found: Endpoint,
    fields: Fields,
    problems: dict[str, str] | None = None,
    *,
    moved: bool = False,
    stale: bool = False,
    status: int = 200,
) -> Reply:
    return visit.page(
        "endpoint_form.html",
        status=status,
        endpoint=found,
        tag=_tag(visit, found, stale=stale),
        fields=fields,
        header_rows=rows(fields),
        problems=problems or {},
        moved=moved,
        mail=visit.context.mail,
        stale=difference(shown(found, visit.words), fields, visit.words, mail=found.id == MAIL) if stale else None,
        rules=await rules_of(visit, found.id),
    )


async def _credentials(  # noqa: PLR0913 - a form comes back for many reasons
    visit: Visit,
    found: Endpoint,
    problems: dict[str, str] | None = None,
    *,
    auth: bool,
    username: str,
    stale: bool = False,
    status: int = 200,
) -> Reply:
    return visit.page(
        "endpoint_password.html",
        status=status,
        endpoint=found,
        tag=_tag(visit, found, stale=stale),
        auth=auth,
        username=username,
        problems=problems or {},
        stale=stale,
        rules=await rules_of(visit, found.id),
    )


async def _secret(
    visit: Visit, found: Endpoint, problems: dict[str, str], *, stale: bool = False, status: int = 200
) -> Reply:
    return visit.page(
        "endpoint_secret.html",
        status=status,
        endpoint=found,
        tag=_tag(visit, found, stale=stale),
        overlaps=OVERLAPS,
        overlap=visit.form.get("overlapDays") or str(OVERLAP_DAYS),
        problems=problems,
        stale=stale,
    )
