"""A real Chromium at the panel.

It is the machine's own (a Debian package, say), driven by Playwright. What the page logs as an error, and whatever its
content security policy stops, fails the test.
"""

import os
import shutil
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from tests.e2e.engine import PATIENCE
from tests.e2e.panel.client import PASSWORD

expect.set_options(timeout=PATIENCE * 1000)

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # a date field in the order of the page's language, whatever languages this Chromium was installed with
    "--enable-blink-features=LangAttributeAwareFormControlUI",
)

Theme = Literal["light", "dark"]
WIDE: Final = (1440, 900)
PHONE: Final = (360, 780)


def executable() -> Path | None:
    """Where the machine's Chromium is: as `CHROMIUM` says, else on the path."""
    found = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    return None if found is None else Path(found)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


class Visitor:
    """Somebody with a browser of one language, theme and size."""

    def __init__(self, context: BrowserContext, page: Page, url: str) -> None:
        self.context = context
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.expected: set[int] = set()
        """Statuses of answers that the test provokes: a browser logs them as errors."""
        page.on("console", self._logged)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def go(self, path: str) -> None:
        """Open a page."""
        await self.page.goto(self.url + path)

    async def sign_in(self, email: str) -> None:
        """Sign in through the form."""
        await self.go("/login")
        await self.page.fill("[name=email]", email)
        await self.page.fill("[name=password]", PASSWORD)
        await self.page.click("button.pri")
        await self.page.wait_for_url(lambda url: "/login" not in url)

    async def scrolls_sideways(self) -> bool:
        """Say whether the page is wider than its window."""
        wide: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wide

    async def picture(self) -> bytes:
        """Give the whole page as WebP, a fifth of what a PNG takes."""
        session = await self.context.new_cdp_session(self.page)
        size = (await session.send("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 4000), "scale": 1}
        asked = {"format": "webp", "quality": 85, "captureBeyondViewport": True, "clip": clip}
        taken = await session.send("Page.captureScreenshot", asked)
        await session.detach()
        return b64decode(taken["data"])

    def check(self) -> None:
        """Fail when the browser had something to complain of."""
        assert self.complaints == []

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(f"status of {status}" in message.text for status in self.expected):
            self.complaints.append(message.text)


@asynccontextmanager
async def visitor(
    browser: Browser,
    url: str,
    *,
    language: str = "pl",
    theme: Theme = "light",
    size: tuple[int, int] = WIDE,
    script: bool = True,
) -> AsyncIterator[Visitor]:
    """Somebody at the panel at `url`."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale=language,
        color_scheme=theme,
        timezone_id="Europe/Warsaw",
        reduced_motion="reduce",
        java_script_enabled=script,
    )
    context.set_default_timeout(PATIENCE * 1000)
    try:
        found = Visitor(context, await context.new_page(), url)
        yield found
        found.check()
    finally:
        await context.close()
