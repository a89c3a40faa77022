"""A Goniec with life in it: contacts that behave, rules that fire, receivers that answer and one that does not.

For tests that look at pages, and for the screenshots of the documents.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from goniec.core.endpoint import MAIL
from tests.e2e.engine import NO_TLS, Engine, eventually
from tests.postbox import Postbox

PEOPLE: Final = (
    ("Anna Wiśniewska", "anna.wisniewska@zlotyklos.example", "Piekarnia Złoty Kłos", "+48 501 234 567"),
    ("Marek Lis", "m.lis@serwislis.example", "Serwis Lis", "+48 600 100 201"),
    ("Łukasz Żółtowski", "lukasz@zoltowski-meble.example", "Żółtowski Meble", None),
    ("Piotr Kamiński", "p.kaminski@transbud.example", "Transbud", "+48 600 100 203"),
    ("Katarzyna Zielińska", "kasia@pracowniazielinska.example", "Pracownia Zielińska", None),
    ("Tomasz Wójcik", "t.wojcik@poczta.example", None, "+48 600 100 205"),
    ("Magdalena Kowalczyk", "magda@kowalczykdesign.example", "Kowalczyk Design", None),
    ("Michał Dąbrowski", "biuro@dabrowskimeble.example", "Dąbrowski Meble", "+48 600 100 207"),
    ("Agnieszka Szymańska", "agnieszka@aptekapodlipa.example", "Apteka pod Lipą", None),
    ("Olena Kovalenko", "olena@kovalenkostudio.example", "Kovalenko Studio", "+380 44 123 45 67"),
    ("Joanna Kozłowska", None, None, "+48 509 771 230"),
    ("Krzysztof Jankowski", "krzysztof@agrojan.example", "Agrojan", None),
)

CRM: Final = "inbox:crm"
SALES: Final = "inbox:sprzedaz"
DEAD: Final = "http://127.0.0.1:9/powiadomienia"
OLD: Final = "http://127.0.0.1:7/stary-crm"
"""No rule sends there any more."""

MESSAGE: Final = {
    "name": "Powitanie",
    "subject": "Dzień dobry, {{ contact.name }}",
    "html": "<!doctype html><html><head><style>p { color: #333; font-family: sans-serif; }</style></head>"
    '<body><p>Dzień dobry, {{ contact.name }}.</p><p><a href="https://sklep.example/oferta">Nasza oferta</a></p></body></html>',
    "from": "Sklep <sklep@sklep.example>",
}
"""What greets whoever is new; its rule is off."""


def rules() -> list[dict[str, Any]]:
    """The rules, as `POST /rules` takes them."""
    basic = {"username": "goniec", "password": "tajne"}
    score = {"type": "score", "op": "gte", "value": 100}
    return [
        rule(
            "Nowy kontakt → CRM",
            "CRM",
            {"type": "contact.created"},
            hook(CRM, basic),
            description="załóż kartę klienta w CRM",
        ),
        rule(
            "Nowy klient VIP → CRM",
            "CRM",
            {"type": "contact.tagged", "tags": ["VIP"]},
            hook(CRM, basic),
            {"type": "addTag", "tag": "WYSLANE_DO_CRM"},
            description="nowy VIP: przypisz opiekuna",
            conditions={
                "type": "all",
                "of": [
                    score,
                    {
                        "type": "any",
                        "of": [{"type": "state", "op": "in", "value": ["CUSTOMER", "PARTNER"]}, {"type": "hasPhone"}],
                    },
                ],
            },
        ),
        rule(
            "Zmiana etapu w lejku → zespół",
            "Sprzedaż",
            {"type": "contact.stage_entered", "funnel": "Sprzedaż"},
            hook(DEAD),
            {"type": "addScore", "points": 20},
            description="powiadom zespół",
        ),
        rule(
            "Scoring 100 → telefon od handlowca",
            "Sprzedaż",
            {"type": "contact.score_changed", "value": 100},
            hook(SALES),
        ),
        rule(
            "Zakup → punkty",
            "Sklep",
            {"type": "external_event.added", "kinds": ["PURCHASE"]},
            {"type": "addScore", "points": 50},
            {"type": "setState", "state": "CUSTOMER"},
        ),
        rule(
            "Wizyta w cenniku → punkty",
            "Sklep",
            {"type": "page.visited", "urls": ["**/cennik**"]},
            {"type": "addScore", "points": 5},
        ),
        rule("Brak aktywności 60 dni", "", {"type": "contact.inactive", "days": 60}, hook(CRM, basic), active=False),
    ]


def rule(name: str, group: str, trigger: dict[str, Any], *actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "group": group, "active": True, "triggers": [trigger], "actions": list(actions)} | more


def hook(url: str, auth: dict[str, str] | None = None) -> dict[str, Any]:
    return {"type": "webhook", "url": url} | ({"basicAuth": auth} if auth else {})


PERSON: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
"""A browser that says of itself that nobody sits before it would be taken for a machine."""

SLOW_CLOCK: Final = """
import time
from pathlib import Path
now, behind = time.time_ns, Path("behind")
time.time_ns = lambda: now() - int(behind.read_text()) * 3_600 * 10**9
"""
"""A machine whose clock goes as many hours behind as a file in its folder says."""


@asynccontextmanager
async def a_day_ago(folder: Path, **settings: str) -> AsyncIterator[Engine]:
    """A Goniec that believes it to be yesterday, for `enliven` with `day=True`, which leads it through the day."""
    one = Engine(folder, **settings)
    one.machine = SLOW_CLOCK
    _behind(one, 24)
    try:
        await one.start()
        yield one
        assert await one.stop() == 0
    finally:
        await one.close()


def _behind(engine: Engine, hours: int) -> None:
    new = engine.folder / "behind.new"
    new.write_text(str(hours))
    new.replace(engine.folder / "behind")


async def enliven(engine: Engine, *, day: bool = False, box: Postbox | None = None) -> dict[str, str]:
    """Let things happen, over a day or at once, and give the ids of what the pages are about.

    With a mail server (`box`), who is new is greeted, and Anna reads her mail.
    """
    await engine.post("/funnels", {"name": "Sprzedaż", "stages": ["Nowa", "Negocjacje", "Wygrana"]}, 201)
    made = [await engine.post("/rules", one, 201) for one in rules()]
    spare = await engine.post(
        "/rules", rule("Stary CRM", "", {"type": "contact.created"}, hook(OLD), active=False), 201
    )
    await engine.ask("DELETE", f"/rules/{spare['id']}", 204)
    message = await engine.post("/messages", MESSAGE, 201)
    unused = await engine.post("/messages", {"name": "Przypomnienie", "subject": "Koszyk czeka", "text": "Wróć."}, 201)
    notice = {"type": "notifyUser", "user": "owner", "subject": "Nowy: {{ contact.name }}", "text": "Zadzwoń."}
    mailing = {"type": "sendEmail", "message": message["id"]}
    greeting = rule("Powitanie", "", {"type": "contact.created"}, mailing, notice, active=box is not None)
    greeting = await engine.post("/rules", greeting, 201)
    key = await engine.post("/keys", {"name": "sklep", "scope": "ingest"}, 201)
    ids: list[str] = []
    for n, (name, email, company, phone) in enumerate(PEOPLE):
        if day:
            await _later(engine, 24 - 2 * n)
        contact = {"name": name, "email": email, "company": company, "phone": phone, "tags": ["NEWSLETTER"]}
        ids.append((await engine.post("/contacts", {key: value for key, value in contact.items() if value}, 201))["id"])
        await _visits(engine, ids[-1], n)
        if day:
            await _later(engine, 23 - 2 * n)
            for guest in ids[: n * 5 % 7]:
                await _visits(engine, guest, n + 2)
    if day:
        await _later(engine, 0)
    anna = ids[0]
    await engine.post(f"/contacts/{anna}/tags", {"add": ["VIP", "HURT"]})
    await engine.post(f"/contacts/{anna}/details", {"details": {"branża": "piekarnia", "rabat": 7.5, "faktura": True}})
    await engine.post(f"/contacts/{anna}/notes", {"text": "Oddzwonić w piątek po 14."})
    await engine.post(f"/contacts/{anna}/consents", {"consents": {"newsletter": True, "telefon": False}})
    for id in ids[1:5]:
        await engine.post(f"/contacts/{id}/stage", {"funnel": "Sprzedaż", "stage": "Negocjacje"})

    async def settled() -> bool:
        pending = (await engine.get("/deliveries", status="pending", limit=1000))["items"]
        return all(one["attemptCount"] for one in pending)

    await eventually(settled, "every delivery was tried")
    mail = await _mailed(engine, anna, message["id"], box)
    endpoint = (await engine.get("/deliveries", status="pending"))["items"][0]["endpointId"]
    again = {"since": "2020-01-01T00:00:00Z", "status": "cancelled"}
    job = await engine.post(f"/endpoints/{endpoint}/resend", again, 202)
    (event, *_) = (await engine.get("/events", contactId=anna, limit=1))["items"]
    failing = (await engine.get("/deliveries", status="pending"))["items"]
    delivered = (await engine.get("/deliveries", status="delivered"))["items"]
    return {
        "contact": anna,
        "rule": made[1]["id"],
        "stage_rule": made[2]["id"],
        "delivered": delivered[0]["id"],
        "pending": failing[0]["id"],
        "endpoint": failing[0]["endpointId"],
        "spare": spare["actions"][0]["endpointId"],
        "event": event["id"],
        "job": job["id"],
        "key": key["id"],
        "message": message["id"],
        "unused": unused["id"],
        "greeting": greeting["id"],
        "mail": mail,
        "server": MAIL,
    }


async def _mailed(engine: Engine, contact: str, message: str, box: Postbox | None) -> str:
    """A delivery that is a mail: one that was read, or a test that found no mail server."""
    if box is None:
        sent = await engine.post(f"/messages/{message}/testSend", {"to": "ola@example.com"})
        return str(sent["deliveryId"])
    address = PEOPLE[0][1]
    (letter,) = [one for one in box.letters if one["To"] == address]
    html = letter.get_body(("html",))
    assert html is not None
    for way in ("o", "c"):
        found = re.search(rf"/t/{way}/[\w.-]+", html.get_content())
        assert found is not None
        async with httpx.AsyncClient(verify=NO_TLS, headers={"user-agent": PERSON}) as reader:
            await reader.get(engine.url + found[0])

    async def clicked() -> bool:
        return bool((await engine.get("/events", contactId=contact, type="email.clicked"))["items"])

    await eventually(clicked, "the click is recorded")
    found_ones = await engine.everything("/deliveries", contactId=contact, endpointId=MAIL)
    return str(found_ones[0]["id"])


async def _later(engine: Engine, hours_behind: int) -> None:
    """Let time pass, once everything has arrived: what is on its way would take hours."""
    await engine.quiet()
    _behind(engine, hours_behind)


async def _visits(engine: Engine, id: str, n: int) -> None:
    url = f"https://sklep.example/{('cennik', 'koszyk', 'oferta')[n % 3]}"
    happened = [{"type": "page.visited", "contact": {"id": id}, "data": {"url": url}} for _ in range(n % 4 + 1)]
    if n % 2 == 0:
        data = {"kind": "PURCHASE", "value": 120 + n * 33.5, "products": [f"SKU-{n}"], "description": "Zamówienie"}
        happened += [{"type": "external_event.added", "contact": {"id": id}, "data": data}] * 2
    await engine.post("/events", {"events": happened}, 202)
