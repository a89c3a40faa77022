"""Every page as a browser has it: readable by everybody, as wide as its window, light, and without a complaint.

Forms too, as they come back with what is wrong; menus, when they are open; and what is shown only once.

`make screenshots` runs the same and writes what was seen into `docs/screenshots`.
"""

import os
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Response

from tests.conftest import REPO
from tests.e2e.engine import Engine
from tests.e2e.panel.browser import PHONE, WIDE, Theme, Visitor, visitor
from tests.e2e.panel.client import PASSWORD, SignIn, make_user
from tests.e2e.panel.life import DEAD, a_day_ago, hook, rule
from tests.e2e.panel.looks import (
    ALA,
    JAN,
    MISSING,
    NEVER_BACK,
    NO_PAGES,
    PAGES,
    REFUSED,
    REFUSED_AT_THE_DOOR,
    SHOWN,
    SHOWN_ONCE,
    STRANGERS,
    Refused,
    inhabited,
    unnamed,
)
from tests.postbox import Postbox, free_port, postbox

SHOTS: Final = REPO / "docs/screenshots"
WANTED: Final = os.environ.get("SCREENSHOTS") == "1"

SERIOUS: Final = {"serious", "critical"}
FIRST_VISIT: Final = 300 * 1024
"""Bytes on the wire with everything that a page wants, to who was never here."""
LATER: Final = 16 * 1024
"""Bytes on the wire of a page to who was here before."""
UNPACKED: Final = 120 * 1024
"""Bytes of a page for a browser that has to build it, however full its list."""

VIEWS: Final[dict[str, dict[str, Any]]] = {
    "wide": {"size": WIDE, "theme": "light", "language": "pl"},
    "phone-dark": {"size": PHONE, "theme": "dark", "language": "en"},
    "phone": {"size": PHONE, "theme": "light", "language": "pl"},
}
THOROUGH: Final = ("wide", "phone-dark")
"""These have both sizes, themes and languages between them; in others it is the width alone that is looked at."""
if WANTED:
    VIEWS["wide-dark"] = {"size": WIDE, "theme": "dark", "language": "en"}

MENUS: Final = "details.menu > summary:visible"
SEND: Final = """([action, fields]) => {
  const names = Object.keys(fields).filter((name) => name !== "do");
  const form = [...document.forms].find((one) => one.method === "post" && new URL(one.action).pathname === action
    && names.every((name) => name in one.elements));
  for (const name of names) {
    const field = form.elements[name];
    if (field.type === "checkbox") field.checked = true; else field.value = fields[name];
  }
  form.noValidate = true;
  form.requestSubmit("do" in fields ? form.querySelector(`button[name=do][value=${fields.do}]`) : null);
}"""
"""Fills in a form and sends it, though the browser could tell that something is wrong."""


def test_every_page_and_every_form_is_looked_at() -> None:
    assert unnamed("GET", *PAGES.values(), *STRANGERS.values(), *NO_PAGES) == set()
    forms = (one.action for one in (*REFUSED.values(), *REFUSED_AT_THE_DOOR.values()))
    assert unnamed("POST", *forms, *NEVER_BACK) == set()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_every_page(tmp_path: Path, browser: Browser) -> None:
    with postbox() as box:
        await look_at_all(tmp_path, browser, box)


async def look_at_all(folder: Path, browser: Browser, box: Postbox) -> None:
    mail = {
        "smtp_url": f"smtp://127.0.0.1:{box.port}?starttls=never",
        "mail_from": "Sklep <sklep@sklep.example>",
        "port": str(free_port()),
    }
    async with a_day_ago(folder, **mail) as engine:
        ids = await inhabited(engine, day=True, box=box)
        found: list[str] = []
        for view, how in VIEWS.items():
            async with visitor(browser, engine.url, **how) as ala:
                eyes = Eyes(ala, ids, view, found)
                await eyes.open("sign-in", STRANGERS["sign-in"])
                if view in THOROUGH:
                    await eyes.send("sign-in", REFUSED_AT_THE_DOOR["sign-in"])
                await ala.sign_in(ALA)
                for name, path in PAGES.items():
                    await eyes.open(name, path)
                if view in THOROUGH:
                    for name, one in {**REFUSED, **(SHOWN_ONCE if view == "wide" else {})}.items():
                        await eyes.send(f"{name} refused" if one.status >= 400 else name, one)
                    await another_session(eyes)
        assert not found, "\n".join(found)


async def another_session(eyes: "Eyes") -> None:
    """A form is sent with what an earlier session had in it, and one whose session is over; its user may only look."""
    form = {"email": "ola@example.com", "name": "Ola", "role": "viewer"}
    await eyes.send(
        "form of an earlier session",
        Refused(page="user-new", action="/users/new", fields=form | {"_csrf": "0" * 32}, status=403),
    )
    page = eyes.ala.page
    await eyes.ala.go("/users/new")
    await eyes.ala.context.clear_cookies(name="goniec_session")
    await eyes.fill("session is over", Refused(page="user-new", action="/users/new", fields=form, status=401))
    await page.fill("[name=email]", JAN)
    await page.fill("[name=password]", PASSWORD)
    await page.click("button.pri")
    await page.wait_for_load_state()
    await eyes.look("signed in again")
    await eyes.open("forbidden", "/keys", 403)


class Eyes:
    """Somebody who looks at pages, and notes all that is wrong with them."""

    def __init__(self, ala: Visitor, ids: dict[str, str], view: str, found: list[str]) -> None:
        self.ala = ala
        self._ids = ids
        self._view = view
        self._thorough = view not in VIEWS or view in THOROUGH
        self._found = found

    async def open(self, name: str, path: str, status: int | None = None) -> None:
        """Look at a page."""
        expected = status or (404 if name in MISSING else 200)
        self.ala.expected.add(expected)
        answer = await self.ala.page.goto(self.ala.url + path.format(**self._ids))
        self._answered(name, answer, expected)
        if name == "rule-test":
            await self.ala.page.wait_for_selector("#tested pre")
        await self.look(name)

    async def send(self, name: str, one: Refused) -> None:
        """Fill in a form, and look at what comes back."""
        path = PAGES.get(one.page) or STRANGERS[one.page]
        await self.ala.go(path.format(**self._ids))
        await self.fill(name, one)

    async def fill(self, name: str, one: Refused) -> None:
        """Fill in the form of this page, and look at what comes back."""
        self.ala.expected.add(one.status)
        async with self.ala.page.expect_navigation() as gone:
            await self.ala.page.evaluate(SEND, [one.action.format(**self._ids), one.fields])
        self._answered(name, await gone.value, one.status)
        if one.status == 422 and not await self.ala.page.locator("main .err:visible, main .ban:visible").count():
            self._note(name, "does not show what is wrong")
        await self.look(name)

    async def look(self, name: str) -> None:
        """Look at what is open, and at its menus."""
        page = self.ala.page
        await page.evaluate("document.fonts.ready")
        if await self.ala.scrolls_sideways():
            self._note(name, "scrolls sideways")
        if self._thorough:
            await self._axe(name)
        if WANTED and name in SHOWN and self._view != "phone-dark":
            await page.wait_for_load_state("load")
            SHOTS.mkdir(exist_ok=True)
            (SHOTS / f"{name}-{self._view}.webp").write_bytes(await self.ala.picture())
        if await page.locator("dialog:not([open]):visible").count():
            self._note(name, "shows a dialog that is not open")
        menus = page.locator(MENUS)
        for menu in {0, await menus.count() - 1} if await menus.count() else ():
            if await menus.nth(menu).locator("..").get_attribute("open") is None:
                await menus.nth(menu).click()
            if await self.ala.scrolls_sideways() or await page.evaluate(OUTSIDE):
                self._note(name, "has a menu that is covered, or leaves the window, or is too narrow for what is in it")
            if self._thorough:
                await self._axe(f"a menu of {name}", "details.menu[open]")
        for complaint in self.ala.complaints:
            self._note(name, complaint)
        self.ala.complaints.clear()

    async def _axe(self, name: str, part: str | None = None) -> None:
        results = await Axe().run(self.ala.page, context=part, options={"resultTypes": ["violations"]})
        for one in results.response["violations"]:
            if one["impact"] in SERIOUS:
                self._note(name, f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}")

    def _answered(self, name: str, answer: Response | None, expected: int) -> None:
        assert answer is not None
        if answer.status != expected:
            self._note(name, f"is answered with {answer.status}, not with {expected}")

    def _note(self, name: str, what: str) -> None:
        self._found.append(f"{name} ({self._view}): {what}")


OUTSIDE: Final = """() => [...document.querySelectorAll("details.menu[open] > :not(summary)")].some((one) => {
  const { left, right } = one.getBoundingClientRect();
  const first = (one.querySelector("a, button, label") ?? one).getBoundingClientRect();
  const seen = document.elementFromPoint(first.left + first.width / 2, first.top + first.height / 2);
  if (seen !== null && !one.contains(seen)) return true;
  return left < 0 || right > document.documentElement.clientWidth || one.scrollWidth > one.clientWidth;
})"""


async def test_a_page_is_light(engine: Engine, browser: Browser) -> None:
    ids = await inhabited(engine)
    async with visitor(browser, engine.url) as ala:
        received: list[int] = []
        session = await ala.context.new_cdp_session(ala.page)
        await session.send("Network.enable")
        session.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
        await ala.sign_in(ALA)
        await ala.page.wait_for_load_state("load")
        assert sum(received) <= FIRST_VISIT
        ala.expected.add(404)
        heavy = {}
        for name, path in PAGES.items():
            received.clear()
            await ala.go(path.format(**ids))
            await ala.page.wait_for_load_state("load")
            if sum(received) > LATER:
                heavy[name] = sum(received)
        assert heavy == {}


async def test_a_full_list_is_light(engine: Engine, sign_in: SignIn) -> None:
    """Fifty rows and more, and a receiver that takes none of them."""
    made = await engine.post("/rules", rule("Nowy kontakt → CRM", "CRM", {"type": "contact.created"}, hook(DEAD)), 201)
    await engine.post(f"/endpoints/{made['actions'][0]['endpointId']}/pause", {})
    for n in range(60):
        contact = {"email": f"{n}.wisniewska@zlotyklos.example", "name": "Anna Wiśniewska", "tags": ["NEWSLETTER"]}
        await engine.post("/contacts", contact, 201)
        await engine.post("/keys", {"name": f"sklep {n}", "scope": "ingest"}, 201)
    ala = await sign_in("admin")
    for path in ("/deliveries", "/deliveries?status=pending", "/contacts", "/keys", f"/rules/{made['id']}/runs"):
        page = await ala.get(path, **{"accept-encoding": "gzip"})
        assert page.html.count("<tr") > 50 or "<table" not in page.html, path
        assert len(page.answer.content) <= UNPACKED, path
        assert int(page.answer.headers["content-length"]) <= LATER, path


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_an_empty_instance_says_what_to_do_next(engine: Engine, browser: Browser, theme: Theme) -> None:
    found: list[str] = []
    async with visitor(browser, engine.url, theme=theme, size=PHONE if theme == "dark" else WIDE) as ala:
        eyes = Eyes(ala, {}, f"empty-{theme}", found)
        await eyes.open("first-run", STRANGERS["first-run"])
        await eyes.send("first-run refused", REFUSED_AT_THE_DOOR["first-run"])
        await make_user(engine, ALA, "admin")
        await ala.sign_in(ALA)
        for name in ("overview", "rules", "deliveries", "contacts", "endpoints", "keys", "users", "welcome"):
            await eyes.open(f"empty {name}", PAGES[name])
    assert found == []


CONTENT: Final[dict[str, tuple[str, ...]]] = {
    "overview": ("127.0.0.1:9", "inbox:crm", "Katarzyna Zielińska"),
    "rules": ("Nowy klient VIP → CRM", "Brak aktywności 60 dni", "CRM", "Sklep"),
    "rule": ("Nowy klient VIP → CRM", "VIP", "inbox:crm"),
    "rule-runs": ("Nowy klient VIP → CRM", "Anna Wiśniewska"),
    "deliveries": ("Anna Wiśniewska", "Nowy kontakt → CRM", "inbox:crm"),
    "delivery": ("webhook-id", "goniec-event-type", '"contactId"', "HTTP"),
    "delivery-pending": ("127.0.0.1:9", '"contactId"'),
    "contacts": ("Anna Wiśniewska", "anna.wisniewska@zlotyklos.example", "Olena Kovalenko", "NEWSLETTER"),
    "contact": ("anna.wisniewska@zlotyklos.example", "piekarnia", "Oddzwonić w piątek po 14.", "HURT"),
    "contact-event": ("contact.created", "anna.wisniewska@zlotyklos.example"),
    "why": ("Nowy klient VIP → CRM", "100"),
    "endpoints": ("127.0.0.1:9", "inbox:crm"),
    "endpoint": ("127.0.0.1:9/powiadomienia", "Zmiana etapu w lejku → zespół"),
    "keys": ("sklep",),
    "users": ("Ala Nowak", JAN),
    "search": ("Anna Wiśniewska",),
}
"""What has to stand on a page, whether a script runs or not."""


async def test_every_page_reads_without_a_script(engine: Engine, browser: Browser) -> None:
    ids = await inhabited(engine)
    lacking: dict[str, list[str]] = {}
    async with visitor(browser, engine.url, script=False) as ala:
        await ala.sign_in(ALA)
        for name, wanted in CONTENT.items():
            await ala.go(PAGES[name].format(**ids))
            main = ala.page.locator("main")
            assert await main.locator("h1:visible").count() == 1, name
            shown = await main.inner_text()
            fields = " ".join([await one.input_value() for one in await main.locator("input.in, textarea").all()])
            if left := [one for one in wanted if one not in shown and one not in fields]:
                lacking[name] = left
    assert lacking == {}


def test_the_readme_shows_what_is_there() -> None:
    for page in (REPO / "README.md", *(REPO / "docs").rglob("*.md")):
        for part in page.read_text().split("](")[1:]:
            target = part.partition(")")[0]
            if target.endswith(".webp"):
                assert (page.parent / target).exists(), target
