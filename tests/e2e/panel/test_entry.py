"""In and out: the first administrator, signing in and out, sessions that end, forms from elsewhere, roles."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from goniec.web.panel.routes import PAGES
from tests.e2e.engine import Engine
from tests.e2e.engine import engine as running
from tests.e2e.panel.client import PASSWORD, Person, SignIn, make_user, people

FIRST = {
    "email": "ala@example.com",
    "password": PASSWORD,
    "name": "Ala Nowak",
    "language": "pl",
    "timezone": "Europe/Warsaw",
}


async def test_the_first_account_is_the_administrators(sign_in: SignIn) -> None:
    ala = await sign_in(None)
    assert (await ala.get("/rules/new")).location == "/first-run"
    page = await ala.get("/first-run")
    made = await ala.send("/first-run", FIRST, page=page)
    assert made.status == 303, made.text
    assert "Ala Nowak" in (await ala.get("/")).text
    # the door is shut behind her
    jan = await sign_in(None)
    assert (await jan.get("/first-run")).location == "/login"
    await jan.get("/login")
    assert (await jan.send("/first-run", FIRST | {"email": "jan@example.com"})).location == "/login"


async def test_what_is_wrong_with_the_first_account_is_told_at_the_field(sign_in: SignIn) -> None:
    ala = await sign_in(None, "pl")
    await ala.get("/first-run")
    page = await ala.send("/first-run", FIRST | {"email": "ala", "password": "short", "timezone": "Mars/Olympus"})
    assert page.status == 422
    assert set(page.problems) == {"email", "password", "timezone"}
    assert "adres e-mail ma dokładnie jeden znak @" in page.text.lower()
    assert page.fields["name"] == ["Ala Nowak"]
    assert page.fields["password"] == [""], "a password is never sent back"


async def test_signing_in_never_tells_who_is_known(engine: Engine, sign_in: SignIn) -> None:
    await make_user(engine, "ala@example.com", "admin")
    ala = await sign_in(None)
    await ala.get("/login")
    wrong = await ala.send("/login", {"email": "ala@example.com", "password": "something else"})
    nobody = await ala.send("/login", {"email": "nobody@example.com", "password": "something else"})
    assert wrong.status == nobody.status == 401
    assert wrong.text == nobody.text


async def test_many_tries_have_to_wait(engine: Engine, sign_in: SignIn) -> None:
    await make_user(engine, "ala@example.com", "admin")
    ala = await sign_in(None)
    await ala.get("/login")
    tried = await ala.get("/login")
    for _ in range(20):
        tried = await ala.send("/login", {"email": "ala@example.com", "password": "something else"})
        if tried.status == 429:
            break
    assert tried.status == 429
    right = await ala.send("/login", {"email": "ala@example.com", "password": PASSWORD})
    assert right.status == 429, "a throttled try is not even looked at"


async def test_a_session_is_another_one_after_signing_in_and_gone_after_signing_out(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    first = ala.http.cookies["goniec_session"]
    left = await ala.send("/logout")
    assert left.location == "/login"
    ala.http.cookies.set("goniec_session", first)
    assert (await ala.get("/rules/new")).location.startswith("/login")


async def test_cookies_are_for_the_server_alone(sign_in: SignIn, engine: Engine) -> None:
    await make_user(engine, "ala@example.com", "admin")
    ala = await sign_in(None)
    await ala.get("/login")
    entered = await ala.send("/login", {"email": "ala@example.com", "password": PASSWORD})
    cookie = next(one for one in entered.answer.headers.get_list("set-cookie") if one.startswith("goniec_session"))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie, "this Goniec is reached over http"


@pytest.mark.parametrize("secret", ["", "0" * 32])
async def test_a_form_without_the_sessions_secret_changes_nothing(sign_in: SignIn, secret: str) -> None:
    ala = await sign_in("admin")
    assert (await ala.send("/rules/new", {"_csrf": secret, "name": "x", "do": "save"})).status == 403
    assert (await ala.get("/")).status == 200


async def test_a_form_from_another_site_changes_nothing(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    sent = await ala.send("/logout", **{"sec-fetch-site": "cross-site"})
    assert sent.status == 403
    assert (await ala.get("/")).status == 200


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/ok\r\nx: y"]
)
async def test_signing_in_leads_nowhere_else(engine: Engine, sign_in: SignIn, target: str) -> None:
    await make_user(engine, "ala@example.com", "admin")
    ala = await sign_in(None)
    await ala.get("/login")
    entered = await ala.send("/login", {"email": "ala@example.com", "password": PASSWORD, "next": target})
    assert entered.location == "/"


async def test_what_was_typed_outlives_the_session(sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    page = await ala.get("/rules/new")
    ala.http.cookies.delete("goniec_session")
    asked = await ala.send(
        "/rules/new", {"name": "Nowy <b>klient</b>", "actions/0/url": "inbox:", "do": "save"}, page=page
    )
    assert asked.status == 401
    signed = await ala.send("/login", {"email": "editor@example.com", "password": PASSWORD}, page=asked)
    assert signed.status == 200
    assert signed.fields["name"] == ["Nowy <b>klient</b>"]
    saved = await ala.send("/rules/new", page=signed)
    assert saved.status == 303, saved.text
    assert "Nowy <b>klient</b>" in (await ala.follow(saved)).fields["name"]


RANK = {None: 0, "viewer": 1, "editor": 2, "admin": 3}
PROTECTED = [one for one in PAGES if one.role is not None]


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
async def test_a_page_opens_to_its_role_and_those_above(sign_in: SignIn, role: str) -> None:
    """A table of roles and pages; every page has a role, or is one of those that are there for strangers."""
    somebody: Person = await sign_in(role)
    for n, one in enumerate(PROTECTED):
        path = one.path.replace("{id}", "x_1").replace("{name}", "x")
        opened = await (somebody.get(path) if one.method == "GET" else somebody.send(path))
        allowed = RANK[role] >= RANK[one.role]
        assert (opened.status != 403) == allowed, f"{role}: {one.method} {path} is {opened.status}"
        assert opened.status < 500, f"{role}: {one.method} {path} is {opened.status}"
        if one.method == "POST" and path.startswith(("/logout", "/account")):
            # the session may have ended by it
            somebody = await sign_in(role, email=f"{role}{n}@example.com")


async def test_strangers_see_nothing_but_the_door(sign_in: SignIn) -> None:
    await sign_in("admin")
    stranger = await sign_in(None)
    await stranger.get("/login")
    for one in PROTECTED:
        path = one.path.replace("{id}", "x_1").replace("{name}", "x")
        opened = await (stranger.get(path) if one.method == "GET" else stranger.send(path))
        assert opened.status in {303, 401}, f"{one.method} {path} is {opened.status}"
        assert one.method == "POST" or opened.location.startswith("/login")


def test_pages_for_strangers_are_few() -> None:
    assert {f"{one.method} {one.path}" for one in PAGES if one.role is None} == {
        "GET /first-run",
        "GET /login",
        "POST /first-run",
        "POST /login",
    }


@pytest.mark.parametrize("path", ["/nothing", "/rules/rul_nothing", "/assets/x/nothing.css"])
async def test_what_is_not_there_has_a_page_that_says_so(sign_in: SignIn, path: str) -> None:
    ala = await sign_in("admin")
    assert (await ala.get(path)).status == 404


async def test_every_page_is_guarded_by_its_headers(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    for path in ("/", "/rules/new", "/nothing"):
        headers = (await ala.get(path)).answer.headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
    stranger = await sign_in(None)
    turned_away = await stranger.get("/rules")
    assert turned_away.status == 303
    assert turned_away.answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("base", ["https://crm.example.pl", "https://example.pl/goniec"])
async def test_a59_links_and_cookies_follow_the_public_url_and_never_the_request(tmp_path: Path, base: str) -> None:
    odd = {
        "host": "evil.example",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "http",
        "forwarded": "host=evil.example",
    }
    async with running(tmp_path, public_url=base) as engine, people(engine) as sign_in:
        await make_user(engine, "ala@example.com", "admin")
        ala = await sign_in(None)
        page = await ala.get("/login", **odd)
        path = urlsplit(base).path
        assert f'action="{path}/login"' in page.html
        assert "evil" not in page.html
        ala.http.cookies.set("goniec_browser", ala.csrf)  # over http a browser would not send it back
        entered = await ala.send("/login", {"email": "ala@example.com", "password": PASSWORD, "next": "/rules"}, **odd)
        assert entered.location == f"{path}/rules"
        cookies = entered.answer.headers.get_list("set-cookie")
        assert cookies
        for cookie in cookies:
            assert "Secure" in cookie
            assert f"Path={path}/;" in cookie


@pytest.mark.parametrize(
    "head",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
async def test_what_another_site_has_filled_in_is_not_offered_to_be_sent_on(
    sign_in: SignIn, head: dict[str, str]
) -> None:
    """Its form comes without our cookie, as one of ours does whose session has ended."""
    await sign_in("admin")
    stranger = await sign_in(None)
    await stranger.get("/login")
    sent = await stranger.send("/users/new", {"email": "evil@example.com", "role": "admin"}, **head)
    assert sent.location == "/login"
    assert "evil@example.com" not in sent.html
