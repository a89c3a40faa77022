"""In and out: the first administrator, signing in and out, sessions that end, forms from elsewhere, roles."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import apsw
import pytest
from msgspec.structs import replace

from goniec.store.rows import decode_session, encode
from goniec.web import panel
from goniec.web.panel.routes import PAGES
from goniec.web.panel.serve import BY_THEMSELVES
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


@pytest.mark.parametrize(("language", "word"), [("en", "sets a new one under Users"), ("pl", "w zakładce Użytkownicy")])
async def test_who_forgot_the_password_reads_where_another_is_set(sign_in: SignIn, language: str, word: str) -> None:
    await sign_in("admin")
    page = await (await sign_in(None, language)).get("/login")
    assert word in page.text
    assert "goniec user password" in page.text


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


OURS = {"sec-fetch-site": "same-origin"}


@pytest.mark.parametrize("head", [OURS, {"origin": "ENGINE"}])
async def test_a_form_of_an_earlier_session_is_shown_and_goes_on_in_this_one(
    engine: Engine, sign_in: SignIn, head: dict[str, str]
) -> None:
    """Its session ended, and somebody signed in again in another tab before it was sent."""
    head = {name: value.replace("ENGINE", engine.url) for name, value in head.items()}
    ala = await sign_in("admin")
    typed = {
        "email": "jan@example.com",
        "name": "Jan <b>Kowalski</b>",
        "role": "editor",
        "password": "ten little words",
    }
    first = ala.csrf
    ala.http.cookies.delete("goniec_session")
    await ala.get("/login")
    await ala.send("/login", {"email": "admin@example.com", "password": PASSWORD})
    shown = await ala.send("/users/new", {**typed, "_csrf": first}, **head)
    assert shown.status == 403
    assert "Jan <b>Kowalski</b>" in shown.text
    assert "admin@example.com" in shown.text
    assert "Users /users/new" in shown.text
    assert "ten little words" not in shown.text
    assert "Jan" not in (await ala.get("/users")).text
    saved = await ala.send("/users/new", page=shown, **head)
    assert saved.status == 303, saved.text
    assert "Jan <b>Kowalski</b>" in (await ala.get("/users")).text


@pytest.mark.parametrize("head", [{}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}])
async def test_a_form_with_a_wrong_secret_is_not_shown_unless_its_browser_vouches_for_it(
    sign_in: SignIn, head: dict[str, str]
) -> None:
    ala = await sign_in("admin")
    refused = await ala.send("/users/new", {"name": "Eve", "_csrf": "0" * 32}, **head)
    assert refused.status == 403
    assert "Eve" not in refused.html


async def test_a_viewer_is_not_offered_to_go_on_with_what_editors_do(sign_in: SignIn) -> None:
    jan = await sign_in("viewer")
    refused = await jan.send("/rules/new", {"name": "VIP", "_csrf": "0" * 32}, **OURS)
    assert refused.status == 403
    assert "VIP" not in refused.html


async def test_a_second_door_lets_in_too_and_shuts_the_first(engine: Engine, sign_in: SignIn) -> None:
    """Two tabs asked to sign in; the second is older than the session that the first has opened."""
    await make_user(engine, "ala@example.com", "admin")
    ala = await sign_in(None)
    await ala.get("/login")
    secret = ala.csrf
    entry = {"email": "ala@example.com", "password": PASSWORD, "_csrf": secret}
    assert (await ala.send("/login", entry)).status == 303
    first = ala.http.cookies["goniec_session"]
    assert (await ala.get("/")).status == 200
    assert (await ala.send("/login", entry)).status == 303
    assert (await ala.get("/")).status == 200
    ala.http.cookies.clear()
    ala.http.cookies.set("goniec_session", first)
    assert (await ala.get("/")).location.startswith("/login")


async def test_signing_out_twice_ends_at_the_door(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    assert (await ala.send("/logout")).location == "/login"
    assert (await ala.send("/logout")).location == "/login"


def test_every_part_that_asks_by_itself_is_known() -> None:
    asking = re.compile(r'id="(\w+)"[^>]*hx-trigger="every')
    templates = Path(panel.__file__).with_name("templates")
    found = {one for path in templates.glob("*.html") for one in asking.findall(path.read_text())}
    every = sum(path.read_text().count('hx-trigger="every') for path in templates.glob("*.html"))
    assert found == {one.decode() for one in BY_THEMSELVES}
    assert every == len(found)


@pytest.mark.parametrize(("head", "moved"), [({}, True), ({"hx-request": "true", "hx-trigger": "figures"}, False)])
async def test_a_page_that_asks_by_itself_keeps_no_session_alive(
    engine: Engine, sign_in: SignIn, head: dict[str, str], *, moved: bool
) -> None:
    ala = await sign_in("admin")
    db = apsw.Connection(str(engine.folder / "goniec.db"))
    try:
        db.set_busy_timeout(10_000)
        ((digest, doc),) = db.execute("SELECT digest, doc FROM sessions").fetchall()
        hour = 3_600_000
        assert isinstance(doc, bytes)
        session = decode_session(doc)
        earlier = replace(session, seen_at=session.seen_at - hour, expires_at=session.expires_at - hour)
        row = (encode(earlier), earlier.expires_at, digest)
        db.execute("UPDATE sessions SET doc = ?, expires_at = ? WHERE digest = ?", row)
        before = db.execute("SELECT expires_at FROM sessions").get
        assert (await ala.get("/overview/now", **head)).status == 200
        after = db.execute("SELECT expires_at FROM sessions").get
    finally:
        db.close()
    assert (after > before) == moved


async def test_a_form_from_another_site_changes_nothing(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    sent = await ala.send("/logout", **{"sec-fetch-site": "cross-site"})
    assert sent.status == 403
    assert (await ala.get("/")).status == 200


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/ok\r\nx: y", "http://[::1"],
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


async def test_what_was_typed_outlives_another_language_and_a_wrong_password(sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    page = await ala.get("/rules/new")
    ala.http.cookies.delete("goniec_session")
    asked = await ala.send("/rules/new", {"name": "Nowy klient", "actions/0/url": "inbox:", "do": "save"}, page=page)
    assert not [link for link in asked.links if "lang=" in link], "a link drops what was typed"
    assert 'name="lang"' in asked.html
    typed = {"email": "editor@example.com", "password": "not the one"}
    polish = await ala.send("/login", {**typed, "lang": "pl"}, page=asked)
    assert polish.status == 200
    assert "Sesja wygasła" in polish.text
    assert "Nieprawidłowy" not in polish.text, "it was no try to sign in"
    assert polish.fields["email"] == ["editor@example.com"]
    assert polish.fields["password"] == [""]
    wrong = await ala.send("/login", typed, page=polish)
    assert wrong.status == 401
    kept = "Wpisane dane są zachowane"
    assert kept in polish.text
    assert kept in wrong.text, "said again beside what was wrong, in the language that was chosen"
    signed = await ala.send("/login", {"email": "editor@example.com", "password": PASSWORD}, page=wrong)
    assert signed.fields["name"] == ["Nowy klient"]
    assert not [link for link in signed.links if "lang=" in link]
    assert (await ala.send("/rules/new", page=signed)).status == 303


async def test_only_what_a_person_typed_is_shown_and_by_its_label(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    tagged = {"type": "hasTag", "tags": ["VIP"]}
    rule = await engine.rule({"type": "contact.tagged", "tags": ["HURT"]}, "inbox:crm", conditions=tagged, maxAge="P7D")
    path = f"/rules/{rule['id']}"
    page = await ala.get(path)
    ala.http.cookies.delete("goniec_session")
    asked = await ala.send(path, {"name": "Nowy klient", "group": "Sklep", "do": "save"}, page=page)
    signed = await ala.send("/login", {"email": "editor@example.com", "password": PASSWORD}, page=asked)
    shown = signed.text.partition("What you typed")[2]
    for part in ("Name Nowy klient", "Group Sklep", "Address inbox:crm", "Maximum age of an event 7", "VIP", "HURT"):
        assert part in shown, part
    for part in ("~", "{", "unit", "conditions/", "triggers/", "actions/", "tag ", page.fields["tag"][0], " D "):
        assert part not in shown, part
    saved = await ala.send(path, page=signed)
    assert saved.status == 303, "what is not shown is sent along"


async def test_a_field_of_that_name_elsewhere_changes_no_language(sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    answer = await ala.send("/rules/new", {"name": "", "lang": "pl", "do": "save"})
    assert "goniec_language" not in str(answer.answer.headers)
    assert 'lang="en"' in answer.html


OPEN_TO = {
    "viewer": """
        GET /
        GET /account  POST /account  POST /account/password  POST /account/sign-out  POST /account/sign-out-everywhere
        GET /contacts  GET /contacts/{id}  GET /contacts/{id}/events/{event}  GET /contacts/{id}/export
        GET /contacts/{id}/news  GET /contacts/{id}/waiting  GET /contacts/{id}/why
        GET /deliveries  GET /deliveries/export  GET /deliveries/newer  GET /deliveries/{id}  GET /deliveries/{id}/state
        GET /endpoints  GET /endpoints/{id}
        GET /jobs/{id}
        POST /logout
        GET /overview/feed  GET /overview/now
        GET /messages  POST /messages/preview  GET /messages/{id}
        GET /rules  POST /rules/preview  GET /rules/{id}  GET /rules/{id}/runs
        GET /search  GET /welcome
    """,
    "editor": """
        GET /contacts/new  POST /contacts/new  POST /contacts/{id}  GET /contacts/{id}/edit  POST /contacts/{id}/edit
        GET /contacts/{id}/erase  POST /contacts/{id}/erase
        POST /deliveries/cancel  POST /deliveries/resend  POST /deliveries/{id}/cancel  POST /deliveries/{id}/resend
        GET /deliveries/cancelling  POST /deliveries/cancelling
        GET /endpoints/{id}/resend  POST /endpoints/{id}/resend  POST /jobs/{id}/stop
        GET /messages/new  POST /messages/new  POST /messages/{id}  GET /messages/{id}/delete  POST /messages/{id}/delete
        POST /messages/{id}/test
        GET /rules/new  POST /rules/new  POST /rules/{id}  GET /rules/{id}/delete  POST /rules/{id}/delete
        POST /rules/{id}/switch  GET /rules/{id}/test  POST /rules/{id}/test
        POST /welcome
    """,
    "admin": """
        GET /endpoints/{id}/certificate  POST /endpoints/{id}/certificate
        GET /endpoints/{id}/oauth2  POST /endpoints/{id}/oauth2
        GET /endpoints/{id}/delete  POST /endpoints/{id}/delete  GET /endpoints/{id}/edit  POST /endpoints/{id}/edit
        GET /endpoints/{id}/password  POST /endpoints/{id}/password  POST /endpoints/{id}/pause
        POST /endpoints/{id}/resume  GET /endpoints/{id}/secret  POST /endpoints/{id}/secret
        GET /keys  GET /keys/new  POST /keys/new  GET /keys/{id}/revoke  POST /keys/{id}/revoke
        GET /settings/mail  POST /settings/mail
        GET /users  GET /users/new  POST /users/new  GET /users/{id}  POST /users/{id}  POST /users/{id}/password
        GET /users/{id}/remove  POST /users/{id}/remove
    """,
}
"""The least role that may open a page, written out, so that a page that is opened further is seen here."""

LEAST = {
    (words[n], words[n + 1]): role
    for role, table in OPEN_TO.items()
    for words in [table.split()]
    for n in range(0, len(words), 2)
}
RANKED = ["viewer", "editor", "admin"]
PROTECTED = [one for one in PAGES if one.role is not None]


@pytest.mark.parametrize("role", RANKED)
async def test_a_page_opens_to_its_role_and_those_above(sign_in: SignIn, role: str) -> None:
    """A table of roles and pages."""
    assert {(one.method, one.path) for one in PROTECTED} == set(LEAST)
    somebody: Person = await sign_in(role)
    for n, ((method, place), least) in enumerate(LEAST.items()):
        path = place.replace("{id}", "x_1").replace("{name}", "x")
        opened = await (somebody.get(path) if method == "GET" else somebody.send(path))
        allowed = RANKED.index(role) >= RANKED.index(least)
        assert (opened.status != 403) == allowed, f"{role}: {method} {path} is {opened.status}"
        assert opened.status < 500, f"{role}: {method} {path} is {opened.status}"
        if method == "POST" and path.startswith(("/logout", "/account")):
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


async def test_who_is_signed_in_stays_so_where_nothing_is(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    page = await ala.get("/nothing")
    assert page.status == 404
    assert "/account" in page.links
    assert "/account" not in (await (await sign_in(None)).get("/nothing")).links


async def test_what_is_wrong_with_a_request_is_told_in_polish(sign_in: SignIn) -> None:
    ala = await sign_in("admin", "pl")
    assert "otwórz listę" in (await ala.get("/contacts?cursor=nonsense!")).text
    sent = await ala.send("/account", {"name": "x"}, **{"content-type": "text/plain"})
    assert sent.status == 415
    assert "formularz" in sent.text.lower()


async def test_pages_are_packed_for_who_asks_and_their_secret_is_never_the_same(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    packed = await ala.get("/rules/new", **{"accept-encoding": "gzip"})
    secret = ala.csrf
    plain = await ala.get("/rules/new", **{"accept-encoding": "identity"})
    assert packed.answer.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.answer.headers
    assert {packed.answer.headers["vary"], plain.answer.headers["vary"]} == {"accept-encoding"}
    assert packed.fields.keys() == plain.fields.keys()
    assert int(packed.answer.headers["content-length"]) * 3 < int(plain.answer.headers["content-length"])
    assert secret != ala.csrf
    assert (await ala.send("/account/sign-out-everywhere", {"_csrf": secret})).status == 303


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
        cookie = next(one for one in page.answer.headers.get_list("set-cookie") if one.startswith("goniec_browser="))
        # over http a browser would not send it back
        ala.http.cookies.set("goniec_browser", cookie.partition("=")[2].partition(";")[0])
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


@pytest.mark.parametrize("planted", ["zz", "-1", "0x10", "f" * 100, "F" * 32, "1_0", "%E2%82%AC"])
async def test_what_others_put_into_the_cookie_is_no_secret(engine: Engine, sign_in: SignIn, planted: str) -> None:
    await make_user(engine, "ala@example.com", "admin")
    ala = await sign_in(None)
    ala.http.cookies.set("goniec_browser", planted)
    page = await ala.get("/login")
    assert page.status == 200
    fresh = page.answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert re.fullmatch(r"[0-9a-f]{32}", fresh)
    ala.http.cookies.clear()
    ala.http.cookies.set("goniec_browser", fresh)
    entered = await ala.send("/login", {"email": "ala@example.com", "password": PASSWORD, "next": "/"})
    assert entered.status == 303


async def test_the_passwords_that_were_typed_are_kept_and_not_shown(sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    page = await ala.get("/account")
    ala.http.cookies.delete("goniec_session")
    typed = {"present": "an old pass phrase", "password": "a new pass phrase"}
    asked = await ala.send("/account/password", typed, page=page)
    signed = await ala.send("/login", {"email": "editor@example.com", "password": PASSWORD}, page=asked)
    assert signed.fields["present"] == ["an old pass phrase"]
    assert "pass phrase" not in signed.text
