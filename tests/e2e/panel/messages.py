"""Every message that templates and code of the panel can show, and what the catalogues have. Called by tests."""

from io import BytesIO
from pathlib import Path

from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from tests.conftest import REPO

PANEL = REPO / "src/goniec/web/panel"
PYTHON_KEYWORDS = {"say": None, "many": (1, 2), "_": None}
TEMPLATE_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "many": (1, 2)}
TEMPLATE_OPTIONS = {"trimmed": "true", "silent": "false", "extensions": "jinja2.ext.do,jinja2.ext.loopcontrols"}

Message = str | tuple[str, str]


def said() -> dict[Message, str]:
    """Message -> where it is said. A plural is a pair."""
    found: dict[Message, str] = {}
    for path in sorted(PANEL.rglob("*.py")):
        for _, message, _, _ in extract_from_file("python", path, keywords=PYTHON_KEYWORDS):
            _note(found, message, path)
    for path in sorted((PANEL / "templates").rglob("*.html")):
        made = extract_from_file("jinja2.ext:babel_extract", path, keywords=TEMPLATE_KEYWORDS, options=TEMPLATE_OPTIONS)
        for _, message, _, _ in made:
            _note(found, message, path)
    return found


def _note(found: dict[Message, str], message: object, path: Path) -> None:
    if isinstance(message, tuple | list):
        pair = tuple(one for one in message if isinstance(one, str))
        key: Message = (pair[0], pair[1]) if len(pair) > 1 else pair[0]
    else:
        key = str(message)
    if key:
        found.setdefault(key, str(path.relative_to(PANEL)))


def catalogues() -> dict[str, dict[Message, tuple[str, ...]]]:
    """By file: message -> its Polish (several for a plural)."""
    found = {}
    for path in sorted((PANEL / "locale/pl").glob("*.po")):
        entries: dict[Message, tuple[str, ...]] = {}
        for one in read_po(BytesIO(path.read_bytes()), "pl"):
            if one.id:
                key: Message = (one.id[0], one.id[1]) if isinstance(one.id, list | tuple) else one.id
                entries[key] = tuple(one.string) if isinstance(one.string, list | tuple) else (one.string or "",)
        found[path.name] = entries
    return found
