"""What happens around every page: session, role, CSRF, errors, and the way back after a session that ended.

`dispatch` routes a path to `answer` here; nothing else calls a page. A change is refused unless it carries the secret
of its session (of its browser, before there is a session) and comes from our own pages. One that comes from our own
pages with the secret of an earlier session is shown to its user, to be sent again or left.
"""

import gzip
import re
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from goniec.core.model import Session, User
from goniec.flow.users import session_digest, still_open, touched
from goniec.observe import log
from goniec.web.context import ApiContext
from goniec.web.panel.doubles import Doubles
from goniec.web.panel.forms import Form, read_form
from goniec.web.panel.page import HTML, PAGE_HEADERS, Page, Visit, unmasked
from goniec.web.panel.told import told
from goniec.web.panel.typed import typed
from goniec.web.panel.words import Words, chosen
from goniec.web.peer import peer
from goniec.web.problems import Fault, fault_of
from goniec.web.reading import QUERY_LIMIT, Gone, read_body
from goniec.web.reply import Receive, Reply, Scope, Send, send_reply

SESSION_COOKIE: Final = "goniec_session"
BROWSER_COOKIE: Final = "goniec_browser"
"""What proves, before anybody has signed in, that a form came from a page of ours."""
LANGUAGE_COOKIE: Final = "goniec_language"
SIGN_IN: Final = "/login"

FORM_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of a form: a rule of the greatest size, percent-encoded."""

CSRF_FIELD: Final = "_csrf"
_A_SECRET: Final = re.compile(r"[0-9a-f]{32}")
"""What we put into a cookie; what anybody else put there is none."""

PACKED_FROM: Final = 1_024
"""Bytes of a page below which packing saves nothing."""
_EFFORT: Final = 4
"""A list of 100 rules is a tenth of its size with it, and no smaller worth the time with more."""
_CHANGING: Final = frozenset({"POST"})
_OWN_SITES: Final = frozenset({None, b"same-origin", b"none"})
"""What `Sec-Fetch-Site` says of our own pages; a browser that does not send it says nothing."""

BY_THEMSELVES: Final = frozenset({
    b"arrival", b"feed", b"figures", b"job", b"news", b"newer", b"standing", b"state", b"waiting",
})  # fmt: skip
"""The parts of pages that ask again while nobody does anything, by their id: htmx names it in `HX-Trigger`."""


async def answer(  # noqa: PLR0913, PLR0917 - the request of ASGI, and what is known of its path
    context: ApiContext,
    doubles: Doubles,
    pages: Mapping[str, Page],
    names: Mapping[str, str],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Answer one request; `pages` are those of its path, by method."""
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    try:
        visit = await _visit(context, method, scope, receive)
    except Gone:
        return
    except Exception as error:  # noqa: BLE001 - every one becomes an answer
        visit = _stranger(context, method, scope)
        await send_reply(_packed(visit, _failed(visit, error)), send)
        return
    try:
        reply = await _page(visit, pages[method], names, doubles)
    except Exception as error:  # noqa: BLE001 - every one becomes a page; what is not expected is logged there
        reply = _failed(visit, error)
    await send_reply(_packed(visit, reply), send)


async def lost(context: ApiContext, scope: Scope, error: Exception) -> Reply:
    """The page for an address that leads nowhere."""
    try:
        found = await _session(context, dict(scope["headers"]))
    except Exception:  # noqa: BLE001 - without the store it is still a page
        found = None
    return _failed(_stranger(context, scope["method"], scope, found), error)


def _packed(visit: Visit, reply: Reply) -> Reply:
    """Pack a page for a browser that takes it so; the secret in it is masked, see `page.masked`."""
    if reply.media_type != HTML or not isinstance(reply.content, bytes) or len(reply.content) < PACKED_FROM:
        return reply
    headers = (*reply.headers, ("vary", "accept-encoding"))
    if b"gzip" not in visit.headers.get(b"accept-encoding", b"").lower():
        return replace(reply, headers=headers)
    content = gzip.compress(reply.content, _EFFORT, mtime=0)
    return replace(reply, content=content, headers=(*headers, ("content-encoding", "gzip")))


async def _page(visit: Visit, page: Page, names: Mapping[str, str], doubles: Doubles) -> Reply:
    if page.role is not None and visit.user is None:
        return await _sign_in_first(visit)
    allowed = page.role is None or visit.may(page.role)
    if page.method in _CHANGING and not _of_this_session(visit, page):
        if allowed and visit.user is not None and page.role is not None and _ours(visit) and not visit.htmx:
            return resume(visit, _typed(visit), visit.path, who=visit.user.email, status=403)
        raise Fault(403, visit.say("This form is out of date. Reload the page and try again."), code="forbidden")
    if not allowed:
        raise Fault(403, visit.say("Your role does not allow this. Ask an administrator."), code="forbidden")
    given = {name: names[name] for name in page.names}
    return await doubles.once(visit, lambda: page.handler(visit, **given))


async def _sign_in_first(visit: Visit) -> Reply:
    """Ask to sign in; what was being sent is kept in the page, so that nothing typed is lost."""
    if visit.htmx:
        message = visit.say("Your session has ended. Sign in again in another tab; what you typed stays here.")
        return Reply(401, message.encode(), PAGE_HEADERS, "text/plain; charset=utf-8")
    if visit.method == "POST" and (_from_elsewhere(visit) or visit.path == "/logout"):
        # what another site has filled in is not what this user typed, and must not be offered to be sent on
        return visit.go("/login")
    if visit.method == "POST":
        return visit.page(
            "sign_in.html", status=401, ended=True, kept=_typed(visit), next=visit.path, email="", problem=None
        )
    if not await visit.context.store.queries.users():
        return visit.go("/first-run")
    return visit.go("/login", next=visit.path + _query(visit))


def resume(visit: Visit, kept: Sequence[tuple[str, str]], path: str, *, who: str, status: int = 200) -> Reply:
    """Show what was sent with a session that is over, for it to be sent again in the one of `who`."""
    return visit.page("resume.html", status=status, kept=kept, filled=typed(visit, kept, path), next=path, who=who)


def _typed(visit: Visit) -> list[tuple[str, str]]:
    return [(name, value) for name, value in visit.form.pairs if name != CSRF_FIELD]


def _from_elsewhere(visit: Visit) -> bool:
    """Say whether a form stood on another site, as far as its browser tells."""
    site, source = visit.headers.get(b"sec-fetch-site"), visit.headers.get(b"origin")
    if site is not None or source is None:
        return site not in _OWN_SITES
    own = {visit.headers.get(b"host", b"").decode("latin-1"), urlsplit(visit.context.public_url).netloc}
    return source.decode("latin-1").partition("://")[2] not in own


def _query(visit: Visit) -> str:
    from urllib.parse import urlencode

    return "?" + urlencode(visit.query.pairs) if visit.query.pairs else ""


def _ours(visit: Visit) -> bool:
    """Say whether its browser vouches for it that a form stood on a page of ours."""
    return not _from_elsewhere(visit) and (b"sec-fetch-site" in visit.headers or b"origin" in visit.headers)


def _of_this_session(visit: Visit, page: Page) -> bool:
    """Say whether a form carries the secret; a page that is open to everybody may be older than the session."""
    given = unmasked(visit.form.get(CSRF_FIELD) or visit.headers.get(b"x-csrf-token", b"").decode("latin-1"))
    known = [visit.csrf, visit.cookies.get(BROWSER_COOKIE, "") if page.role is None else ""]
    fits = any(one and compare_digest(given.encode(), one.encode()) for one in known)
    return fits and visit.headers.get(b"sec-fetch-site") in _OWN_SITES


async def _visit(context: ApiContext, method: str, scope: Scope, receive: Receive) -> Visit:
    headers = dict(scope["headers"])
    form = Form()
    if method in _CHANGING:
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        raw = await read_body(headers, receive, FORM_LIMIT)
        if raw and kind != b"application/x-www-form-urlencoded":
            raise Fault(415, "send the form as application/x-www-form-urlencoded")
        form = read_form(raw)
    query = _query_of(scope)
    found = await _session(context, headers)
    if found is not None and headers.get(b"hx-trigger") not in BY_THEMSELVES:
        await touched(context.outside, found[0], context.clock.now())
    return _made(context, method, scope, (query, form), found)


async def _session(context: ApiContext, headers: Mapping[bytes, bytes]) -> tuple[Session, User] | None:
    token = _cookies(headers).get(SESSION_COOKIE)
    if not token:
        return None
    found = await context.store.queries.session(session_digest(token))
    return found if found is not None and still_open(found[0], found[1], context.clock.now()) else None


def _query_of(scope: Scope) -> Form:
    text: bytes = scope["query_string"]
    return read_form(text) if len(text) <= QUERY_LIMIT else Form()


def _stranger(context: ApiContext, method: str, scope: Scope, found: tuple[Session, User] | None = None) -> Visit:
    """A visit that can always be made, for saying what was wrong with the request."""
    try:
        query = _query_of(scope)
    except Fault:
        query = Form()
    return _made(context, method, scope, (query, Form()), found)


def _made(
    context: ApiContext,
    method: str,
    scope: Scope,
    sent: tuple[Form, Form],
    found: tuple[Session, User] | None,
) -> Visit:
    headers = dict(scope["headers"])
    cookies = _cookies(headers)
    session, user = found or (None, None)
    query, form = sent
    # there a form that carries something asks for another language; elsewhere a field of that name is somebody's own
    asked = query.get("lang") or (form.get("lang") if scope["path"] == SIGN_IN else "")
    language = chosen(
        asked,
        user.language if user else None,
        cookies.get(LANGUAGE_COOKIE),
        headers.get(b"accept-language", b"").decode("latin-1"),
        context.language,
    )
    browser = cookies.get(BROWSER_COOKIE, "")
    if not _A_SECRET.fullmatch(browser):
        browser = ""
    visit = Visit(
        context,
        method=method,
        path=scope["path"],
        query=query,
        form=form,
        headers=headers,
        cookies=cookies,
        user=user,
        session=session,
        csrf=session.csrf if session else browser,
        words=Words(language),
        address=peer(scope, context.trusted_proxies),
    )
    if session is None and not browser:
        visit.csrf = f"{context.dice.bits(128):032x}"
        visit.set_cookie(BROWSER_COOKIE, visit.csrf)
    if asked in {"pl", "en"}:
        visit.set_cookie(LANGUAGE_COOKIE, language, seconds=365 * 86_400)
    return visit


def _cookies(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    try:
        jar = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def _failed(visit: Visit, error: Exception) -> Reply:
    request_id = f"req_{visit.context.dice.bits(80):020x}"
    fault = fault_of(error)
    if fault is None:
        log.exception("request.failed", request_id=request_id, method=visit.method, path=visit.path)
        fault = Fault(500, visit.say("Something went wrong in Goniec itself. Its log says more under this number."))
    headers = (*PAGE_HEADERS, *fault.headers, ("x-request-id", request_id))
    detail = " ".join(told(one, visit.words) for one in fault.errors) or visit.hint(fault.detail)
    if visit.htmx:
        return Reply(fault.status, detail.encode(), headers, "text/plain; charset=utf-8")
    reply = visit.page("error.html", status=fault.status, fault=fault, detail=detail, request_id=request_id)
    return Reply(fault.status, reply.content, (*headers, *_own(reply)), HTML)


def _own(reply: Reply) -> tuple[tuple[str, str], ...]:
    return tuple(header for header in reply.headers if header[0] == "set-cookie")


def local_target(text: str) -> str:
    """Give where to go after signing in: a path of ours, whatever the address said."""
    safe = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if safe else "/"
