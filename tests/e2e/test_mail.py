"""A rule sends a mail through a real mail server; what its reader does comes back, and each of it is told by webhook.

The mail is read as a mail reader does it: by a MIME parser, its HTML shown in a browser, a link followed with a click.
"""

import json
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser

from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import Engine, engine, until
from tests.imapserver import mailbox
from tests.postbox import Postbox, free_port, postbox
from tests.postgres import database
from tests.returned import sample

SENDER: Final = "Sklep <sklep@example.com>"
PERSON: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
"""A browser that says of itself that nobody sits before it would be taken for a machine."""

KEYS: Final = ["id", "name", "contactId", "description", "email", "phone", "company"]
TOLD: Final = ("email.sent", "email.opened", "email.clicked")
HTML: Final = """<!doctype html>
<html><head><style>p { color: #123456 }</style></head>
<body><h1>Dzień dobry, {{ contact.name }}</h1><p>Zajrzyj: <a href="%s">oferta</a>.</p>
<a href="#top">góra</a> <a href="mailto:sklep@example.com">napisz</a></body></html>
"""


def settings(box: Postbox, **more: str) -> dict[str, str]:
    return {
        "smtp_url": f"smtp://127.0.0.1:{box.port}?starttls=never",
        "mail_from": SENDER,
        "port": str(free_port()),
        **more,
    }


async def welcoming(one: Engine, url: str, **fields: Any) -> str:
    """A rule that sends a message to whom is new; gives the message's id."""
    draft = {"name": "Powitanie", "subject": "Witaj, {{ contact.name }}", "html": HTML % url, **fields}
    message = await one.post("/messages", draft, 201)
    await one.rule({"type": "contact.created"}, actions=[{"type": "sendEmail", "message": message["id"]}])
    return str(message["id"])


def html_of(letter: EmailMessage) -> str:
    part = letter.get_body(("html",))
    assert part is not None
    return str(part.get_content())


async def came(box: Postbox, n: int = 1) -> EmailMessage:
    await until(lambda: len(box.letters) >= n, "the mail comes")
    return box.letters[n - 1]


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_sent_opened_and_clicked_are_told_by_three_webhooks(tmp_path: Path, browser: Browser, store: str) -> None:
    async with database(empty=True) as url, Receiver(answer(200)) as crm, Receiver(answer(200)) as shop:
        with postbox() as box:
            more = {} if store == "sqlite" else {"database": url, "secret_key": "k" * 32}
            async with engine(tmp_path, **settings(box, **more)) as one:
                link = shop.url("/oferta?a=1&b=[2]#ceny")
                message = await welcoming(one, link.replace("&", "&amp;"))
                for kind in TOLD:
                    await one.rule(
                        {"type": kind, "messages": [message]}, crm.url(f"/{kind}"), name=kind, description="x"
                    )
                contact = await one.contact(email="jan@example.pl", name="Jan Żak", phone="600100200", company="ACME")

                letter = await came(box)
                assert (letter["To"], letter["From"], letter["Subject"]) == ("jan@example.pl", SENDER, "Witaj, Jan Żak")
                plain = letter.get_body(("plain",))
                assert plain is not None
                assert "Dzień dobry, Jan Żak" in plain.get_content()
                assert re.fullmatch(rf"<{one.url}/t/u/[\w-]+>", letter["List-Unsubscribe"])

                page = await browser.new_page(user_agent=PERSON)
                shown = tmp_path / "letter.html"
                shown.write_text(html_of(letter), encoding="utf-8")
                await page.goto(shown.as_uri())
                assert await page.locator("p").first.evaluate("it => getComputedStyle(it).color") == "rgb(18, 52, 86)"
                assert await page.locator("img").last.evaluate("it => it.complete && it.naturalWidth") == 1
                links = page.locator("a")
                assert await links.nth(1).get_attribute("href") == "#top"
                assert await links.nth(2).get_attribute("href") == "mailto:sklep@example.com"
                await links.first.click()
                await page.wait_for_url(lambda url: url == link)
                assert [request.target for request in shop.requests if "oferta" in request.target] == [
                    "/oferta?a=1&b=[2]"
                ]

                await until(lambda: len(crm.requests) == 3, "three webhooks come")
                told = {request.target[1:]: json.loads(request.body) for request in crm.requests}
                assert sorted(told) == sorted(TOLD)
                for kind, body in told.items():
                    assert list(body) == KEYS
                    values = {"name": kind, "description": "x", "contactId": contact["id"], "email": "jan@example.pl"}
                    assert body == body | values | {"phone": "600100200", "company": "ACME"}
                events = {kind: (await one.everything("/events", type=kind)) for kind in TOLD}
                assert [len(found) for found in events.values()] == [1, 1, 1]
                (opened,), (clicked,) = events["email.opened"], events["email.clicked"]
                assert (opened["data"]["first"], opened["data"]["machine"], opened["source"]) == (
                    True,
                    False,
                    "tracking",
                )
                assert clicked["data"]["url"] == link
                figures = (await one.get(f"/messages/{message}"))["figures"]
                assert (figures["sent"], figures["openedFirst"], figures["clickedFirst"]) == (1, 1, 1)
                assert await one.doctor() == []


async def test_a63_only_the_button_opts_out_and_then_no_more_is_sent(tmp_path: Path) -> None:
    with postbox() as box:
        async with engine(tmp_path, **settings(box)) as one:
            await welcoming(one, "https://shop.example/")
            contact = await one.contact(email="jan@example.pl")
            letter = await came(box)
            link = str(letter["List-Unsubscribe"]).strip("<>")
            assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
            for method in ("GET", "HEAD"):
                assert (await one.http.request(method, link)).status_code == 200
            assert await one.everything("/events", type="contact.opted_out") == []
            answer = await one.http.post(link, data={"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200
            (left,) = await one.everything("/events", type="contact.opted_out")
            assert left["contactId"] == contact["id"]
            rule = (await one.everything("/rules"))[0]
            run = await one.post(f"/rules/{rule['id']}/run", {"contactId": contact["id"]})
            found = await one.get(f"/runs/{run['runId']}")
            assert found["skipped"] == [{"pointer": "/actions/0", "why": "optedOut"}]
            assert len(box.letters) == 1


async def test_a_mail_that_comes_back_to_the_mailbox_stops_further_mail(tmp_path: Path) -> None:
    with postbox() as box, mailbox() as host:
        one = Engine(tmp_path, **settings(box, imap_url=host.url, bounce_address="bounces@example.com"))
        try:
            await one.start()
            message = await welcoming(one, "https://shop.example/")
            contact = await one.contact(email="anna@firma.example")
            await came(box)
            found = re.fullmatch(r"bounces\+([a-z0-9]+)@example\.com", box.senders[0])
            assert found
            # it reads its mailbox when it starts
            assert await one.stop() == 0
            host.put(sample("exchange", found[1]))
            await one.start()
            await until(lambda: host.count("UNSEEN") == 0, "the bounce is read")
            (bounced,) = await one.everything("/events", type="email.bounced")
            assert (bounced["contactId"], bounced["data"]["kind"]) == (contact["id"], "hard")
            figures = (await one.get(f"/messages/{message}"))["figures"]
            assert (figures["sent"], figures["bounced"], figures["delivered"]) == (1, 1, 0)
        finally:
            await one.close()


async def test_a_name_puts_no_header_into_a_mail(tmp_path: Path) -> None:
    with postbox() as box:
        async with engine(tmp_path, **settings(box)) as one:
            await welcoming(one, "https://shop.example/", subject="Hi {{ contact.details.nick }}")
            await one.contact(email="jan@example.pl", details={"nick": "x\r\nBcc: eve@example.com\r\n\r\n<b>"})
            letter = await came(box)
            assert letter["Subject"] == "Hi x Bcc: eve@example.com <b>"
            assert letter["Bcc"] is None
            assert box.to == [["jan@example.pl"]]


async def test_a_notice_reaches_a_user(tmp_path: Path) -> None:
    with postbox() as box:
        async with engine(tmp_path, **settings(box)) as one:
            user = {"email": "ola@firma.example", "role": "editor", "password": "long enough it is"}
            await one.post("/users", user, 201)
            notify = {"type": "notifyUser", "user": "owner", "subject": "{{ contact.name }}", "text": "Zadzwoń."}
            await one.rule({"type": "contact.created"}, actions=[notify])
            await one.contact(email="jan@example.pl", name="Jan", owner="ola@firma.example")
            letter = await came(box)
            assert (letter["To"], letter["Subject"], letter["List-Unsubscribe"]) == ("ola@firma.example", "Jan", None)
            assert letter.get_content().strip() == "Zadzwoń."


async def test_a65_of_five_recipients_the_third_is_refused_or_put_off_and_the_others_get_theirs_once(
    tmp_path: Path,
) -> None:
    with postbox() as box:
        async with engine(tmp_path, **settings(box)) as one:
            await welcoming(one, "https://shop.example/")
            rule = (await one.everything("/rules"))[0]
            for word, status in (("554 5.1.1 no such user", "failed"), ("451 4.7.1 later", "pending")):
                before = len(box.letters)
                people = [f"{status}{n}@example.pl" for n in range(5)]
                box.scripts[people[2]] = [word]
                for address in people:
                    await one.contact(email=address)
                await one.attempted(before + 5, ruleId=rule["id"])
                assert sorted(to for (to,) in box.to[before:]) == sorted({*people} - {people[2]})
                (left,) = await one.deliveries(status=status)
                assert left["attemptCount"] == 1
            bounced = await one.everything("/events", type="email.bounced")
            assert [event["data"]["kind"] for event in bounced] == ["hard"]


async def test_a66_a_server_that_hangs_up_after_every_fifth_mail_gets_each_once(tmp_path: Path) -> None:
    with postbox() as box:
        box.patience = 5
        async with engine(tmp_path, **settings(box)) as one:
            await welcoming(one, "https://shop.example/")
            people = [f"jan{n}@example.pl" for n in range(23)]
            for address in people:
                await one.contact(email=address)
            await one.settled(23)
            assert sorted(to for (to,) in box.to) == sorted(people)
            assert {one["status"] for one in await one.everything("/deliveries")} == {"delivered"}


async def test_a59_links_start_with_the_public_url_whatever_a_request_says(tmp_path: Path) -> None:
    with postbox() as box:
        async with engine(tmp_path, **settings(box, public_url="https://goniec.example")) as one:
            await welcoming(one, "https://shop.example/")
            odd = {"host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http"}
            made = await one.http.post("/contacts", json={"email": "jan@example.pl"}, headers=odd)
            assert made.status_code == 201
            letter = await came(box)
            found = re.findall(r'(?:href|src)="(https?://[^/"]+)', html_of(letter))
            assert len(found) == len(("link", "pixel", "opt-out"))
            assert set(found) == {"https://goniec.example"}
            assert str(letter["List-Unsubscribe"]).startswith("<https://goniec.example/t/u/")
