"""One's own account: name, language, time zone, password, and the browsers that are signed in."""

from typing import Final

from msgspec import Struct

from goniec.core.model import Session, User
from goniec.core.problems import Invalid
from goniec.core.times import Millis
from goniec.flow.configure import Conflict, Missing, Stale
from goniec.flow.passwords import change_own_password
from goniec.flow.users import Denied, Throttled, change_user, sign_out
from goniec.web.panel.browsers import browser_name
from goniec.web.panel.page import Visit, page
from goniec.web.panel.serve import LANGUAGE_COOKIE, SESSION_COOKIE
from goniec.web.panel.words import Words, chosen
from goniec.web.panel.zones import zones
from goniec.web.problems import Fault, missing
from goniec.web.reply import Reply

NAME_DIGITS: Final = 16
"""So much of what is kept of a session names it in a form; it opens nothing."""


class Browser(Struct, frozen=True):
    """A browser that is signed in."""

    name: str
    agent: str
    since: Millis
    seen_at: Millis
    here: bool


@page("GET", "/account", role="viewer")
async def account(visit: Visit) -> Reply:
    """Show one's own account."""
    return await _shown(visit, {})


@page("POST", "/account", role="viewer")
async def change(visit: Visit) -> Reply:
    """Change one's own name, language and time zone."""
    user, context = _user(visit), visit.context
    wanted = {name: visit.form.text(name) for name in ("name", "language", "timezone")}
    try:
        saved = await change_user(context.store, context.clock, context.gate.passwords, user.id, wanted)
    except Invalid as invalid:
        return await _shown(visit, visit.told(invalid), wanted, status=422)
    if not isinstance(saved, User):
        raise missing("user")
    return visit.go("/account", note=_words(visit, saved).say("Your account is saved."))


@page("POST", "/account/password", role="viewer")
async def change_password(visit: Visit) -> Reply:
    """Change one's own password, for the present one; other browsers are signed out."""
    user, session = _user(visit), _session(visit)
    try:
        result = await change_own_password(
            visit.context.outside,
            visit.context.gate,
            user,
            present=visit.form.get("present"),
            password=visit.form.get("password"),
            address=visit.address,
            keep=session.digest,
        )
    except Invalid as invalid:
        return await _shown(visit, visit.told(invalid), status=422)
    match result:
        case User():
            note = visit.say("Your password has been changed. All other browsers are signed out.")
            return visit.go("/account", note=note)
        case Throttled(seconds):
            wait = visit.many("Wait %(n)s second and try again.", "Wait %(n)s seconds and try again.", seconds)
            told = {"present": f"{visit.say('Too many attempts.')} {wait}"}
            return await _shown(visit, told, status=429)
        case Denied():
            return await _shown(visit, {"present": visit.say("This is not your current password.")}, status=422)
        case Missing() | Stale() | Conflict():
            raise missing("user")


@page("POST", "/account/sign-out", role="viewer")
async def end_session(visit: Visit) -> Reply:
    """Sign out one browser of one's own; one that is out already stays so."""
    wanted = visit.form.get("session")
    sessions = await visit.context.store.queries.sessions(_user(visit).id)
    found = next((one for one in sessions if _name(one) == wanted), None)
    if found is not None:
        await sign_out(visit.context.outside, found)
        if found.digest == _session(visit).digest:
            visit.forget_cookie(SESSION_COOKIE)
            return visit.go("/login")
    return visit.go("/account", note=visit.say("That browser is signed out."))


@page("POST", "/account/sign-out-everywhere", role="viewer")
async def end_all(visit: Visit) -> Reply:
    """Sign out everywhere, here too."""
    await sign_out(visit.context.outside, _session(visit), everywhere=True)
    visit.forget_cookie(SESSION_COOKIE)
    return visit.go("/login")


async def _shown(
    visit: Visit, problems: dict[str, str], typed: dict[str, str] | None = None, *, status: int = 200
) -> Reply:
    user, session = _user(visit), _session(visit)
    sessions = await visit.context.store.queries.sessions(user.id)
    browsers = [
        Browser(_name(one), browser_name(one.agent), one.created_at, one.seen_at, one.digest == session.digest)
        for one in sorted(sessions, key=lambda one: (one.digest != session.digest, -one.seen_at))
        if one.expires_at > visit.now
    ]
    kept = {"name": user.name, "language": user.language or "", "timezone": user.timezone or ""}
    return visit.page(
        "account.html",
        status=status,
        fields=typed or kept,
        problems=problems,
        browsers=browsers,
        zones=zones(),
    )


def _words(visit: Visit, user: User) -> Words:
    """The words of the next page, which may be in another language than this one."""
    asked = visit.headers.get(b"accept-language", b"").decode("latin-1")
    return Words(chosen(user.language, visit.cookies.get(LANGUAGE_COOKIE), asked, visit.context.language))


def _user(visit: Visit) -> User:
    """Who is signed in; a page with a role is shown to nobody else."""
    if visit.user is None:
        raise Fault(403, visit.say("Sign in"))
    return visit.user


def _session(visit: Visit) -> Session:
    if visit.session is None:
        raise Fault(403, visit.say("Sign in"))
    return visit.session


def _name(session: Session) -> str:
    return session.digest.hex()[:NAME_DIGITS]
