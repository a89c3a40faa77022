"""Every page as a browser has it: readable by everybody, as wide as its window, light, and without a complaint.

`make screenshots` runs the same and writes what was seen into `docs/screenshots`.
"""

import os
from typing import Any, Final

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from tests.conftest import REPO
from tests.e2e.engine import Engine
from tests.e2e.panel.browser import PHONE, WIDE, Theme, Visitor, visitor
from tests.e2e.panel.client import make_user
from tests.e2e.panel.life import enliven

SHOTS: Final = REPO / "docs/screenshots"
WANTED: Final = os.environ.get("SCREENSHOTS") == "1"

PAGES: Final = {
    "overview": "/",
    "rules": "/rules",
    "rule": "/rules/{rule}",
    "rule-new": "/rules/new",
    "rule-runs": "/rules/{rule}/runs",
    "rule-delete": "/rules/{rule}/delete",
    "deliveries": "/deliveries",
    "delivery": "/deliveries/{delivered}",
    "delivery-pending": "/deliveries/{pending}",
    "contacts": "/contacts",
    "contact": "/contacts/{contact}",
    "contact-new": "/contacts/new",
    "why": "/contacts/{contact}/why?rule={rule}",
    "endpoints": "/endpoints",
    "endpoint": "/endpoints/{endpoint}",
    "keys": "/keys",
    "users": "/users",
    "account": "/account",
    "search": "/search?q=anna",
    "welcome": "/welcome",
    "not-found": "/nothing",
}
"""Every page by its name; what stands in braces is one of the ids that `enliven` gives."""

SERIOUS: Final = {"serious", "critical"}
FIRST_VISIT: Final = 300 * 1024
LATER: Final = 60 * 1024

VIEWS: Final[dict[str, dict[str, Any]]] = {
    "wide": {"size": WIDE, "theme": "light", "language": "pl"},
    "wide-dark": {"size": WIDE, "theme": "dark", "language": "en"},
    "phone": {"size": PHONE, "theme": "light", "language": "pl"},
    "phone-dark": {"size": PHONE, "theme": "dark", "language": "en"},
}


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
async def test_every_page(engine: Engine, browser: Browser, view: str) -> None:
    ids = await enliven(engine)
    await make_user(engine, "ala@example.com", "admin")
    found: list[str] = []
    async with visitor(browser, engine.url, **VIEWS[view]) as ala:
        await look(ala, "sign-in", "/login", view, found)
        await ala.sign_in("ala@example.com")
        for name, path in PAGES.items():
            if name == "not-found":
                ala.expected.add(404)
            await look(ala, name, path.format(**ids), view, found)
    assert found == []


async def look(ala: Visitor, name: str, path: str, view: str, found: list[str]) -> None:
    """Open a page and note all that is wrong with it."""
    await ala.go(path)
    await ala.page.wait_for_load_state("networkidle") if name != "overview" else await ala.page.wait_for_timeout(300)
    await ala.page.evaluate("document.fonts.ready")
    if await ala.scrolls_sideways():
        found.append(f"{name} ({view}) scrolls sideways")
    results = await Axe().run(ala.page)
    found += [
        f"{name} ({view}): {one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in results.response["violations"]
        if one["impact"] in SERIOUS
    ]
    found += [f"{name} ({view}): {complaint}" for complaint in ala.complaints]
    ala.complaints.clear()
    if WANTED and view != "phone-dark":
        SHOTS.mkdir(exist_ok=True)
        (SHOTS / f"{name}-{view}.webp").write_bytes(await ala.picture())


async def test_a_page_is_light(engine: Engine, browser: Browser) -> None:
    ids = await enliven(engine)
    await make_user(engine, "ala@example.com", "admin")
    async with visitor(browser, engine.url) as ala:
        received: list[int] = []
        session = await ala.context.new_cdp_session(ala.page)
        await session.send("Network.enable")
        session.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
        await ala.sign_in("ala@example.com")
        await ala.page.wait_for_load_state("load")
        assert sum(received) <= FIRST_VISIT
        for path in PAGES.values():
            if path == "/nothing":
                continue
            received.clear()
            await ala.go(path.format(**ids))
            await ala.page.wait_for_load_state("load")
            assert sum(received) <= LATER, path


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_an_empty_instance_says_what_to_do_next(engine: Engine, browser: Browser, theme: Theme) -> None:
    await make_user(engine, "ala@example.com", "admin")
    found: list[str] = []
    async with visitor(browser, engine.url, theme=theme) as ala:
        await ala.sign_in("ala@example.com")
        for name in ("overview", "rules", "deliveries", "contacts", "endpoints", "keys"):
            await look(ala, f"{name}-empty", PAGES[name], f"wide-{theme}", found)
    assert found == []


async def test_every_list_reads_without_a_script(engine: Engine, browser: Browser) -> None:
    ids = await enliven(engine)
    await make_user(engine, "ala@example.com", "admin")
    async with visitor(browser, engine.url, script=False) as ala:
        await ala.sign_in("ala@example.com")
        for name in ("overview", "rules", "rule", "deliveries", "delivery", "contacts", "contact", "endpoints"):
            await ala.go(PAGES[name].format(**ids))
            assert await ala.page.locator("main h1").count() == 1, name


def test_the_readme_shows_what_is_there() -> None:
    for page in (REPO / "README.md", *(REPO / "docs").rglob("*.md")):
        for part in page.read_text().split("](")[1:]:
            target = part.partition(")")[0]
            if target.endswith(".webp"):
                assert (page.parent / target).exists(), target
