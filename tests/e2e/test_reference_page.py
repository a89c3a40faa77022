"""The five uses of the webhook, each from the API to the bytes that its receiver reads.

What is expected stands here as text; nothing of it is made by the code that makes it in the engine.
"""

import base64
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import pytest
from standardwebhooks import Webhook as Verifier

from goniec import __version__
from goniec.core.actions import BasicAuth, Webhook
from goniec.core.templates import TEMPLATES, from_template
from tests.contract.send.receivers import Receiver, Request, answer
from tests.e2e.engine import Engine

USER: Final = "crm"
PASSWORD: Final = "zażółć:gęślą"
BASIC: Final = "Basic Y3JtOnphxbzDs8WCxIc6Z8SZxZtsxIU="
"""Base64 of the two in UTF-8 with a colon between them."""

SECRET: Final = "whsec_" + base64.b64encode(b"thirty-two bytes that nobody has").decode()

JAN: Final = {"email": "Jan.Kowalski@Example.PL", "phone": "600 100 200", "company": 'Żabka & "Synowie"'}
FUNNEL: Final = {"name": "Sprzedaż", "stages": ["Lead", "Oferta", "Umowa"]}


def test_the_credentials_are_what_they_are_meant_to_be() -> None:
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode() == BASIC.removeprefix("Basic ")


@pytest.fixture
async def crm() -> AsyncIterator[Receiver]:
    """The external system: it takes all that comes."""
    async with Receiver(answer(200)) as receiver:
        yield receiver


async def test_a_contact_is_added_and_the_crm_is_told(engine: Engine, crm: Receiver) -> None:
    rule = await made(engine, crm, "crm")
    contact = await engine.contact(**JAN)
    await arrived(
        engine,
        crm,
        "contact.created",
        f'{{"id":"{rule["id"]}","name":"Kontakty do CRM","contactId":"{contact["id"]}",'
        '"description":"nowy kontakt lub zmiana jego danych",'
        '"email":"Jan.Kowalski@Example.PL","phone":"600 100 200","company":"Żabka & \\"Synowie\\""}',
    )


async def test_a_message_is_opened_and_its_sender_is_told(engine: Engine, crm: Receiver) -> None:
    """This contact has neither a phone nor a company: both keys are there, and null."""
    rule = await made(engine, crm, "opened")
    contact = await engine.contact(email="ola@example.pl")
    opened = {"type": "email.opened", "contact": {"email": "OLA@example.pl"}, "data": {"message": "newsletter-7"}}
    await engine.post("/events", opened, 202)
    await arrived(
        engine,
        crm,
        "email.opened",
        f'{{"id":"{rule["id"]}","name":"Otwarcie wiadomości","contactId":"{contact["id"]}",'
        '"description":"kontakt otworzył wiadomość e-mail","email":"ola@example.pl","phone":null,"company":null}',
    )


async def test_a_contact_enters_a_stage_of_the_funnel(engine: Engine, crm: Receiver) -> None:
    rule = await made(engine, crm, "stage")
    await engine.post("/funnels", FUNNEL, 201)
    contact = await engine.contact(**JAN)
    await engine.post(f"/contacts/{contact['id']}/stage", {"funnel": "Sprzedaż", "stage": "Oferta"})
    await arrived(
        engine,
        crm,
        "contact.stage_entered",
        f'{{"id":"{rule["id"]}","name":"Etap lejka sprzedażowego","contactId":"{contact["id"]}",'
        '"description":"kontakt wszedł na etap lejka",'
        '"email":"Jan.Kowalski@Example.PL","phone":"600 100 200","company":"Żabka & \\"Synowie\\""}',
    )


async def test_a_contact_reaches_a_score(engine: Engine, crm: Receiver) -> None:
    rule = await made(engine, crm, "score")
    contact = await engine.contact(**JAN)
    await engine.post(f"/contacts/{contact['id']}/score", {"add": 99})
    await engine.post(f"/contacts/{contact['id']}/score", {"add": 1})
    await engine.post(f"/contacts/{contact['id']}/score", {"add": 1})
    await arrived(
        engine,
        crm,
        "contact.score_changed",
        f'{{"id":"{rule["id"]}","name":"Osiągnięty scoring","contactId":"{contact["id"]}",'
        '"description":"kontakt osiągnął 100 punktów",'
        '"email":"Jan.Kowalski@Example.PL","phone":"600 100 200","company":"Żabka & \\"Synowie\\""}',
    )


async def test_a_segment_is_added_to_a_contact(engine: Engine, crm: Receiver) -> None:
    rule = await made(engine, crm, "tag")
    contact = await engine.contact(phone="+48 600 100 200", company=None)
    await engine.post(f"/contacts/{contact['id']}/tags", {"add": ["vip"]})
    await arrived(
        engine,
        crm,
        "contact.tagged",
        f'{{"id":"{rule["id"]}","name":"Segment dodany do kontaktu","contactId":"{contact["id"]}",'
        '"description":"kontakt otrzymał tag VIP","email":null,"phone":"+48 600 100 200","company":null}',
    )


async def made(engine: Engine, crm: Receiver, template: str) -> dict[str, Any]:
    """Make the rule of a template as the panel would, and agree on a signing secret."""
    webhook = Webhook(url=crm.url("/goniec?kanał=ą"), basic_auth=BasicAuth(USER, PASSWORD))
    draft = msgspec.to_builtins(from_template(TEMPLATES[template], "pl", webhook))
    rule: dict[str, Any] = await engine.post("/rules", {**draft, "active": True}, 201)
    endpoint = await engine.endpoint(rule)
    await engine.post(f"/endpoints/{endpoint}/rotateSecret", {"secret": SECRET, "overlapDays": 0})
    return rule


async def arrived(engine: Engine, crm: Receiver, event_type: str, body: str) -> None:
    """Exactly one request has come, and these are its bytes."""
    (delivery,) = await engine.settled(1)
    assert (delivery["status"], delivery["attemptCount"]) == ("delivered", 1)
    (request,) = crm.requests
    timestamp, signature = request.header("webhook-timestamp"), request.header("webhook-signature")
    sequence = (await engine.get(f"/events/{delivery['eventId']}"))["seq"]
    content = body.encode()
    head = (
        "POST /goniec?kana%C5%82=%C4%85 HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{crm.port}\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        f"User-Agent: Goniec/{__version__}\r\n"
        f"Authorization: {BASIC}\r\n"
        f"webhook-id: {delivery['id']}\r\n"
        f"webhook-timestamp: {timestamp}\r\n"
        f"webhook-signature: {signature}\r\n"
        f"goniec-event-type: {event_type}\r\n"
        "goniec-attempt: 1\r\n"
        f"goniec-sequence: {sequence}\r\n"
        f"goniec-cause: {delivery['runId']}\r\n"
        f"Content-Length: {len(content)}\r\n"
        "\r\n"
    )
    assert request.raw == head.encode("ascii") + content
    verified(request)
    assert (delivery["body"], delivery["attempts"][0]["status"]) == (body, 200)


def verified(request: Request) -> None:
    """The reference library accepts the signature."""
    Verifier(SECRET).verify(request.body, {name.lower(): value for name, value in request.headers})
