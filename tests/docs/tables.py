"""The tables of the documents, made from the code: the documents hold them between marks, and a test compares.

`python -m tests.docs.tables` writes them anew.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from goniec.cli import COMMANDS, app
from goniec.core import labels
from goniec.core.actions import Action
from goniec.core.conditions import Condition
from goniec.core.events import EVENT_TYPES
from goniec.core.model import ROWS, Delivery, Failure, Outcome
from goniec.core.operators import OPERATORS, Op
from goniec.core.payload import body
from goniec.core.retry import Policy
from goniec.core.rules import RuleDraft
from goniec.core.templates import TEMPLATES
from goniec.core.triggers import Trigger
from goniec.core.wire import Credentials, Headers, headers
from goniec.flow.attempt import line, made
from goniec.observe import counters
from goniec.ports import Answer, Finished
from goniec.settings import SETTINGS
from goniec.web.api import OPERATIONS
from goniec.web.metrics import Figures, exposition
from tests.conftest import REPO
from tests.docs import words
from tests.docs.shapes import keys

DOCS: Final = REPO / "docs"
BLOCK: Final = re.compile(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)
READ_ONLY: Final = {"id", "version", "createdAt", "updatedAt"}
SHARED: Final = ("source", "sourceKey", "notSource", "notSourceKey")
HOOK: Final = "https://crm.example/hook"


def pages() -> list[Path]:
    """All documents."""
    return sorted(DOCS.rglob("*.md"))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in [list(head), *cells]]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"


def tagged(kind: type[Struct]) -> str:
    """The `type` of a tagged struct."""
    return str(kind.__struct_config__.tag)


def labelled(known: dict[str, labels.Label], name: str) -> tuple[str, str]:
    """English and Polish."""
    return known[name].en, known[name].pl


def summary(kind: type[Struct]) -> str:
    """The first paragraph of its docstring."""
    return " ".join((kind.__doc__ or "").strip().split("\n\n")[0].split())


def settings() -> str:
    return table(
        ["variable", "default", "meaning"],
        [[f"`{one.variable}`", f"`{one.default}`" if one.default else "none", one.about] for one in SETTINGS.values()],
    )


def commands() -> str:
    return table(["command", "does"], _commands())


def _commands() -> Iterator[tuple[str, str]]:
    for name, _, about in COMMANDS:
        command = app
        for part in name.split():
            command = command[part]
        given = list(command.assemble_argument_collection())
        places = [one for one in given if one.index is not None]
        yield f"**`{' '.join(['goniec', name, *(one.name.lstrip('-').upper() for one in places)])}`**", f"**{about}**"
        for one in given:
            default = one.field_info.default
            shown = f" (`{default}` unless given)" if isinstance(default, str | int | float) and default else ""
            name_shown = one.name.lstrip("-").upper() if one in places else one.name
            yield f"`{name_shown}`", f"{one.parameter.help}{shown}"


def operations() -> str:
    rows = [[f"`{one.method} {one.path}`", str(one.scope), one.summary] for one in OPERATIONS]
    return table(["call, below /api/v1", "scope", "does"], rows)


def codes() -> str:
    return table(
        ["code", "status", "what is the matter"],
        [[f"`{code}`", str(status), about] for code, (status, about) in words.CODES.items()],
    )


def events() -> str:
    rows = [
        [f"`{name}`", *labelled(labels.EVENTS, name), "`POST /events`" if one.outside else _call(one.instead)]
        for name, one in EVENT_TYPES.items()
    ]
    return table(["type", "English", "Polish", "comes from"], rows)


def _call(text: str) -> str:
    return f"`{text}`" if text else "Goniec itself"


def data() -> str:
    having: dict[type[Struct], list[str]] = {}
    for name, one in EVENT_TYPES.items():
        having.setdefault(one.shape, []).append(f"`{name}`")
    return table(
        ["data of", "holds"], [[", ".join(names), keys(shape) or "nothing"] for shape, names in having.items()]
    )


def triggers() -> str:
    rows = [[f"`{tagged(one)}`", summary(one), keys(one, SHARED)] for one in get_args(Trigger)]
    return table(["type", "fires when", "filters"], rows)


def conditions() -> str:
    rows = [
        [f"`{tagged(one)}`", *labelled(labels.CONDITIONS, tagged(one)), summary(one), keys(one)]
        for one in get_args(Condition)
    ]
    return table(["type", "English", "Polish", "holds or looks at", "takes"], rows)


def operators() -> str:
    rows = [
        [
            f"`{one}`",
            *labelled(labels.OPERATORS, one),
            words.OPERATORS[one][0],
            words.OPERATORS[one][1],
            ", ".join(kind.value for kind, known in OPERATORS.items() if one in known),
        ]
        for one in get_args(Op)
    ]
    return table(["op", "English", "Polish", "value", "holds when", "looks at"], rows)


def actions() -> str:
    rows = [
        [f"`{tagged(one)}`", *labelled(labels.ACTIONS, tagged(one)), summary(one), keys(one)]
        for one in get_args(Action)
    ]
    return table(["type", "English", "Polish", "does", "takes"], rows)


def rule() -> str:
    given = [one for one in msgspec.structs.fields(RuleDraft) if one.encode_name not in READ_ONLY]
    rows = [
        [f"**`{one.encode_name}`**" if one.required else f"`{one.encode_name}`", words.RULE[one.encode_name]]
        for one in given
    ]
    return table(["key", "meaning"], rows)


def outcomes() -> str:
    rows = [
        [f"`{one}`", *labelled(labels.OUTCOMES, one), words.OUTCOMES[one], "yes" if one in ROWS else ""]
        for one in Outcome
    ]
    return table(["outcome", "English", "Polish", "means", "a run of its own"], rows)


def failures() -> str:
    return table(["code", "what happened"], [[f"`{one}`", words.FAILURES[one]] for one in Failure])


def policy() -> str:
    made: dict[str, Any] = {name: getattr(Policy(), name) for name in Policy.__struct_fields__}
    rows = [
        [f"`{outside}`", f"`{msgspec.json.encode(value).decode()}`", words.POLICY[outside]]
        for outside, value in zip(Policy.__struct_encode_fields__, made.values(), strict=True)
    ]
    return table(["policy", "default", "means"], rows)


def metrics() -> str:
    text = exposition(Figures(), counters)
    about = dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.MULTILINE))
    kinds = dict(re.findall(r"^# TYPE (\w+) (.*)$", text, re.MULTILINE))
    return table(["metric", "kind", "meaning"], [[f"`{name}`", kinds[name], what] for name, what in about.items()])


def uses() -> str:
    written = []
    for template in TEMPLATES.values():
        draft = {
            "name": template.name.en,
            "description": template.description.en,
            "active": True,
            "triggers": [msgspec.to_builtins(trigger) for trigger in template.triggers],
            "actions": [{"type": "webhook", "url": HOOK}],
        }
        lines = ",\n ".join(f'"{key}": {msgspec.json.encode(part).decode()}' for key, part in draft.items())
        written.append(f"## {template.name.en}\n\n{template.name.pl}\n\n```json\n{{{lines}}}\n```\n")
    return "\n".join(written)


def sent() -> Delivery:
    """The delivery that the example shows."""
    return Delivery(
        id="dlv_01KAWHA7BV00000000000000000000HP15Q5",
        endpoint_id="end_1",
        contact_id="019ab915-1d03-7098-b6f6-75cc81e74ef5",
        rule_id="rul_01KAWHA7BV0000000000000000",
        event_type="contact.tagged",
        seq=7,
        body=body(
            "rul_01KAWHA7BV0000000000000000",
            "VIP to CRM",
            "019ab915-1d03-7098-b6f6-75cc81e74ef5",
            "new VIP for the CRM",
            "jan@example.com",
            "600 100 200",
            None,
        ),
        created_at=1_764_041_760_000,
    )


def head_of(delivery: Delivery) -> Headers:
    """Its headers, on the first attempt."""
    credentials = Credentials(b"thirty-two bytes that nobody has", authorization="Basic amFuOg==")
    return headers(delivery, 1, credentials, "Goniec/0.1.0", 1_764_041_760_999)


def webhook() -> str:
    delivery = sent()
    lines = ["POST /hook HTTP/1.1", "Host: crm.example", *(f"{name}: {value}" for name, value in head_of(delivery))]
    lines.append(f"Content-Length: {len(delivery.body)}")
    return "```http\n" + "\n".join([*lines, "", delivery.body.decode()]) + "\n```\n"


def headers_sent() -> str:
    return table(["header", "says"], [[f"`{name}`", about] for name, about in words.HEADERS.items()])


def attempt_line() -> str:
    logged = line(Finished(sent(), made(sent(), Answer(None, "delivered"), 0)), "crm.example")
    return table(["field", "meaning"], [[f"`{name}`", words.ATTEMPT[name]] for name in logged])


TABLES: Final[dict[str, Callable[[], str]]] = {
    one.__name__: one
    for one in (
        settings,
        commands,
        operations,
        codes,
        events,
        data,
        triggers,
        conditions,
        operators,
        actions,
        rule,
        outcomes,
        failures,
        policy,
        metrics,
        uses,
        webhook,
        headers_sent,
        attempt_line,
    )
}


def renewed(text: str) -> str:
    """A document with its tables as the code has them."""
    return BLOCK.sub(lambda found: f"<!-- table: {found[1]} -->\n{TABLES[found[1]]()}<!-- end -->", text)


if __name__ == "__main__":
    for page in pages():
        page.write_text(renewed(page.read_text()))
