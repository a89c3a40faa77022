"""The page of one delivery: what happened, what was sent and answered to the byte, without a secret, and what next."""

import hashlib
import json
from typing import Any

import pytest

from tests.contract.send.receivers import Behaviour, Receiver, answer, say
from tests.contract.send.test_tokens import giving
from tests.e2e.engine import Engine
from tests.e2e.panel.client import SignIn

VISITED = {"type": "page.visited"}
USER, PASSWORD, KEY = "jan", "very secret", "secret key"


async def sent(
    engine: Engine, url: str, *, fields: dict[str, Any] | None = None, **policy: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A rule that tells a receiver, and the delivery about Jan that it made, attempted once."""
    action = {"type": "webhook", "url": url, "basicAuth": {"username": USER, "password": PASSWORD}}
    rule = await engine.rule(VISITED, actions=[action], **{"name": "Visit → CRM", **(fields or {})})
    headers = [{"name": "X-Key", "value": KEY, "secret": True}, {"name": "X-Plain", "value": "plain"}]
    await engine.endpoint(rule, headers=headers, **policy)
    await engine.contact(email="jan@example.pl", name="Jan Kowalski", company="Żabka")
    await engine.visit({"email": "jan@example.pl"})
    (one,) = await engine.attempted(1)
    return rule, one


# --- what stands there -----------------------------------------------------------------------------------------------


async def test_the_whole_of_a_delivery_that_arrived(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver(answer(200, b'{"status":"ok"}')) as receiver:
        rule, one = await sent(engine, receiver.url("/hook?x=1"))
    (request,) = receiver.requests
    ala = await sign_in("editor", "pl")
    page = await ala.get(f"/deliveries/{one['id']}")
    assert page.status == 200
    for text in (
        f"Jan Kowalski → {receiver.address}",
        "Dostarczona przed chwilą, za pierwszym razem.",
        "Odbiorca odpowiedział 200 OK po",
        "Visit → CRM",
        "Kontakt odwiedził adres URL",
        "Żabka",
        "autoryzacja basic, użytkownik jan",
        f"{len(request.body)} bajtów w jednym wierszu",
        "ukryte (użytkownik: jan)",
        '"status" : "ok"',
        "Połączono z",
    ):
        assert text in page.text
    # request line and headers, as they came there
    assert "POST /hook?x=1 HTTP/1.1" in page.text
    for name, value in request.headers:
        assert f"{name}: {value}" in page.text or name in {"Authorization", "X-Key"}
    assert request.body.decode() in page.text
    for path in (f"/rules/{rule['id']}", f"/contacts/{one['contactId']}", f"/endpoints/{one['endpointId']}"):
        assert path in page.links
    assert f"/contacts/{one['contactId']}/events/{one['eventId']}" in page.links
    assert f"/contacts/{one['contactId']}/why?rule={rule['id']}&event={one['eventId']}" in page.links
    assert "hx-trigger" not in page.html.partition("<main")[2]
    assert "Anuluj wysyłkę" not in page.text


async def test_no_secret_is_in_a_page(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver(answer(200)) as receiver:
        _, one = await sent(engine, receiver.url())
    authorization = receiver.requests[0].header("authorization") or ""
    ala = await sign_in("admin")
    page = await ala.get(f"/deliveries/{one['id']}")
    for secret in (PASSWORD, KEY, authorization.removeprefix("Basic "), "whsec_"):
        assert secret not in page.html
    assert "-u 'jan:PASSWORD'" in page.text
    assert "'X-Key: SECRET'" in page.text


async def test_a_token_is_in_no_page_either(engine: Engine, sign_in: SignIn) -> None:
    client = {"clientId": "goniec", "clientSecret": "s3cret-of-ours"}
    async with Receiver(answer(200)) as receiver, Receiver(giving("t0ken-of-ours")) as server:
        action = {"type": "webhook", "url": receiver.url(), "oauth2": {**client, "tokenUrl": server.url()}}
        await engine.rule(VISITED, actions=[action])
        await engine.visit({"email": "jan@example.pl"})
        (one,) = await engine.settled(1)
    page = await (await sign_in("admin")).get(f"/deliveries/{one['id']}")
    assert "Authorization: Bearer hidden" in page.text
    assert "-H 'Authorization: Bearer TOKEN'" in page.text
    assert "with an OAuth2 token" in page.text
    assert "t0ken-of-ours" not in page.html
    assert "s3cret-of-ours" not in page.html


async def test_attempts_say_why_and_each_can_be_looked_at(engine: Engine, sign_in: SignIn) -> None:
    behaviour: list[Behaviour] = [answer(503, b"first"), answer(404, b"second"), answer(200, b"third")]
    async with Receiver(behaviour) as receiver:
        _, one = await sent(engine, receiver.url(), schedule=[1, 1])
        await engine.attempted(3)
        await engine.quiet()
    ala = await sign_in("viewer", "pl")
    page = await ala.get(f"/deliveries/{one['id']}")
    assert "Dostarczona przed chwilą, za 3. razem." in page.text
    assert "próba 3 z 3" in page.text
    assert "third" in page.text
    assert "503 Service Unavailable" in page.text
    assert "Po stronie odbiorcy wystąpił błąd." in page.text
    assert "Pod tym adresem nie ma odbiorcy. Sprawdź ścieżkę." in page.text
    first = await ala.get(f"/deliveries/{one['id']}?attempt=1")
    assert "próba 1 z 3" in first.text
    assert "first" in first.text
    assert "third" not in first.text
    for number, request in enumerate(receiver.requests, 1):
        shown = await ala.get(f"/deliveries/{one['id']}?attempt={number}")
        assert f"webhook-signature: {request.header('webhook-signature')}" in shown.text
        assert f"goniec-attempt: {number}" in shown.text
    for nonsense in ("0", "4", "x", "-1", "%00"):
        assert "próba 3 z 3" in (await ala.get(f"/deliveries/{one['id']}?attempt={nonsense}")).text


async def test_what_did_not_arrive_says_so_first(engine: Engine, sign_in: SignIn) -> None:
    _, one = await sent(engine, "http://127.0.0.1:1/", schedule=[])
    await engine.quiet()
    ala = await sign_in("viewer", "pl")
    page = await ala.get(f"/deliveries/{one['id']}")
    assert "Nie dotarła: błąd połączenia." in page.text
    assert "Serwer nie przyjął połączenia." in page.text
    assert "Po 1 próbie nie ponawiamy." in page.text
    assert "Odbiorca nie przysłał odpowiedzi." in page.text
    assert "127.0.0.1 port 1 took no connection" in page.text


async def test_the_built_in_receiver_shows_what_arrived(engine: Engine, sign_in: SignIn) -> None:
    _, one = await sent(engine, "inbox:sklep")
    ala = await sign_in("viewer")
    page = await ala.get(f"/deliveries/{one['id']}")
    assert "POST inbox:sklep HTTP/1.1" in page.text
    assert '"authorization" : "Basic, user jan"' in page.text
    assert "Connected to inbox" in page.text
    assert "cURL" not in page.text
    assert PASSWORD not in page.html


async def test_a_test_send_is_marked_as_one(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(VISITED, "inbox:")
    trial = await engine.post(f"/rules/{rule['id']}/testSend", {})
    ala = await sign_in("viewer", "pl")
    page = await ala.get(f"/deliveries/{trial['deliveryId']}")
    assert "Przykładowy kontakt → inbox:" in page.text
    assert "Test" in page.text
    assert "test, bez zdarzenia" in page.text
    assert "goniec-test: true" in page.text
    assert not any("/contacts/" in link for link in page.links)


async def test_an_erased_body_leaves_its_proof(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver(answer(200, b"we know Jan Kowalski")) as receiver:
        _, one = await sent(engine, receiver.url())
    await engine.ask("DELETE", f"/contacts/{one['contactId']}", 204)
    ala = await sign_in("editor", "pl")
    page = await ala.get(f"/deliveries/{one['id']}")
    assert hashlib.sha256(receiver.requests[0].body).hexdigest() in page.text
    assert "Treść usunięto razem z danymi kontaktu." in page.text
    assert "Odpowiedź odbiorcy usunięto razem z danymi kontaktu." in page.text
    assert "webhook-signature: nie do odtworzenia" in page.text
    for gone in ("Jan Kowalski", "jan@example.pl", "Kopiuj treść", "cURL", "Wyślij ponownie"):
        assert gone not in page.html
    told = await ala.follow(await ala.send(f"/deliveries/{one['id']}/resend"))
    assert "Kontakt usunięto, więc nie ma już czego wysłać." in told.text


async def test_a_changed_or_deleted_endpoint_is_told(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver(answer(200)) as receiver:
        rule, one = await sent(engine, receiver.url())
    ala = await sign_in("editor")
    await engine.post(f"/endpoints/{one['endpointId']}/rotateSecret", {})
    page = await ala.get(f"/deliveries/{one['id']}")
    assert "The endpoint was changed after this attempt" in page.text
    assert "webhook-signature: can no longer be known" in page.text
    await engine.ask("DELETE", f"/rules/{rule['id']}", 204)
    await engine.ask("DELETE", f"/endpoints/{one['endpointId']}", 204)
    page = await ala.get(f"/deliveries/{one['id']}")
    assert "Jan Kowalski → deleted endpoint" in page.text
    assert "The endpoint was deleted, and its address and headers with it." in page.text
    assert "Deleted rule" in page.text
    assert "Resend" not in page.text


HOSTILE = {
    "markup": b"</pre><script>alert(1)</script>",
    "turned round": "\u202eevil\u202c\u2066".encode(),
    "binary": bytes(range(256)) * 16,
    "cut in a character": ("ż" * 3000).encode()[:4095],
    "half a pair": b'{"a":"\\ud800"}',
    "one long line": b"x" * 70_000,
    "deep": b"[" * 2000,
    "a number beyond numbers": b"9" * 4000,
    "nothing": b"",
}


async def test_whatever_a_receiver_answers_is_shown_safely(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver([answer(200, body) for body in HOSTILE.values()]) as receiver:
        await engine.rule(VISITED, receiver.url())
        for n in range(len(HOSTILE)):
            await engine.visit({"email": f"p{n}@example.pl"})
            await engine.settled(n + 1)
    ala = await sign_in("viewer")
    for kind, one in zip(HOSTILE, await engine.deliveries(), strict=True):
        page = await ala.get(f"/deliveries/{one['id']}")
        assert page.status == 200, kind
        assert "<script>alert" not in page.html, kind
        assert not {"\u202e", "\u202c", "\u2066", "\0", "\x07"} & set(page.html), kind
        assert ("The body is not UTF-8 text" in page.text) == (kind == "binary"), kind
        assert ("The response had no body." in page.text) == (kind == "nothing"), kind


async def test_a_head_that_means_harm_is_text(engine: Engine, sign_in: SignIn) -> None:
    head = b"HTTP/1.1 500 <b>\xe2\x80\xae\r\nX-A: <script>\xff\r\nContent-Length: 0\r\n\r\n"
    async with Receiver(say(head)) as receiver:
        _, one = await sent(engine, receiver.url(), schedule=[])
    ala = await sign_in("viewer")
    page = await ala.get(f"/deliveries/{one['id']}")
    assert "<script>\xff" not in page.html
    assert "&lt;script&gt;" in page.html


async def test_there_is_no_such_delivery(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    for id in ("dlv_01M8HAWYB450WCE28H000000000000B31ZR0", "x", "%00"):
        for path in ("", "/state"):
            assert (await ala.get(f"/deliveries/{id}{path}")).status == 404
    for action in ("resend", "cancel"):
        assert (await ala.send(f"/deliveries/dlv_x/{action}")).status == 404


# --- what comes next -------------------------------------------------------------------------------------------------


async def test_a_pending_one_says_when_it_is_tried_next_and_moves_on_by_itself(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver([answer(503), answer(200, b"at last")]) as receiver:
        _, one = await sent(engine, receiver.url(), schedule=[3600])
        ala = await sign_in("editor", "pl")
        page = await ala.get(f"/deliveries/{one['id']}")
        assert "Jeszcze nie dotarła: 503 Service Unavailable." in page.text
        assert "Następna próba za" in page.text
        assert "Wyślij teraz" in page.text
        path = page.html.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")
        assert path.startswith(f"/deliveries/{one['id']}/state?seen=pending")

        same = await ala.get(path, **{"hx-request": "true"})
        assert "hx-retarget" not in same.answer.headers
        assert same.html.strip().startswith('<div id="state"')
        assert "Żądanie" not in same.text

        told = await ala.follow(await ala.send(f"/deliveries/{one['id']}/resend"))
        assert "Wysyłka idzie ponownie." in told.text
        await engine.quiet()
    moved = await ala.get(path, **{"hx-request": "true"})
    assert (moved.answer.headers["hx-retarget"], moved.answer.headers["hx-reswap"]) == ("#delivery", "innerHTML")
    assert "Żądanie" in moved.text
    assert "at last" in moved.text
    assert "hx-trigger" not in moved.html


async def test_what_waits_says_for_what(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    async with Receiver(answer(503)) as receiver:
        rule, first = await sent(engine, receiver.url(), schedule=[3600])
        await engine.visit({"email": "jan@example.pl"})
        second = next(one for one in await engine.everything("/deliveries") if one["id"] != first["id"])
        page = await ala.get(f"/deliveries/{second['id']}")
        assert "Jeszcze nie wysłana." in page.text
        waits = "Najpierw musi dotrzeć wcześniejsza wysyłka", "Następna próba za"
        assert any(text in page.text for text in waits)
        assert "webhook-timestamp: powstaje przy wysłaniu" in page.text
        assert "webhook-signature: powstaje przy wysłaniu" in page.text
        endpoint_id = await engine.endpoint(rule)
        await engine.post(f"/endpoints/{endpoint_id}/pause", {})
        page = await ala.get(f"/deliveries/{second['id']}")
        assert "Endpoint jest wstrzymany; wyślemy ją po wznowieniu." in page.text
        assert "po wznowieniu endpointu" in page.text


async def test_a_receiver_that_asked_for_a_break_gets_it(engine: Engine, sign_in: SignIn) -> None:
    busy = b"HTTP/1.1 429 Slow Down\r\nRetry-After: 3000\r\nContent-Length: 0\r\n\r\n"
    async with Receiver(say(busy)) as receiver:
        _, one = await sent(engine, receiver.url())
    ala = await sign_in("viewer")
    page = await ala.get(f"/deliveries/{one['id']}")
    assert "Has not arrived yet: 429 Too Many Requests." in page.text
    assert "The receiver asked for a break, until" in page.text


async def test_cancelling_and_sending_again_from_the_page(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver([answer(503), answer(200), answer(500)]) as receiver:
        _, one = await sent(engine, receiver.url(), schedule=[3600])
        ala = await sign_in("editor")
        path = f"/deliveries/{one['id']}"
        told = await ala.follow(await ala.send(f"{path}/cancel"))
        assert "Cancelled. You can send it again at any time." in told.text
        assert "The last attempt: 503 Service Unavailable." in told.text
        told = await ala.follow(await ala.send(f"{path}/cancel"))
        assert "It was no longer pending, so nothing was cancelled." in told.text
        await ala.send(f"{path}/resend")
        await engine.attempted(2)
        await engine.quiet()
        page = await ala.get(path)
        assert "Sent again and delivered just now." in page.text
        assert "Requested by hand." in page.text
        assert "goniec-resend: true" in page.text
        assert "goniec-resend" not in (await ala.get(f"{path}?attempt=1")).text
        await ala.send(f"{path}/resend")
        await engine.attempted(3)
        page = await ala.get(path)
        assert "Is being sent again." in page.text
        assert "It already arrived just now." in page.text
        told = await ala.follow(await ala.send(f"{path}/cancel"))
        assert "Sending it again did not work." in told.text


@pytest.mark.parametrize("language", ["pl", "en"])
async def test_a_viewer_sees_all_of_it_and_no_button(engine: Engine, sign_in: SignIn, language: str) -> None:
    async with Receiver(answer(503)) as receiver:
        _, one = await sent(engine, receiver.url(), schedule=[3600])
    viewer = await sign_in("viewer", language)
    page = await viewer.get(f"/deliveries/{one['id']}")
    assert "<form" not in page.html.partition("<main")[2]
    assert json.loads(one["body"])["email"] in page.text
