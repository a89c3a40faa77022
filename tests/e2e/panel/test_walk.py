"""The walk of the reference page in a real browser, in both languages: from nothing to a webhook, and what comes after."""

import re
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import Engine, eventually, until
from tests.e2e.panel.browser import Visitor, visitor
from tests.e2e.panel.client import PASSWORD, make_user

WORDS: Final = {
    "pl": {
        "create": "Utwórz konto",
        "new": "Dodaj nową regułę",
        "save": "Zapisz zmiany",
        "test": "Zapisz i wyślij test",
        "took": "Odbiorca przyjął wiadomość",
        "delivered": "Dostarczona",
        "saved": "Zapisano regułę",
        "answer": "Odpowiedź",
        "now": "Wyślij teraz",
        "again": "Wyślij ponownie",
        "template": "Segment dodany do kontaktu",
        "why": "Dlaczego reguła nie zadziałała?",
        "check": "Sprawdź",
        "out": "Wyloguj",
        "enter": "Zaloguj się",
    },
    "en": {
        "create": "Create the account",
        "new": "Add new rule",
        "save": "Save changes",
        "test": "Save and send test",
        "took": "The receiver accepted the message",
        "delivered": "Delivered",
        "saved": "Rule saved",
        "answer": "Response",
        "now": "Send now",
        "again": "Resend",
        "template": "Segment added to a contact",
        "why": "Why did the rule not fire?",
        "check": "Check",
        "out": "Sign out",
        "enter": "Sign in",
    },
}


@pytest.mark.parametrize("language", ["pl", "en"])
async def test_from_nothing_to_the_first_webhook(engine: Engine, browser: Browser, language: str) -> None:
    words = WORDS[language]
    async with visitor(browser, engine.url, language=language) as ala:
        page = ala.page
        await ala.go("/")
        await page.fill("[name=email]", "ala@example.com")
        await page.fill("[name=password]", PASSWORD)
        await page.click(f"button:has-text('{words['create']}')")
        await page.wait_for_url("**/welcome")

        # the reference path: automation rules, a new rule, the event, the action, [1] endpoint, [2] basic authorization
        await ala.go("/")
        await page.click("nav.side a[href='/rules']")
        await page.click(f"a:has-text('{words['new']}') >> nth=0")
        await page.select_option("[name='triggers/0/type']", "contact.tagged")
        tags = page.locator("[name='triggers/0/tags']:not([type=hidden])")
        await tags.fill("VIP")
        await tags.press("Enter")
        await expect(page.locator(".tok .tag")).to_have_text(re.compile("VIP"))
        await page.fill("[name='actions/0/url']", "inbox:crm")
        await page.check("[name='actions/0/auth']")
        await page.fill("[name='actions/0/username']", "goniec")
        await page.fill("[name='actions/0/password']", "tajne")
        await page.fill("#name", "VIP → CRM")
        await expect(page.locator("#preview-body")).to_contain_text("VIP → CRM")

        # test send, then on
        await page.click(f"button:has-text('{words['test']}')")
        await expect(page.locator("#tested")).to_contain_text(words["took"])
        await page.check("[name=active]")
        await page.click("button[data-save]")
        await expect(page.locator("#toasts")).to_contain_text(words["saved"])

        # a real event by API, and its delivery in the mailbox
        await engine.post("/contacts", {"email": "jan@example.pl", "name": "Jan Próbny", "tags": ["VIP"]}, 201)
        await eventually(lambda: has(engine, "delivered", 2), "the webhook is delivered")
        await page.click("nav.side a[href='/deliveries']")
        row = page.locator("tbody tr", has_text="Jan Próbny")
        await expect(row).to_contain_text(words["delivered"])
        await row.locator("a").first.click()
        await expect(page.locator("main")).to_contain_text("jan@example.pl")
        await expect(page.locator("main")).not_to_contain_text("tajne")

        # out, and in again, to where one was
        there = page.url
        await page.click("nav.side a.me")
        await page.click(f"form[action='/logout'] button:has-text('{words['out']}')")
        await expect(page.locator("h1")).to_have_text(words["enter"])
        await page.goto(there)
        await expect(page.locator("main")).not_to_contain_text("jan@example.pl")
        await page.fill("[name=email]", "ala@example.com")
        await page.fill("[name=password]", PASSWORD)
        await page.click(f"button:text-is('{words['enter']}')")
        await expect(page.locator("main")).to_contain_text("jan@example.pl")
        assert page.url == there


@pytest.mark.parametrize("language", ["pl", "en"])
async def test_a_template_becomes_a_rule(engine: Engine, browser: Browser, language: str) -> None:
    async with signed_in(engine, browser, language) as ala:
        page = ala.page
        await ala.go("/rules")
        await page.click(f".tpl:has-text('{WORDS[language]['template']}')")
        await page.fill("[name='actions/0/url']", "inbox:")
        await page.click("button[data-save]")
        await expect(page.locator("h1")).to_have_text(WORDS[language]["template"])
        (rule,) = (await engine.get("/rules"))["items"]
        assert rule["triggers"] == [{"type": "contact.tagged", "tags": ["VIP"]}]


@pytest.mark.parametrize("language", ["pl", "en"])
async def test_why_a_rule_did_not_fire(engine: Engine, browser: Browser, language: str) -> None:
    words = WORDS[language]
    conditions = {"type": "all", "of": [{"type": "score", "op": "gte", "value": 100}]}
    await engine.rule({"type": "contact.created"}, "inbox:", name="Wszyscy")
    rule = await engine.rule(
        {"type": "contact.tagged", "tags": ["VIP"]}, "inbox:", name="Sto punktów", conditions=conditions
    )
    contact = await engine.post("/contacts", {"email": "jan@example.pl", "tags": ["VIP"]}, 201)
    async with signed_in(engine, browser, language) as ala:
        page = ala.page
        await ala.go(f"/contacts/{contact['id']}")
        await page.select_option("form[action$='/why'] select", label="Sto punktów")
        await page.click(f"form[action$='/why'] button:has-text('{words['check']}')")
        await page.wait_for_url(f"**/contacts/{contact['id']}/why?rule={rule['id']}")
        await expect(page.locator("h1")).to_have_text(words["why"])
        unmet = page.locator("ol.why li.n").first
        await expect(unmet).to_contain_text("100")
        await expect(unmet.locator("small b")).to_have_text("0")


@pytest.mark.parametrize("language", ["pl", "en"])
async def test_a_delivery_is_sent_again_after_an_outage(engine: Engine, browser: Browser, language: str) -> None:
    """By itself it would be tried again in an hour; and what has arrived goes again when a person asks, and says so."""
    words = WORDS[language]
    async with Receiver([answer(503), answer(200)]) as receiver, signed_in(engine, browser, language) as ala:
        page = ala.page
        rule = await engine.rule({"type": "contact.created"}, receiver.url())
        await engine.endpoint(rule, schedule=[3600])
        await engine.post("/contacts", {"email": "jan@example.pl", "name": "Jan Próbny"}, 201)
        await eventually(lambda: tried(engine), "the first attempt is made")
        await ala.go("/deliveries")
        row = page.locator("tbody tr", has_text="Jan Próbny")
        await expect(row).to_contain_text("503")
        await row.locator("a").first.click()
        await page.click(f"button:has-text('{words['now']}')")
        await expect(page.locator("main")).to_contain_text(words["delivered"])
        await page.click(f"button:has-text('{words['again']}')")
        await until(lambda: len(receiver.requests) > 2, "it is sent once more")
    assert [one.header("goniec-resend") for one in receiver.requests] == [None, None, "true"]


@pytest.mark.parametrize("language", ["pl", "en"])
async def test_a_viewer_looks_and_changes_nothing(engine: Engine, browser: Browser, language: str) -> None:
    rule = await engine.rule({"type": "contact.created"}, "inbox:")
    async with signed_in(engine, browser, language, role="viewer") as jan:
        page = jan.page
        await jan.go(f"/rules/{rule['id']}")
        await expect(page.locator("button[data-save]")).to_have_count(0)
        await expect(page.locator("[name=active]")).to_be_disabled()
        await jan.go("/rules")
        await expect(page.locator("a[data-new]")).to_have_count(0)
        jan.expected.add(403)
        await jan.go("/keys")
        await expect(page.locator("main")).to_contain_text({"pl": "Brak dostępu", "en": "not allowed"}[language])


async def has(engine: Engine, status: str, count: int) -> bool:
    return len((await engine.get("/deliveries", status=status))["items"]) >= count


async def tried(engine: Engine) -> bool:
    found = (await engine.get("/deliveries"))["items"]
    return bool(found) and found[0]["attemptCount"] > 0


def signed_in(engine: Engine, browser: Browser, language: str, role: str = "editor") -> "SignedIn":
    return SignedIn(engine, browser, language, role)


class SignedIn:
    """A visitor who is in."""

    def __init__(self, engine: Engine, browser: Browser, language: str, role: str) -> None:
        self._engine = engine
        self._role = role
        self._visitor = visitor(browser, engine.url, language=language)

    async def __aenter__(self) -> Visitor:
        await make_user(self._engine, f"{self._role}@example.com", self._role)  # type: ignore[arg-type] # one of the roles
        somebody = await self._visitor.__aenter__()
        await somebody.sign_in(f"{self._role}@example.com")
        return somebody

    async def __aexit__(self, *error: object) -> None:
        await self._visitor.__aexit__(*error)  # type: ignore[arg-type] # the three of a context manager


async def test_a_browser_sends_back_a_rule_as_it_was_given(engine: Engine, browser: Browser) -> None:
    """A form that differed by the browser's own ways of writing could not be tested before it is saved anew."""
    rule = await engine.rule(
        {"type": "contact.tagged", "tags": ["VIP"]},
        "inbox:",
        name="Rich",
        description=" two lines\n\nand  spaces ",
        group="CRM",
        maxRuns=3,
        minInterval="P1DT2H",
        maxAge="PT90S",
        validFrom="2026-01-01T00:00:00Z",
        validTo="2027-01-01T10:20:30Z",
        conditions={"type": "all", "of": [{"type": "score", "op": "gte", "value": 100}]},
    )
    async with signed_in(engine, browser, "en") as ala:
        await ala.go(f"/rules/{rule['id']}")
        await ala.page.click("[data-test]")
        await expect(ala.page.locator("#tested")).to_contain_text("200 OK")
