"""The documents say what the code does: tables are made from it, and what sentences name exists."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from goniec.app import KEEP_ALIVE_SECONDS
from goniec.cli import COMMANDS, app
from goniec.core.checks import MATCHES_LIMIT
from goniec.core.drafts import read_draft
from goniec.core.events import DATA_LIMIT, KINDS
from goniec.core.identity import Code
from goniec.core.model import DEPTH_MAX, DERIVED_MAX, Delivery, Failure, Outcome
from goniec.core.operators import Op
from goniec.core.retry import RETRY_AFTER_CAP, Policy
from goniec.core.rules import RuleDraft
from goniec.core.times import DAY, HOUR
from goniec.core.wire import Credentials, headers
from goniec.flow import gate
from goniec.flow.batch import CONTACT_BYTES
from goniec.flow.ingest import CHANGES_LIMIT, EVENTS_LIMIT
from goniec.flow.outbox import HELD_MOST, HELD_SURE
from goniec.flow.outboxes import MEMORY
from goniec.flow.record import WAITING_BYTES, WAITING_CALLS
from goniec.flow.sending import FLYING
from goniec.flow.users import IDLE, IDLE_REMEMBERED, LIFE, LIFE_REMEMBERED, PASSWORD_MAX, PASSWORD_MIN
from goniec.send.transfer import BODY_KEPT, READ_MAX
from goniec.settings import SETTINGS
from goniec.store.passwords import AT_A_TIME, MEMORY_KIB, PASSES
from goniec.web.api import OPERATIONS
from goniec.web.api.events import BODY_LIMIT as EVENTS_BODY
from goniec.web.operation import BODY_LIMIT
from goniec.web.problems import CODES
from goniec.web.protocol import FIELDS, OVERHEAD, Protocol
from tests.conftest import REPO
from tests.docs import words
from tests.docs.tables import BLOCK, DOCS, READ_ONLY, TABLES, head_of, pages, renewed, sent

JSON = re.compile(r"```json\n(.*?)```", re.DOTALL)
FUNNELS = {"Sales": ("Lead", "Offer", "Won")}
MIB = 1024 * 1024


def names(path: Path) -> str:
    return str(path.relative_to(DOCS))


@pytest.mark.parametrize("page", pages(), ids=names)
class TestEveryPage:
    def test_its_tables_are_those_of_the_code(self, page: Path) -> None:
        text = page.read_text()
        assert text == renewed(text), "python -m tests.docs.tables writes them anew"

    def test_its_rules_would_be_taken(self, page: Path) -> None:
        for found in JSON.findall(page.read_text()):
            written = json.loads(found)
            if "triggers" in written:
                read_draft(written, FUNNELS)
            elif written.get("type") in TABLES["actions"]():
                read_draft({"name": "-", "triggers": [{"type": "contact.created"}], "actions": [written]}, FUNNELS)

    def test_the_settings_that_it_names_are_there(self, page: Path) -> None:
        named = set(re.findall(r"GONIEC_[A-Z_]+", page.read_text()))
        assert named <= {one.variable for one in SETTINGS.values()}

    def test_the_commands_that_it_names_are_there(self, page: Path) -> None:
        for line in re.findall(r"\bgoniec (?!goniec)((?:[a-z]+ )*[a-z]+(?: [^`\n|]*)?)", _code(page.read_text())):
            command = app
            rest = line.split()
            known = [name for name, _, _ in COMMANDS if f"{line} ".startswith(f"{name} ")]
            assert known, f"goniec {line}"
            for part in known[0].split():
                command = command[part]
            options = {name for one in command.assemble_argument_collection() for name in one.names} | {"--help"}
            assert {word for word in rest if word.startswith("--")} <= options, f"goniec {line}"

    def test_the_calls_that_it_names_are_there(self, page: Path) -> None:
        there = {(one.method, re.sub(r"\{\w+\}", "{}", one.path)) for one in OPERATIONS}
        for method, path in re.findall(r"\b(GET|POST|PUT|PATCH|DELETE) (/[\w/{}]+)", page.read_text()):
            called = re.sub(r"\{\w+\}", "{}", path.removeprefix("/api/v1"))
            assert (method, called) in there or called == "/hook", f"{method} {path}"

    def test_its_links_lead_somewhere(self, page: Path) -> None:
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            if "://" in link:
                continue
            path, _, place = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            if place:
                titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
                assert place in {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles}, link


def _code(text: str) -> str:
    """What a reader may type: blocks of a shell, indented lines, and what stands between backticks."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", rest), *re.findall(r"^    (.*)$", rest, re.MULTILINE)])


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    assert [names(page) for page in pages() if names(page) != "README.md" and f"({names(page)})" not in index] == []


def test_every_table_is_shown_once() -> None:
    shown = [name for page in pages() for name, _ in BLOCK.findall(page.read_text())]
    assert sorted(shown) == sorted(TABLES)


def test_there_is_a_word_for_everything_and_nothing_else() -> None:
    assert set(words.FAILURES) == set(Failure)
    assert set(words.OUTCOMES) == set(Outcome)
    assert set(words.OPERATORS) == set(get_args(Op))
    assert set(words.RULE) == set(RuleDraft.__struct_encode_fields__) - READ_ONLY
    assert set(words.POLICY) == set(Policy.__struct_encode_fields__)


def test_every_header_is_told() -> None:
    most = Delivery(
        **{name: getattr(sent(), name) for name in Delivery.__struct_fields__} | {"resend": True, "test": True}
    )
    credentials = Credentials(b"", authorization="Basic Og==")
    assert [name for name, _ in headers(most, 1, credentials, "Goniec", 0, "00")] == list(words.HEADERS)
    assert {name for name, _ in head_of(sent())} <= set(words.HEADERS)


def test_every_code_of_an_error_is_told() -> None:
    source = "\n".join(
        path.read_text() for folder in ("web", "flow") for path in (REPO / "src/goniec" / folder).rglob("*.py")
    )
    written = re.findall(r'(?:\bcode=|\bConflict\(|\b_later\()\s*"(\w+)"', source)
    assert set(words.CODES) == {*CODES.values(), *get_args(Code), *written}
    for status, code in CODES.items():
        assert words.CODES[code][0] == status


def test_the_usual_kinds_are_told() -> None:
    assert f"({', '.join(KINDS)})" in (DOCS / "reference/events.md").read_text()


def test_limits_are_those_of_the_code() -> None:
    text = " ".join((DOCS / "limits.md").read_text().split())
    for said in (
        f"About {MEMORY:,} deliveries are held in memory (at most {HELD_MOST:,} for one endpoint, {HELD_SURE} for a slow one)",
        f"about {FLYING:,} requests are under way",
        f"{READ_MAX // 1024} KiB of an answer are read, {BODY_KEPT // 1024} KiB kept",
        f"`Retry-After` counts up to {RETRY_AFTER_CAP // 3600} h",
        f"a depth of {DEPTH_MAX}",
        f"{DERIVED_MAX:,} further events",
        f"{EVENTS_BODY // MIB} MiB and {EVENTS_LIMIT:,} events; any other: {BODY_LIMIT // MIB} MiB",
        f"An event's data: {DATA_LIMIT // 1024} KiB. A contact: {CONTACT_BYTES // 1024} KiB",
        f"{WAITING_CALLS:,} calls or {WAITING_BYTES // MIB} MiB may wait",
        f"contacts of one request may bring {CHANGES_LIMIT:,} changes",
        f"a rule at most {MATCHES_LIMIT} patterns (`matches`)",
        f"has {OVERHEAD // 1024} KiB, and a head or trailers have {FIELDS:,} lines",
        f"A head has {Protocol.head_seconds:.0f} s to arrive; a body may stand still for {Protocol.still_seconds:.0f} s",
        f"has {Protocol.body_seconds // 60:.0f} min in all",
        f"silent for {KEEP_ALIVE_SECONDS} s, and leave an answer unread for {Protocol.still_seconds:.0f} s",
        f"has {PASSWORD_MIN} to {PASSWORD_MAX:,} characters",
        f"argon2id, {MEMORY_KIB // 1024} MiB and {PASSES} passes, {AT_A_TIME} at a time",
        f"{IDLE // HOUR} hours after the last page was opened (one that keeps itself up to date opens none) and {LIFE // DAY} days after signing in",
        f"after {IDLE_REMEMBERED // DAY} and {LIFE_REMEMBERED // DAY} days",
        f"After {gate.FREE} wrong passwords for an e-mail from an address, or {gate.FREE_OF_ADDRESS} from an address",
        f"from {gate.WAIT_FIRST:.0f} s to {gate.WAIT_MOST // 60:.0f} min; after {gate.FREE_OF_EMAIL} for an e-mail",
        f"up to {gate.WAIT_MOST_OF_EMAIL:.0f} s",
    ):
        assert said in text, said
