"""Mail in the panel: its settings, the server as an endpoint, and a mail that was sent."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser

from goniec.core.endpoint import MAIL
from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import Engine, engine, until
from tests.e2e.panel.browser import visitor
from tests.e2e.panel.client import SignIn, make_user, people
from tests.e2e.panel.looks import ALA
from tests.postbox import Postbox, free_port, postbox

PASSWORD: Final = "s3cret-of-the-server"
MESSAGE: Final = {
    "name": "Powitanie",
    "subject": "Dzień dobry, {{ contact.name }}",
    "html": '<p id="said">Witaj</p><img src="%s"><a href="https://sklep.example/oferta">oferta</a>',
}


@pytest.fixture
def box() -> Iterator[Postbox]:
    with postbox() as found:
        yield found


@pytest.fixture
async def mailing(tmp_path: Path, box: Postbox) -> AsyncIterator[Engine]:
    """A Goniec that has all that there is for mail."""
    async with engine(
        tmp_path,
        port=str(free_port()),
        smtp_url=f"smtp://127.0.0.1:{box.port}?starttls=never",
        mail_from="Sklep <sklep@sklep.example>",
        bounce_address="zwroty@sklep.example",
        imap_url=f"imap://zwroty:{PASSWORD}@127.0.0.1:9/INBOX?starttls=never",
    ) as one:
        yield one


async def sent(one: Engine, box: Postbox, picture: str = "https://sklep.example/logo.png") -> str:
    """A mail that its server took; gives its delivery."""
    message = await one.post("/messages", {**MESSAGE, "html": MESSAGE["html"] % picture}, 201)
    await one.rule({"type": "contact.created"}, actions=[{"type": "sendEmail", "message": message["id"]}])
    await one.contact(email="jan@example.pl", name="Jan Żak")
    await until(lambda: bool(box.letters), "the mail comes")
    await one.quiet()
    (delivery,) = (await one.get("/deliveries", endpointId=MAIL))["items"]
    return str(delivery["id"])


async def test_limits_on_mail_are_set_and_taken_away(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("admin", "pl")
    page = await ala.get("/settings/mail")
    given = {"quietHours/from": "21:00", "quietHours/until": "08:00", "perDay": "2"}
    saved = await ala.send("/settings/mail", given, page=page)
    page = await ala.follow(saved)
    assert "Zapisano limity poczty." in page.text
    assert await engine.get("/mail/limits") == {"quietHours": {"from": "21:00", "until": "08:00"}, "perDay": 2}
    assert {name: page.fields[name] for name in given} == {name: [value] for name, value in given.items()}
    wrong = await ala.send("/settings/mail", {"quietHours/until": "", "perDay": "1001"}, page=page)
    assert (wrong.status, set(wrong.problems)) == (422, {"quietHours/until", "perDay"})
    assert "Wpisz godzinę, np. 21:00." in wrong.text
    await ala.send("/settings/mail", dict.fromkeys(given, ""), page=page)
    assert await engine.get("/mail/limits") == {"quietHours": None, "perDay": None}


async def test_the_settings_say_what_is_set_and_no_password(mailing: Engine, box: Postbox) -> None:
    async with people(mailing) as sign_in:
        ala = await sign_in("admin")
        page = await ala.get("/settings/mail")
        for said in (f"127.0.0.1:{box.port}, not encrypted", "127.0.0.1:9", "zwroty+…@sklep.example", mailing.url):
            assert said in page.text
        assert PASSWORD not in page.html
        assert "Readers cannot reach this address" in page.text


async def test_what_is_not_set_comes_with_what_to_do(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    page = await ala.get("/settings/mail")
    assert page.text.count("not set") == 4
    for name in (
        "GONIEC_SMTP_URL",
        "GONIEC_MAIL_FROM",
        "GONIEC_PUBLIC_URL",
        "GONIEC_BOUNCE_ADDRESS",
        "GONIEC_IMAP_URL",
    ):
        assert name in page.text


async def test_the_mail_server_is_an_endpoint_without_what_only_webhooks_have(mailing: Engine, box: Postbox) -> None:
    await sent(mailing, box)
    async with people(mailing) as sign_in:
        ala = await sign_in("admin")
        path = f"/endpoints/{MAIL}"
        page = await ala.get(path)
        for said in (
            "Mail server",
            f"127.0.0.1:{box.port}",
            "Sklep <sklep@sklep.example>",
            "1 rule",
            "Connections at a time",
        ):
            assert said in page.text
        for never in ("Signing secret", "Custom headers", "OAuth2", "Delete", "Basic authorization", "mail:", "Erased"):
            assert never not in page.text
        form = await ala.get(f"{path}/edit")
        assert not {"url", "caBundle", "header", "tellErasure"} & set(form.fields)
        saved = await ala.send(f"{path}/edit", {"rate": "30", "concurrency": "2", "do": "save"}, page=form)
        shown = (await ala.follow(saved)).text
        assert "Endpoint saved: Mail server." in shown
        assert "at most 30 messages a minute" in shown
        assert (await mailing.get(f"/endpoints/{MAIL}"))["rate"] == 0.5
        again = await ala.get(f"{path}/edit")
        assert again.fields["rate"] == ["30"]
        wrong = await ala.send(f"{path}/edit", {"rate": "0", "do": "save"}, page=again)
        assert "Enter a number of messages a minute" in wrong.text
        late = await ala.send(f"{path}/edit", {"rate": "60", "do": "save"}, page=form)
        assert late.status == 412
        assert "Messages a minute 30 60" in late.text
        assert "Address" not in late.text


async def test_pages_that_only_webhooks_have_are_none_of_the_mail_server_s(mailing: Engine, box: Postbox) -> None:
    await sent(mailing, box)
    async with people(mailing) as sign_in:
        ala = await sign_in("admin")
        path = f"/endpoints/{MAIL}"
        for part in ("password", "secret", "oauth2", "certificate", "delete"):
            assert (await ala.get(f"{path}/{part}")).status == 404, part
            assert (await ala.send(f"{path}/{part}", {})).status == 404, part
        assert "Paused by hand." in (await ala.follow(await ala.send(f"{path}/pause"))).text


async def test_mail_that_waits_for_the_end_of_quiet_hours_is_due_then(mailing: Engine) -> None:
    message = await mailing.post("/messages", {**MESSAGE, "html": "<p>Witaj</p>"}, 201)
    quiet = {"mail": {"quietHours": {"from": "00:00", "until": "23:59"}}}
    sends = [{"type": "sendEmail", "message": message["id"]}]
    await mailing.rule({"type": "contact.created"}, actions=sends, **quiet)
    await mailing.contact(email="jan@example.pl", timezone=_at_noon())
    async with people(mailing) as sign_in:
        page = await (await sign_in("admin")).get(f"/endpoints/{MAIL}")
        assert "1 delivery waits for its turn. It is due in " in page.text


def _at_noon() -> str:
    """A zone in which it is around noon, so that no quiet hours end just now."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+}"


async def test_a_mail_is_shown_as_its_reader_has_it(mailing: Engine, box: Postbox) -> None:
    id = await sent(mailing, box)
    (letter,) = box.letters
    plain = letter.get_body(("plain",))
    assert plain is not None
    async with people(mailing) as sign_in:
        ala, jan = await sign_in("editor"), await sign_in("viewer")
        page = await ala.get(f"/deliveries/{id}")
        for name in ("From", "To", "Subject"):
            assert f"{name} {letter[name]}" in page.text
        for name in ("Message-ID", "Date", "Content-Language", "List-Unsubscribe-Post"):
            assert f"{name}: {letter[name]}" in page.text
        assert f"Return-Path: <{box.senders[0]}>" in page.text
        assert " ".join(plain.get_content().split()[:3]) in page.text
        assert "Message sent" in page.text
        token = box.senders[0].partition("+")[2].partition("@")[0]
        assert token in page.text
        assert token not in (await jan.get(f"/deliveries/{id}")).html
        (contact,) = (await mailing.get("/contacts"))["items"]
        await mailing.ask("DELETE", f"/contacts/{contact['id']}", 204)
        assert "The message was erased together with the contact's data." in (await ala.get(f"/deliveries/{id}")).text
        shown = page.html.replace("/t/u/...", "").replace("/t/u/…", "")
        assert not [way for way in ("/t/o/", "/t/c/", "/t/u/") if way in shown]


async def test_looking_at_a_mail_is_no_opening(mailing: Engine, box: Postbox, browser: Browser) -> None:
    await make_user(mailing, ALA, "admin")
    async with Receiver(answer(200)) as shop, visitor(browser, mailing.url) as ala:
        id = await sent(mailing, box, shop.url("/logo.png"))
        await ala.sign_in(ALA)
        await ala.go(f"/deliveries/{id}")
        said = ala.page.frame_locator("iframe.mframe")
        assert await said.locator("#said").inner_text() == "Witaj"
        await said.locator("a").first.click()
        assert await said.locator("#said").inner_text() == "Witaj"
        assert await said.locator("img").evaluate("one => one.complete && !one.naturalWidth")
        assert shop.requests == []
        await ala.page.get_by_role("link", name="Pokaż obrazki").click()
        await until(lambda: bool(shop.requests), "the picture is asked for")
        assert [request.target for request in shop.requests] == ["/logo.png"]
        told = [one for one in ala.complaints if "Content Security Policy" not in one and "new window" not in one]
        assert told == []
        ala.complaints.clear()
    assert (await mailing.get("/events", type="email.opened"))["items"] == []
