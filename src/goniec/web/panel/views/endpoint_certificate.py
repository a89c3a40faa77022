"""The certificate by which an endpoint's receiver knows us: shown, changed, taken away. An administrator's, all of it.

The key goes in and is in no page, the one that comes back with a mistake included.
"""

from goniec.core.endpoint import Endpoint
from goniec.core.problems import Invalid
from goniec.flow.configure import Missing
from goniec.flow.endpoint_drafts import ClientDraft, EndpointDraft
from goniec.flow.endpoints import EndpointSaved, change_endpoint, endpoint_tag
from goniec.web.panel.page import Visit, page
from goniec.web.panel.views.endpoints import load_receiver
from goniec.web.problems import missing
from goniec.web.reply import Reply


@page("GET", "/endpoints/{id}/certificate", role="admin")
async def certificate(visit: Visit, id: str) -> Reply:
    """Ask for another certificate."""
    found = await load_receiver(visit, id)
    return _form(visit, found, found.client_certificate.certificate if found.client_certificate else "")


@page("POST", "/endpoints/{id}/certificate", role="admin")
async def change_certificate(visit: Visit, id: str) -> Reply:
    """Use another certificate, or none."""
    found = await load_receiver(visit, id)
    text = visit.form.text("certificate")
    remove = visit.form.get("do") == "remove"
    draft = None if remove else ClientDraft(text, visit.form.text("privateKey") or None)
    tag = visit.form.get("tag")
    try:
        saved = await change_endpoint(
            visit.context.outside, id, EndpointDraft(client_certificate=draft), frozenset({tag}) if tag else None
        )
    except Invalid as invalid:
        told = {name.removeprefix("clientCertificate/"): detail for name, detail in visit.told(invalid).items()}
        told = {"privateKey" if name == "key" else name: detail for name, detail in told.items()}
        return _form(visit, found, text, told, status=422)
    match saved:
        case EndpointSaved():
            return visit.go(f"/endpoints/{id}", note=visit.say("Saved. The next attempt already uses it."))
        case Missing():
            raise missing("endpoint")
        case _:
            return _form(visit, await load_receiver(visit, id), text, stale=True, status=412)


def _form(
    visit: Visit,
    found: Endpoint,
    text: str,
    problems: dict[str, str] | None = None,
    *,
    stale: bool = False,
    status: int = 200,
) -> Reply:
    return visit.page(
        "endpoint_certificate.html",
        status=status,
        endpoint=found,
        tag=endpoint_tag(found) if stale else visit.form.get("tag") or endpoint_tag(found),
        certificate=text,
        problems=problems or {},
        stale=stale,
    )
