"""In and out: the first administrator, signing in and out, going on after a session that ended."""

from typing import Final
from zoneinfo import available_timezones

from goniec.core.problems import Invalid
from goniec.flow.configure import Conflict
from goniec.flow.users import LIFE_REMEMBERED, SignedIn, Throttled, add_user, open_session, sign_in, sign_out
from goniec.web.panel.forms import Form
from goniec.web.panel.page import Visit, page
from goniec.web.panel.serve import SESSION_COOKIE, local_target, resume
from goniec.web.panel.words import chosen
from goniec.web.reply import Reply

KEPT: Final = "kept:"
"""What begins the names of fields that somebody had typed when the session ended."""


@page("GET", "/login", role=None)
async def login(visit: Visit) -> Reply:
    """Ask who it is."""
    if visit.user is not None:
        return visit.go(local_target(visit.query.get("next", "/")))
    if not await visit.context.store.queries.users():
        return visit.go("/first-run")
    return _asked(visit, local_target(visit.query.get("next", "/")))


@page("POST", "/login", role=None)
async def signed_in(visit: Visit) -> Reply:
    """Let somebody in, or say that it does not fit, never what does not; or ask once more in another language."""
    target = local_target(visit.form.get("next", "/"))
    email = visit.form.text("email")
    if "lang" in visit.form:
        return _asked(visit, target, email)
    result = await sign_in(
        visit.context.outside,
        visit.context.gate,
        email=email,
        password=visit.form.get("password"),
        address=visit.address,
        agent=visit.agent,
        remember="remember" in visit.form,
    )
    match result:
        case Throttled(seconds):
            wait = visit.many("Wait %(n)s second and try again.", "Wait %(n)s seconds and try again.", seconds)
            return _asked(visit, target, email, (visit.say("Too many attempts."), wait), status=429)
        case SignedIn():
            if visit.session is not None:
                await sign_out(visit.context.outside, visit.session)
            _let_in(visit, result)
        case _:
            hint = visit.say("After several failed attempts you have to wait a moment.")
            return _asked(visit, target, email, (visit.say("Wrong e-mail address or password."), hint), status=401)
    kept = _kept(visit.form)
    if visit.form.get("ended"):
        return resume(visit, kept, target, who=result.user.email)
    return visit.go(target)


@page("POST", "/logout", role="viewer")
async def logout(visit: Visit) -> Reply:
    """End this session."""
    if visit.session is not None:
        await sign_out(visit.context.outside, visit.session)
    visit.forget_cookie(SESSION_COOKIE)
    return visit.go("/login")


@page("GET", "/first-run", role=None)
async def welcome(visit: Visit) -> Reply:
    """Offer the first account, while there is none."""
    if await visit.context.store.queries.users():
        return visit.go("/login")
    return _first(visit, Form(), {})


@page("POST", "/first-run", role=None)
async def first_account(visit: Visit) -> Reply:
    """Make the first administrator and sign in."""
    form, context = visit.form, visit.context
    try:
        made = await add_user(
            context.store,
            context.clock,
            context.dice,
            context.gate.passwords,
            email=form.text("email"),
            password=form.get("password"),
            role="admin",
            name=form.text("name"),
            language=chosen(form.get("language"), visit.language),
            timezone=form.text("timezone"),
            first=True,
        )
    except Invalid as invalid:
        return _first(visit, form, visit.told(invalid), status=422)
    if isinstance(made, Conflict):
        return visit.go("/login", note=visit.say("There is an administrator already. Sign in."))
    _let_in(visit, await open_session(context.outside, made, agent=visit.agent))
    return visit.go("/welcome")


def _let_in(visit: Visit, made: SignedIn) -> None:
    seconds = LIFE_REMEMBERED // 1000 if made.session.remember else None
    visit.csrf = made.session.csrf
    visit.set_cookie(SESSION_COOKIE, made.token, seconds=seconds)


def _kept(form: Form) -> list[tuple[str, str]]:
    return [(name.removeprefix(KEPT), value) for name, value in form.pairs if name.startswith(KEPT)]


def _asked(
    visit: Visit, target: str, email: str = "", problem: tuple[str, str] | None = None, status: int = 200
) -> Reply:
    kept = _kept(visit.form)
    ended = bool(visit.form.get("ended"))
    return visit.page("sign_in.html", status=status, next=target, email=email, problem=problem, kept=kept, ended=ended)


def _first(visit: Visit, form: Form, problems: dict[str, str], status: int = 200) -> Reply:
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return visit.page(
        "first_run.html", status=status, form=form, problems=problems, problem=problems.get(""), zones=zones
    )
