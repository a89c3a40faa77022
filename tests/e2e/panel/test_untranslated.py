"""No word of a page has escaped translation: on a machine that marks every translated text, nothing else can be read."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override

from tests.e2e.engine import Engine
from tests.e2e.panel.client import people
from tests.e2e.panel.life import CRM, DEAD, PEOPLE, SALES, enliven, rules
from tests.e2e.panel.test_pages import PAGES

MARKING: Final = """
import gettext
from goniec.web.panel import words

class Marking(gettext.NullTranslations):
    def gettext(self, message):
        return f"⟦{message}⟧"
    def ngettext(self, one, more, n):
        return f"⟦{one if n == 1 else more}⟧"

words._catalogue = lambda language: Marking()
label = words.Words.label
words.Words.label = lambda self, one: f"⟦{label(self, one)}⟧" if not isinstance(one, str) else one
"""
"""A machine whose every translation, and every label, stands between brackets."""

ATTRIBUTES: Final = {"aria-label", "title", "placeholder", "alt", "data-lost", "data-copied", "data-remove"}
OURS: Final = re.compile("⟦[^⟦⟧]*⟧")
CODE: Final = {"code", "pre", "script", "style", "time", "kbd", "option"}
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
                        "sklep", "test-admin", "Ala Nowak", "Admin",
                    }
                ),
                key=len,
                reverse=True,
            ),
            r"\bgoniec\b", r"https?://\S*", r"\S+@\S+", r"\b\w+_[0-9A-Z…a-z]+\b", r"[0-9a-f…-]{8,}", r"\*\*/cennik\*\*", r"SKU-\d+",
            r"Europe/Warsaw", r"\b\d+ ?(ms|s|min|h|d|B|kB|MB)\b", r"\bHTTP\b", r"\b(POST|JSON|URL|ID|API|CSV|cURL|UTF-8|SHA-256)\b",
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
    ids = await enliven(engine)
    left: dict[str, list[str]] = {}
    async with people(engine) as sign_in:
        stranger, ala = await sign_in(None), await sign_in("admin")
        for name, path in [("sign-in", "/login"), *PAGES.items()]:
            page = await (stranger if name == "sign-in" else ala).get(path.format(**ids))
            words = _Words()
            words.feed(page.html)
            rest = DATA.sub(" ", _rest("\n".join(words.found)))
            found = [line.strip() for line in rest.splitlines() if LEFT.search(line)]
            if found:
                left[name] = found
    assert left == {}
