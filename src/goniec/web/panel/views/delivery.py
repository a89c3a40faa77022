"""One delivery: what happened and what comes next, request and answer side by side, every attempt with its reason."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from goniec.core import labels
from goniec.core.composing import EXAMPLE
from goniec.core.endpoint import MAIL, Endpoint
from goniec.core.model import Attempt, Delivery, Status
from goniec.flow.configure import Conflict, Missing
from goniec.flow.credentials import as_sent
from goniec.flow.deliveries import cancel_delivery, resend_delivery
from goniec.ports import DeliveryFilter, Page
from goniec.web.panel.delivery_words import STATUSES, due_at, moving, note_words, summary
from goniec.web.panel.failures import answer_name
from goniec.web.panel.mail_shown import MailShown, happened, mail_shown
from goniec.web.panel.page import Policy, Visit, page
from goniec.web.panel.people import called
from goniec.web.panel.sent import curl_command, curl_lines, request_lines
from goniec.web.panel.showing import head_lines, json_lines, text_lines, visible
from goniec.web.panel.wording import brief
from goniec.web.problems import missing
from goniec.web.reply import Reply


@page("GET", "/deliveries/{id}", role="viewer")
async def one_delivery(visit: Visit, id: str) -> Reply:
    """Show a delivery; `attempt` in the address chooses which of its attempts stands beside the answer.

    Of a mail, the pictures that stand on other servers are shown only when `pictures` asks for them: who keeps them
    would take that for its reader's doing.
    """
    delivery, attempts = await _load(visit, id)
    values = await _values(visit, delivery, attempts)
    mail: MailShown | None = values["mail"]
    policy: Policy = "own" if mail is None or mail.html is None else "pictures" if mail.pictures else "mail"
    return visit.page("delivery.html", policy=policy, **values)


@page("GET", "/deliveries/{id}/state", role="viewer")
async def state(visit: Visit, id: str) -> Reply:
    """Say how a delivery stands now; when it has moved on since the page was made (`seen`), the whole of it comes."""
    delivery, attempts = await _load(visit, id)
    values = await _values(visit, delivery, attempts)
    if visit.query.get("seen") == values["seen"]:
        return visit.page("delivery_state.html", **values)
    whole = visit.page("delivery_body.html", **values)
    return replace(whole, headers=(*whole.headers, ("hx-retarget", "#delivery"), ("hx-reswap", "innerHTML")))


@page("POST", "/deliveries/{id}/resend", role="editor")
async def resend(visit: Visit, id: str) -> Reply:
    """Send it once more, now."""
    found = await resend_delivery(visit.context.outside, id)
    match found:
        case Delivery():
            note = visit.say("It is being sent again.")
        case Missing():
            raise missing("delivery")
        case _:
            note = visit.say("Its contact was erased, and there is nothing left to send.")
    return visit.go(f"/deliveries/{id}", note)


@page("POST", "/deliveries/{id}/cancel", role="editor")
async def cancel(visit: Visit, id: str) -> Reply:
    """Take it out of the queue."""
    before, _ = await _load(visit, id)
    found = await cancel_delivery(visit.context.outside, id)
    match found:
        case Missing():
            raise missing("delivery")
        case Delivery() if before.status is Status.PENDING:
            note = visit.say("Cancelled. You can send it again at any time.")
        case Delivery() | Conflict() | _:
            note = visit.say("It was no longer pending, so nothing was cancelled.")
    return visit.go(f"/deliveries/{id}", note)


async def _load(visit: Visit, id: str) -> tuple[Delivery, list[Attempt]]:
    found = await visit.context.store.queries.delivery(id)
    if found is None:
        raise missing("delivery")
    return found


async def _values(visit: Visit, delivery: Delivery, attempts: list[Attempt]) -> dict[str, Any]:
    queries, words = visit.context.store.queries, visit.words
    endpoint = await queries.endpoint(delivery.endpoint_id)
    rule = await queries.rule(delivery.rule_id) if delivery.rule_id else None
    example = delivery.contact_id == EXAMPLE.id
    contact = None if example else await queries.contact(delivery.contact_id)
    shown, mailed = _chosen(visit, attempts), delivery.endpoint_id == MAIL
    mail = await mail_shown(visit, delivery, pictures=visit.query.get("pictures") == "1") if mailed else None
    known = [] if contact is None else sorted({contact.id, delivery.contact_id})
    tells = mail is not None and mail.envelope.tracked and not delivery.test
    who = visit.say("Example contact") if example else called(contact, words)
    host = visit.say("deleted endpoint") if endpoint is None else visit.receiver(endpoint)
    return {
        "delivery": delivery,
        "attempts": attempts,
        "attempt": shown,
        "endpoint": endpoint,
        "host": host,
        "heading": f"{who} → {visible(host)}" if mail is None else f"{who}: {brief(mail.envelope.subject, 120)}",
        "rule": rule,
        "contact": contact,
        "who": who,
        "mailed": mailed,
        "mail": mail,
        "happened": await happened(visit, delivery, known) if tells and attempts else None,
        "badge": STATUSES[delivery.status],
        "sum": summary(visit, delivery, attempts, endpoint, behind=await _behind(visit, delivery, endpoint)),
        "seen": f"{delivery.status}.{len(attempts)}.{endpoint.version if endpoint else 0}",
        "moving": moving(delivery),
        "resting": endpoint is not None and endpoint.paused is not None and delivery.status is Status.PENDING,
        "probing": endpoint is not None and endpoint.breaker.open and delivery.status is Status.PENDING,
        "due": due_at(delivery, endpoint) if delivery.status is Status.PENDING else None,
        "event": words.named(labels.EVENTS, delivery.event_type),
        "request": _request(visit, delivery, endpoint, shown),
        "changed": endpoint is not None and shown is not None and endpoint.updated_at > shown.at,
        "answered": lambda one: answer_name(one, words),
        "noted": lambda one: note_words(visit, one),
        "readable": _readable,
        "visible": visible,
        "head_lines": head_lines,
        "json_lines": json_lines,
        "text_lines": text_lines,
    }


def _chosen(visit: Visit, attempts: Sequence[Attempt]) -> Attempt | None:
    """The attempt that is asked for; the last one unless there is such a one."""
    asked = visit.query.text("attempt")
    return next((one for one in attempts if str(one.number) == asked), attempts[-1] if attempts else None)


def _request(visit: Visit, delivery: Delivery, endpoint: Endpoint | None, shown: Attempt | None) -> dict[str, Any]:
    if endpoint is None or endpoint.id == MAIL:
        return {"lines": None, "curl": None, "curl_lines": None}
    context = visit.context
    erased = delivery.body_sha256 is not None
    headers = as_sent(endpoint, context.vault, delivery, shown, f"Goniec/{context.version}")
    curl = None if erased else curl_command(endpoint, headers, delivery.body, visit.words)
    return {
        "lines": request_lines(
            endpoint, headers, None if erased else len(delivery.body), visit.words, sent=shown is not None
        ),
        "curl": curl,
        "curl_lines": None if curl is None else curl_lines(curl),
    }


def _readable(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        # what is kept may end within a character
        return error.end == len(body) and error.reason == "unexpected end of data"
    return True


async def _behind(visit: Visit, delivery: Delivery, endpoint: Endpoint | None) -> bool:
    """Whether an earlier delivery of its lane has to arrive first; asked only where nothing else holds it."""
    waits = delivery.status is Status.PENDING and not delivery.attempts and not delivery.aside and not delivery.resend
    if not waits or endpoint is None or not endpoint.policy.order or (delivery.due_at or 0) > visit.now:
        return False
    lane = DeliveryFilter(status=Status.PENDING, endpoint_id=delivery.endpoint_id, contact_id=delivery.contact_id)
    first = await visit.context.store.queries.deliveries(lane, Page(1))
    return bool(first) and first[0].id < delivery.id
