"""Texts of messages, written in Liquid: read once, rendered for each contact.

Whoever saves a message calls `parse` and renders it with sample values; the deciding transaction renders it for a
contact. What a text may do is bounded whatever it says and whatever is put into it: how long it is, what it makes, how
much work it takes. It loads nothing, knows no clock, and reaches nothing but the values that it is given.

In an HTML text, values are escaped where they are put in, so a contact named `<b>` reads as `<b>`; the filter `raw`
puts one in as it is. Names that nobody gave are empty. Beside the filters of Liquid there are `json`, `number` (digits
and separators of the language) and a `date` that reads our times.

The library behind it is loaded when the first text is read: it takes a tenth of a second.
"""

from collections.abc import Mapping
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from goniec.core.letters import Language
from goniec.core.liquid_scan import SOURCE_MAX, TemplateError, check

if TYPE_CHECKING:
    from liquid.template import BoundTemplate

__all__ = ["SOURCE_MAX", "Template", "TemplateError", "parse"]


class Template:
    """A text that has been read and found in order."""

    __slots__ = ("_bound",)

    def __init__(self, bound: "BoundTemplate") -> None:
        self._bound = bound

    def render(self, values: Mapping[str, Any], *, zone: tzinfo = UTC, language: Language = "en") -> str:
        """Put the values in: texts, numbers, truth values, None, and lists and dicts of them.

        Times are written in the zone, dates and numbers in the language.

        Raises:
            TemplateError: a filter cannot do what it should with this value, or a limit is reached.

        """
        from goniec.core.liquid_box import render

        return render(self._bound, values, zone, language)


@lru_cache(maxsize=64)
def parse(source: str, *, html: bool) -> Template:
    """Read a text; `html` tells that it is HTML, and what is put in is to be escaped.

    Texts read last are kept: a rule that runs for each of many contacts reads its message once.

    Raises:
        TemplateError: it is no Liquid, uses a tag or a filter that there is not, or is too long or too entangled.

    """
    check(source)
    from goniec.core.liquid_box import bind

    return Template(bind(source, html=html))
