"""No word of a page has escaped translation: on a machine that marks every translated text, nothing else can be read."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override

from tests.e2e.engine import Engine
from tests.e2e.panel.client import Page, people
from tests.e2e.panel.life import CRM, DEAD, MESSAGE, PEOPLE, SALES, rules
from tests.e2e.panel.looks import (
    ALA,
    JAN,
    MISSING,
    PAGES,
    REFUSED,
    REFUSED_AT_THE_DOOR,
    SHOWN_ONCE,
    STRANGERS,
    Refused,
    inhabited,
)

MARKING: Final = """
import gettext
from goniec.web.panel import words
from goniec.web.panel.problem_words import POLISH

class Marking(gettext.NullTranslations):
    def gettext(self, message):
        return f"⟦{message}⟧"
    def ngettext(self, one, more, n):
        return f"⟦{one if n == 1 else more}⟧"

words._catalogue = lambda language: Marking()
label = words.Words.label
words.Words.label = lambda self, one: f"⟦{label(self, one)}⟧" if not isinstance(one, str) else one
POLISH.update({english: f"⟦{polish}⟧" for english, polish in POLISH.items()})
"""
"""A machine whose every translation, every label, and every Polish word for what is wrong, stands between brackets."""

ATTRIBUTES: Final = {"aria-label", "title", "placeholder", "alt", "data-lost", "data-copied", "data-remove"}
OURS: Final = re.compile("⟦[^⟦⟧]*⟧")
CODE: Final = {"code", "pre", "script", "style", "textarea", "time", "kbd"}
"""Elements that hold data, code and names of keys."""

DATA: Final = re.compile(
    "|".join(
        [
            *sorted(
                (
                    re.escape(one)
                    for one in {
                        *(value for person in PEOPLE for value in person if value),
                        *(rule["name"] for rule in rules()),
                        *(rule["group"] for rule in rules() if rule["group"]),
                        *(rule.get("description", "") or "Sprzedaż" for rule in rules()),
                        CRM, SALES, DEAD, "Nowa", "Negocjacje", "Wygrana", "Sprzedaż", "NEWSLETTER", "WYSLANE_DO_CRM", "VIP", "HURT",
                        "branża", "piekarnia", "rabat", "faktura", "newsletter", "telefon", "PURCHASE", "Zamówienie", "Oddzwonić w piątek po 14.",
                        MESSAGE["name"], MESSAGE["subject"], "Dzień dobry, Jan Kowalski", "Jan Kowalski", "Amazon SES", "Mailgun", "Postmark", "SendGrid", "Witaj", "Przypomnienie", "Koszyk czeka",
                        "sklep", "test-admin", "Ala Nowak", "Jan Lis", "Admin", "/powiadomienia", "/stary-crm",
                    }
                ),
                key=len,
                reverse=True,
            ),
            r"\bgoniec\b", r"https?://\S*", r"\S+@\S+", r"\b\w+_[0-9A-Z…a-z]+\b", r"[0-9a-f…-]{8,}", r"\*\*/cennik\*\*", r"SKU-\d+",
            r"Europe/Warsaw", r"\b\d+ ?(ms|s|min|h|d|B|kB|MB)\b", r"\bHTTP\b", r"\b(POST|JSON|URL|ID|API|CSV|HTML|cURL|UTF-8|SHA-256)\b",
            r"\bGoniec\b", r"\bPython\b|\bNode\.js\b|\bPHP\b|\bGo\b|\bRuby\b", r"\bPolski\b|\bEnglish\b", r"\bOK\b", r"\binbox\b:?\w*", r"\bwhsec_", r"\bCtrl\b",
            r"Standard Webhooks", r"webhook-id|webhook-signature|webhook-timestamp", r"X-Api-Key", r"\bpython-httpx\S*", r"127\.0\.0\.1:?\d*", r"\b[A-ZŁŻ]{1,2}\b",
            r"stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia",
            r"January|February|March|April|May|June|July|August|September|October|November|December",
        ]
    )
)  # fmt: skip
LEFT: Final = re.compile(r"[^\W\d_]{3,}")


class _Words(HTMLParser):
    """Collects what a person could read."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ATTRIBUTES and value]
        # what is quoted in another language says so
        if tag in CODE or (tag != "html" and "lang" in dict(attrs)):
            self._inside.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    @override
    def handle_data(self, data: str) -> None:
        if not self._inside and data.strip():
            self.found.append(data.strip())


def _rest(text: str) -> str:
    """What no translation says; one may stand inside another."""
    while (shorter := OURS.sub(" ", text)) != text:
        text = shorter
    return text


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    one = Engine(tmp_path)
    one.machine = MARKING
    await one.start()
    try:
        yield one
    finally:
        await one.close()


async def test_every_word_of_a_page_is_a_translation(engine: Engine) -> None:
    left: dict[str, list[str]] = {}

    def read(name: str, page: Page, status: int) -> None:
        assert page.status == status, f"{name}: {page.status} {page.text}"
        if found := untranslated(page.html):
            left[name] = found

    async with people(engine) as sign_in:
        stranger = await sign_in(None, "pl")
        read("first run", await stranger.get(STRANGERS["first-run"]), 200)
        first = REFUSED_AT_THE_DOOR["first-run"]
        read("first run refused", await stranger.send(first.action, first.fields), first.status)
        ids = await inhabited(engine)
        read("sign-in", await stranger.get(STRANGERS["sign-in"]), 200)
        wrong = REFUSED_AT_THE_DOOR["sign-in"]
        read("sign-in refused", await stranger.send(wrong.action, wrong.fields), wrong.status)
        read("session is over", await stranger.send("/users/new", {"email": JAN, "role": "viewer"}), 401)

        ala = await sign_in("admin", "pl", ALA)
        for name, path in PAGES.items():
            read(name, await ala.get(path.format(**ids)), 404 if name in MISSING else 200)
        forms: dict[str, Refused] = {**REFUSED, **SHOWN_ONCE}
        for name, one in forms.items():
            sent = await ala.send(one.action.format(**ids), one.fields)
            read(f"{name} sent", sent, one.status)
        ours = {"sec-fetch-site": "same-origin"}
        old = {"email": JAN, "name": "Jan Lis", "_csrf": "0" * 32}
        read("form of an earlier session", await ala.send("/users/new", old, **ours), 403)
        read("form without a secret", await ala.send("/users/new", old), 403)
        read("unknown button", await ala.send(f"/contacts/{ids['contact']}", {"do": "fly"}), 400)
        read("cursor of nowhere", await ala.get("/contacts?cursor=nonsense!"), 400)
        read("no form", await ala.send("/account", {}, **{"content-type": "text/plain"}), 415)
        jan = await sign_in("viewer", "pl", JAN)
        read("forbidden", await jan.get("/keys"), 403)
    assert not left, "\n".join(f"{name}: {texts}" for name, texts in left.items())


def untranslated(html: str) -> list[str]:
    """What a person could read and no translation says."""
    words = _Words()
    words.feed(html)
    rest = DATA.sub(" ", _rest("\n".join(words.found)))
    return [line.strip() for line in rest.splitlines() if LEFT.search(line)]
