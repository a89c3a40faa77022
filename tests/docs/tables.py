"""The tables of the reference, made from the code: the documents hold them between marks, and a test compares.

`python -m tests.docs.tables` writes them anew.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from goniec.cli import COMMANDS
from goniec.core import labels
from goniec.core.actions import Action
from goniec.core.conditions import Condition
from goniec.core.events import EVENT_TYPES
from goniec.core.model import Delivery, Failure, Outcome
from goniec.core.operators import Op
from goniec.core.payload import body
from goniec.core.retry import Policy
from goniec.core.rules import RuleDraft
from goniec.core.triggers import Trigger
from goniec.core.wire import Credentials, headers
from goniec.settings import SETTINGS
from goniec.web.api import OPERATIONS
from tests.conftest import REPO

REFERENCE: Final = REPO / "docs" / "reference"
BLOCK: Final = re.compile(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)
READ_ONLY: Final = {"id", "version", "createdAt", "updatedAt"}

FAILURES: Final = {
    Failure.DNS: "the name did not resolve",
    Failure.ADDRESS: "a URL or address that webhooks may not reach; the attempt says which, and whether `GONIEC_ALLOW_NETWORKS` can allow it",
    Failure.CONNECT: "nobody accepted the connection",
    Failure.CONNECT_TIMEOUT: "the connection was not made in time",
    Failure.TIMEOUT: "no whole head of an answer in time",
    Failure.RESET: "the connection was reset before an answer",
    Failure.EMPTY: "the connection was closed without an answer",
    Failure.STALE: "a kept-alive connection was dead; tried again at once on a fresh one, uncounted",
    Failure.TLS: "the TLS handshake failed",
    Failure.TLS_EXPIRED: "the certificate has expired, or is not valid yet",
    Failure.TLS_HOST: "the certificate is for another name",
    Failure.TLS_SELF_SIGNED: "the certificate is self-signed",
    Failure.TLS_ISSUER: "unknown issuer: the server sends no intermediate certificate, or a private CA (`GONIEC_CA_FILE`)",
    Failure.NOT_HTTP: "what came is no HTTP",
    Failure.HEAD_TOO_LARGE: "over 64 KiB or 320 lines of head",
    Failure.CUT: "the head was cut off",
    Failure.INFORMATIONAL: "only 1xx answers",
    Failure.REDIRECT: "3xx: redirects are never followed; enter the address that it names",
    Failure.REJECTED: "4xx",
    Failure.GONE: "410: the endpoint is paused",
    Failure.BUSY: "429",
    Failure.SERVER: "5xx",
    Failure.STATUS: "a status that HTTP does not have",
    Failure.INTERNAL: "a fault in Goniec itself",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in [list(head), *cells]]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"


def fields(kind: type[Struct], but: Iterable[str] = ()) -> str:
    """Names of a struct's fields as they stand in JSON; those that must be given come bold."""
    names = [f"**{one.encode_name}**" if one.required else one.encode_name for one in msgspec.structs.fields(kind)]
    return ", ".join(name for name in names if name.strip("*") not in set(but))


def tagged(kind: type[Struct]) -> str:
    """The `type` of a tagged struct."""
    return str(kind.__struct_config__.tag)


def labelled(known: dict[str, labels.Label], name: str) -> tuple[str, str]:
    """English and Polish."""
    return known[name].en, known[name].pl


def summary(kind: type[Struct]) -> str:
    """The first line of its docstring."""
    return (kind.__doc__ or "").strip().splitlines()[0]


def settings() -> str:
    return table(
        ["variable", "default", "meaning"],
        [[f"`{one.variable}`", f"`{one.default}`" if one.default else "none", one.about] for one in SETTINGS.values()],
    )


def commands() -> str:
    return table(["command", "does"], [[f"`goniec {name}`", about] for name, _, about in COMMANDS])


def operations() -> str:
    rows = [[f"`{one.method} {one.path}`", str(one.scope), one.summary] for one in OPERATIONS]
    return table(["call, below /api/v1", "scope", "does"], rows)


SHARED: Final = ("source", "sourceKey", "notSource", "notSourceKey")


def events() -> str:
    rows = [
        [
            f"`{name}`",
            *labelled(labels.EVENTS, name),
            "POST /events" if one.outside else one.instead or "",
            fields(one.shape),
        ]
        for name, one in EVENT_TYPES.items()
    ]
    return table(["type", "English", "Polish", "comes from", "data"], rows)


def triggers() -> str:
    return table(["type", "filters"], [[f"`{tagged(one)}`", fields(one, SHARED)] for one in get_args(Trigger)])


def conditions() -> str:
    rows = [[f"`{tagged(one)}`", fields(one), *labelled(labels.CONDITIONS, tagged(one))] for one in get_args(Condition)]
    return table(["type", "fields", "English", "Polish"], rows)


def operators() -> str:
    return table(["op", "English", "Polish"], [[f"`{one}`", *labelled(labels.OPERATORS, one)] for one in get_args(Op)])


def actions() -> str:
    rows = [
        [f"`{tagged(one)}`", fields(one), *labelled(labels.ACTIONS, tagged(one)), summary(one)]
        for one in get_args(Action)
    ]
    return table(["type", "fields", "English", "Polish", "does"], rows)


def rule() -> str:
    return fields(RuleDraft, READ_ONLY) + "\n"


def outcomes() -> str:
    return table(["outcome", "English", "Polish"], [[f"`{one}`", *labelled(labels.OUTCOMES, one)] for one in Outcome])


def failures() -> str:
    return table(["code", "what happened"], [[f"`{one}`", FAILURES[one]] for one in Failure])


def policy() -> str:
    made: dict[str, Any] = {name: getattr(Policy(), name) for name in Policy.__struct_fields__}
    rows = [
        [f"`{outside}`", f"`{msgspec.json.encode(value).decode()}`"]
        for outside, value in zip(Policy.__struct_encode_fields__, made.values(), strict=True)
    ]
    return table(["policy", "default"], rows)


def webhook() -> str:
    sent = Delivery(
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
    credentials = Credentials(b"thirty-two bytes that nobody has", authorization="Basic amFuOg==")
    head = headers(sent, 1, credentials, "Goniec/0.1.0", 1_764_041_760_999)
    lines = ["POST /hook HTTP/1.1", "Host: crm.example", *(f"{name}: {value}" for name, value in head)]
    lines.append(f"Content-Length: {len(sent.body)}")
    return "```http\n" + "\n".join([*lines, "", sent.body.decode()]) + "\n```\n"


TABLES: Final[dict[str, Callable[[], str]]] = {
    one.__name__: one
    for one in (
        settings,
        commands,
        operations,
        events,
        triggers,
        conditions,
        operators,
        actions,
        rule,
        outcomes,
        failures,
        policy,
        webhook,
    )
}


def renewed(text: str) -> str:
    """A document with its tables as the code has them."""
    return BLOCK.sub(lambda found: f"<!-- table: {found[1]} -->\n{TABLES[found[1]]()}<!-- end -->", text)


if __name__ == "__main__":
    for page in REFERENCE.glob("*.md"):
        page.write_text(renewed(page.read_text()))
