"""The code of the how-to pages is run, and the recipe for a new kind is held against the kinds that there are."""

import json
import re
import subprocess
import time
import tomllib
from collections.abc import Callable
from typing import Any, get_args

import pytest
from msgspec import Struct
from playwright._impl._driver import compute_driver_executable
from standardwebhooks import WebhookVerificationError

from goniec.core import actions, events, labels, leaves, triggers
from goniec.core.conditions import Group
from goniec.core.signing import encode_secret
from goniec.core.wire import Credentials, headers
from goniec.web.panel.verifying import SNIPPETS, snippet
from tests.docs.tables import DOCS, TABLES, sent, tagged

PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
SECRET = b"thirty-two bytes that nobody has"
KINDS: list[type[Struct]] = [
    *get_args(triggers.Trigger),
    *get_args(Group),
    *get_args(leaves.Leaf),
    *get_args(actions.Action),
]

Verified = Callable[[str, dict[str, str], bytes], Any]


def signed(age: int = 0, previous: bytes | None = None) -> dict[str, str]:
    """The headers of the example as it would go out now, or some seconds ago."""
    now = int(time.time() - age) * 1000
    credentials = Credentials(SECRET, previous, now + 1000)
    return {name.lower(): value for name, value in headers(sent(), 1, credentials, "Goniec", now)}


@pytest.fixture(params=[0, 1], ids=["standard library", "standardwebhooks"])
def verified(request: pytest.FixtureRequest) -> Verified:
    code = PYTHON.findall((DOCS / "how-to/verify-a-webhook.md").read_text())[request.param]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the page's own code
    found: Verified = names["verified"]
    return found


def holds(verified: Verified, *arguments: Any) -> bool:
    try:
        return bool(verified(*arguments))
    except WebhookVerificationError:
        return False


def test_a_webhook_is_verified_as_the_page_says(verified: Verified) -> None:
    secret, body = encode_secret(SECRET), sent().body
    assert holds(verified, secret, signed(), body)
    assert holds(
        verified,
        encode_secret(b"the one before, of thirty-two by"),
        signed(previous=b"the one before, of thirty-two by"),
        body,
    )
    assert not holds(verified, secret, signed(), body + b" ")
    assert not holds(verified, encode_secret(b"another secret of thirty-two byt"), signed(), body)
    assert not holds(verified, secret, signed(age=400), body)


def test_the_panel_shows_the_code_of_the_page() -> None:
    text = (DOCS / "how-to/verify-a-webhook.md").read_text()
    names = {"python": "python", "node": "js", "php": "php", "go": "go"}
    for name in SNIPPETS:
        assert f"```{names[name]}\n{snippet(name)}```" in text, name


def test_the_code_for_node_does_what_that_for_python_does() -> None:
    """The browser's driver brings a Node.js; the other two languages are not at hand everywhere."""
    body, secret = sent().body.decode(), encode_secret(SECRET)
    another = encode_secret(b"another secret of thirty-two byt")
    before = signed(previous=b"the one before, of thirty-two by")
    cases = [
        (True, secret, signed(), body),
        (True, encode_secret(b"the one before, of thirty-two by"), before, body),
        (False, secret, signed(), body + " "),
        (False, another, signed(), body),
        (False, secret, signed(age=400), body),
    ]
    script = (
        snippet("node")
        + f"for (const [wanted, secret, headers, body] of {json.dumps(cases)})"
        + " if (verified(secret, headers, Buffer.from(body)) !== wanted) throw new Error(JSON.stringify(headers));"
    )
    node = compute_driver_executable()[0]
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", KINDS, ids=tagged)
def test_a_kind_has_all_that_the_recipe_asks_for(kind: type[Struct]) -> None:
    name = tagged(kind)
    assert kind.__struct_config__.forbid_unknown_fields, "unknown keys are refused"
    assert (kind.__doc__ or "").strip().endswith("."), "what the documents say about it"
    label = {**labels.EVENTS, **labels.CONDITIONS, **labels.ACTIONS}[name]
    assert label.pl
    assert label.en
    page = "".join(TABLES[table]() for table in ("triggers", "conditions", "actions"))
    assert f"| `{name}` |" in page
    if kind in get_args(triggers.Trigger):
        assert name in events.EVENT_TYPES
    if kind in get_args(leaves.Leaf):
        assert all(callable(getattr(kind, method)) for method in ("problems", "look", "test", "read"))


def test_the_files_that_the_recipe_names_are_there() -> None:
    text = (DOCS / "how-to/add-a-kind.md").read_text()
    for path in re.findall(r"`(core/\w+\.py)`", text):
        assert (DOCS.parent / "src/goniec" / path).exists(), path
    for path in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (DOCS.parent / path).exists(), path


def test_the_copies_and_files_that_operators_meet_are_named_right() -> None:
    text = (DOCS / "how-to/operate.md").read_text()
    assert "`goniec.db.erased`" in text
    assert "`goniec.db.schema-…`" in text
    source = "".join(path.read_text() for path in (DOCS.parent / "src/goniec/store/sqlite").glob("*.py"))
    assert 'beside(database, ".erased")' in source
    assert 'beside(database, f".schema-{found}")' in source


def test_what_the_page_installs_for_traces_is_the_extra() -> None:
    extra = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]["otel"]
    (line,) = re.findall(
        r"^    \S+/pip install (.*opentelemetry.*)$", (DOCS / "how-to/operate.md").read_text(), re.MULTILINE
    )
    assert sorted(re.findall(r'"([^"]+)"', line)) == sorted(extra)
