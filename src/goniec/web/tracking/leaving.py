"""The page on which the person of a mail opts out, and in again; a mail program does so by one click (RFC 8058).

Looking at it changes nothing, so whoever follows all links of a mail opts nobody out. It is in the contact's language,
has no script and knows of no cookie: the token alone says whom it is about. Called by `routes`.
"""

import re
from typing import Final, Literal

from goniec.core.identity import Refusal
from goniec.core.model import Contact
from goniec.core.tokens import Mark
from goniec.flow.record import Overloaded
from goniec.flow.tracking import leaving, returning
from goniec.ports import Queries, Unavailable
from goniec.web.context import ApiContext
from goniec.web.panel.drawing import draw
from goniec.web.panel.forms import Form, read_form
from goniec.web.panel.page import HTML, Visit
from goniec.web.panel.words import Words, chosen
from goniec.web.problems import RETRY_SECONDS, Fault
from goniec.web.reading import read_body
from goniec.web.reply import Receive, Reply, Scope

BODY_LIMIT: Final = 16 * 1024

CHANNEL: Final = "email"

State = Literal["ask", "left", "out", "back", "gone", "away", "missing", "unclear"]
"""What the page says: whether to leave, that it is done, by this mail (which can be undone) or elsewhere, that it is
undone, that there is nobody, not now, no page, no answer."""

_ONE_CLICK: Final = re.compile(
    rb'List-Unsubscribe"?(?:=|[^\S\r\n]*\r?\n(?:[^\r\n]+\r?\n){0,8}\r?\n)One-Click', re.IGNORECASE
)
"""As the body of a form of either kind (RFC 8058, section 3.2).

The head of a part is short: looked for without end, it would let whoever has a token keep us busy.
"""

_STATUS: Final[dict[State, int]] = {"missing": 404, "away": 503, "unclear": 400}
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""No script at all."""

_HEADERS: Final = (
    ("content-security-policy", _POLICY),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex"),
)


async def look(context: ApiContext, mark: Mark, scope: Scope) -> Reply:
    """Ask whether to opt out, or say that it is so. Without the database it asks."""
    try:
        return page(context, scope, *await _standing(context.store.queries, mark))
    except Unavailable:
        return page(context, scope, "ask")


async def change(context: ApiContext, mark: Mark, scope: Scope, receive: Receive) -> Reply:
    """Opt out, or in again. What is answered with 200 is on the database's disk."""
    out = _wanted(await read_body(dict(scope["headers"]), receive, BODY_LIMIT))
    if out is None:
        return page(context, scope, "unclear")
    try:
        call = leaving(mark) if out else await returning(context.store.queries, mark)
        results = () if call is None else await context.recorder.record([call])
        state, contact = await _standing(context.store.queries, mark)
    except (Unavailable, Overloaded):
        return page(context, scope, "away", again="leave" if out else "return")
    done = results[0] if isinstance(results, list | tuple) and results else None
    if isinstance(done, Refusal) and done.code != "unknownContact":
        return page(context, scope, "away", again="leave" if out else "return")
    again = not out and contact is not None and contact.subscriptions.get(CHANNEL) is True
    return page(context, scope, "back" if again else state, contact)


async def _standing(queries: Queries, mark: Mark) -> tuple[State, Contact | None]:
    contact = await queries.contact(mark.contact_id)
    if contact is None:
        return "gone", None
    if contact.subscriptions.get(CHANNEL) is not False:
        return "ask", contact
    return "out" if await returning(queries, mark) is None else "left", contact


def page(
    context: ApiContext, scope: Scope, state: State, contact: Contact | None = None, again: str = "leave"
) -> Reply:
    """Give the page; `again` is what its form asks for where it has to be asked once more."""
    visit = _visit(context, scope, chosen(contact.language if contact else None, context.language))
    address = masked(contact.email) if contact is not None and contact.email else ""
    body = draw("leave.html", visit, {"state": state, "address": address, "again": again})
    retry = (("retry-after", str(RETRY_SECONDS)),) if state == "away" else ()
    return Reply(_STATUS.get(state, 200), body, (*_HEADERS, *retry), HTML)


def masked(address: str) -> str:
    """Give an address that its owner knows again, and nobody else learns: j…n@example.com."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…{local[-1:] if len(local) > 2 else ''}@{domain}"  # noqa: PLR2004 - of two, the other is left


def _wanted(raw: bytes) -> bool | None:
    """Say whether a body wants to leave (False: to return); None: neither."""
    if _ONE_CLICK.search(raw) is not None:
        return True
    try:
        return {"leave": True, "return": False}.get(read_form(raw).get("do"))
    except Fault:
        return None


def _visit(context: ApiContext, scope: Scope, language: Literal["pl", "en"]) -> Visit:
    return Visit(
        context,
        method=scope["method"],
        path=scope["path"],
        query=Form(),
        form=Form(),
        headers={},
        cookies={},
        user=None,
        session=None,
        csrf="0",
        words=Words(language),
        address="",
    )
