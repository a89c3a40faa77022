"""An endpoint's OAuth2: where its access tokens are had, and as which client. An administrator's, all of it.

The client's secret goes in and is in no page, the one that comes back with a mistake included.
"""

from typing import Literal

from msgspec import UNSET, Struct

from goniec.core.actions import OAuth2In
from goniec.core.endpoint import Endpoint
from goniec.core.problems import Invalid
from goniec.flow.configure import Conflict, Missing, Stale
from goniec.flow.endpoint_drafts import EndpointDraft
from goniec.flow.endpoints import EndpointSaved, change_endpoint, endpoint_tag
from goniec.web.panel.page import Visit, page
from goniec.web.panel.views.endpoint_form import taken
from goniec.web.panel.views.endpoints import load_receiver
from goniec.web.problems import missing
from goniec.web.reply import Reply


class Fields(Struct, frozen=True):
    """What stands in the form; the secret never does."""

    token_url: str = ""
    client_id: str = ""
    scope: str = ""
    audience: str = ""
    auth: Literal["basic", "body"] = "basic"


@page("GET", "/endpoints/{id}/oauth2", role="admin")
async def oauth2(visit: Visit, id: str) -> Reply:
    """Ask where tokens are had."""
    found = await load_receiver(visit, id)
    known = found.oauth2
    if known is None:
        return _form(visit, found, Fields())
    fields = Fields(known.token_url, known.client_id, known.scope or "", known.audience or "", known.auth)
    return _form(visit, found, fields)


@page("POST", "/endpoints/{id}/oauth2", role="admin")
async def change_oauth2(visit: Visit, id: str) -> Reply:
    """Have tokens asked for there, in the place of a user and password, or no more."""
    found = await load_receiver(visit, id)
    form = visit.form
    fields = Fields(
        form.text("tokenUrl"),
        form.text("clientId"),
        form.text("scope"),
        form.text("audience"),
        "body" if form.get("auth") == "body" else "basic",
    )
    wanted = EndpointDraft(oauth2=None)
    if form.get("do") != "remove":
        given = OAuth2In(
            fields.token_url,
            fields.client_id,
            form.get("clientSecret") or UNSET,
            fields.scope or None,
            fields.audience or None,
            fields.auth,
        )
        wanted = EndpointDraft(oauth2=given, basic_auth=None)
    tag = form.get("tag")
    try:
        saved = await change_endpoint(visit.context.outside, id, wanted, frozenset({tag}) if tag else None)
    except Invalid as invalid:
        told = {name.removeprefix("oauth2/"): detail for name, detail in visit.told(invalid).items()}
        return _form(visit, found, fields, told, status=422)
    match saved:
        case EndpointSaved():
            return visit.go(f"/endpoints/{id}", note=visit.say("Saved. The next attempt already uses it."))
        case Stale():
            return _form(visit, await load_receiver(visit, id), fields, stale=True, status=412)
        case Conflict():
            return _form(visit, found, fields, {"clientId": await taken(visit, found.url, None)}, status=409)
        case Missing():
            raise missing("endpoint")


def _form(
    visit: Visit,
    found: Endpoint,
    fields: Fields,
    problems: dict[str, str] | None = None,
    *,
    stale: bool = False,
    status: int = 200,
) -> Reply:
    return visit.page(
        "endpoint_oauth2.html",
        status=status,
        endpoint=found,
        tag=endpoint_tag(found) if stale else visit.form.get("tag") or endpoint_tag(found),
        fields=fields,
        ways=(("basic", visit.say("in the Authorization header (Basic)")), ("body", visit.say("in the request body"))),
        problems=problems or {},
        stale=stale,
    )
