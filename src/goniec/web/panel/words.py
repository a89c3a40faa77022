"""The panel's words in the viewer's language: gettext catalogues, English being what the source says.

`locale/pl` has the Polish, one catalogue for each part of the panel. They are read as they are, by Babel at the first
page, so no build step can be forgotten. A test extracts every message of templates and code and asks for its
translation. Labels of events, conditions and actions come from `core.labels`, which has both languages side by side.
"""

import gettext
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Final, Literal

from goniec.core.labels import Label

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

Language = Literal["pl", "en"]

LANGUAGES: Final[tuple[Language, ...]] = ("pl", "en")


class Words:
    """What a page says, in one language."""

    def __init__(self, language: Language, catalogue: gettext.NullTranslations | None = None) -> None:
        self.language: Language = language
        self._catalogue = catalogue or _catalogue(language)

    def say(self, message: str, /, **values: object) -> str:
        """Translate, and fill in `%(name)s`."""
        text = self._catalogue.gettext(message)
        return text % values if values else text

    def many(self, one: str, more: str, n: int, /, **values: object) -> str:
        """Translate with the plural that `n` asks for; `%(n)s` is the number, grouped."""
        from goniec.web.panel.formats import number

        return self._catalogue.ngettext(one, more, n) % {"n": number(n, self.language), **values}

    def plural(self, one: str, more: str, n: int) -> str:
        """Translate with the plural that `n` asks for, nothing filled in."""
        return self._catalogue.ngettext(one, more, n)

    def label(self, label: Label | str) -> str:
        """Give a label in this language; a plain text stays as it is."""
        return getattr(label, self.language) if isinstance(label, Label) else label

    def named(self, labels: dict[str, Label], key: str) -> str:
        """Give the label of a key, or the key itself where there is none."""
        found = labels.get(key)
        return key if found is None else self.label(found)


def chosen(*wishes: str | None) -> Language:
    """Give the first wish that is a language of ours: of the user, of a cookie, of the browser, of the settings."""
    for wish in wishes:
        for part in (wish or "").lower().split(","):
            tag = part.partition(";")[0].strip().partition("-")[0]
            if tag == "pl":
                return "pl"
            if tag == "en":
                return "en"
    return "pl"


@cache
def _catalogue(language: Language) -> gettext.NullTranslations:
    if language == "en":
        return _English()
    # Babel takes a while to import, and only pages need it
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    whole: Catalog | None = None
    for file in sorted((files("goniec.web.panel") / "locale" / language).iterdir(), key=lambda one: one.name):
        part = read_po(BytesIO(file.read_bytes()), language)
        if whole is None:
            whole = part
        for message in part:
            if message.id:
                whole[message.id] = message
    compiled = BytesIO()
    assert whole is not None, "the catalogues are beside this file"  # noqa: S101 - a wheel without them is broken
    write_mo(compiled, whole)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


class _English(gettext.NullTranslations):
    """The messages are English."""
