"""Templates become pages.

Jinja with autoescape: what people typed is text, never markup. `Visit.page` calls `draw`; the templates' own functions
and filters (icons, numbers, times, code) are here.
"""

from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from goniec.core.endpoint import MAIL
from goniec.web.panel import formats
from goniec.web.panel.assets import address

if TYPE_CHECKING:
    from goniec.web.panel.page import Visit

_ROOT: Final = files("goniec.web.panel") / "templates"


def draw(template: str, visit: "Visit", values: dict[str, Any]) -> bytes:
    """Make a page or a part of one."""
    return environment().get_template(template).render({**visit.values, **values}).encode()


@cache
def environment() -> Environment:
    """Give the environment of all templates."""
    made = Environment(
        loader=FileSystemLoader(str(_ROOT)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    made.install_gettext_callables(_say, _many, newstyle=True)  # type: ignore[attr-defined] # by the i18n extension
    made.globals |= {"icon": icon, "asset": _asset, "MAIL": MAIL}
    made.filters |= {"num": _number, "share": _share, "bytes": _size, "span": _span, "label": _label}
    return made


@pass_context
def icon(context: Context, name: str, classes: str = "") -> Markup:
    """An icon of the sprite; it is decoration, its word stands beside it."""
    return _icon(_asset(context, "icons.svg"), name, classes)


@lru_cache(maxsize=1024)
def _icon(sprite: str, name: str, classes: str) -> Markup:
    """The same icons stand in every row of a list."""
    shape = Markup('<svg class="{}" aria-hidden="true"><use href="{}#i-{}"/></svg>')
    return shape.format(f"i {classes}".rstrip(), sprite, name)


@pass_context
def _asset(context: Context, name: str) -> str:
    found: str = context["visit"].url(address(name))
    return found


@pass_context
def _number(context: Context, value: float, digits: int | None = None) -> str:
    return formats.number(value, context["language"], digits)


@pass_context
def _share(context: Context, part: float, whole: float) -> str:
    return formats.percent(part, whole, context["language"])


@pass_context
def _size(context: Context, count: int) -> str:
    return formats.size(count, context["language"])


@pass_context
def _span(context: Context, millis: float) -> str:
    return formats.duration(millis, context["language"])


@pass_context
def _label(context: Context, key: Any, labels: Any = None) -> str:  # noqa: ANN401 - a label, or a key of labels
    visit: Visit = context["visit"]
    return visit.words.label(key) if labels is None else visit.words.named(labels, key)


@pass_context
def _say(context: Context, message: str) -> str:
    said: str = context["visit"].words.say(message)
    return said


@pass_context
def _many(context: Context, one: str, more: str, n: int) -> str:
    said: str = context["visit"].words.plural(one, more, n)
    return said
