"""One's own account: name, language, zone, password, the browsers that are signed in; for every role."""

from tests.e2e.engine import Engine
from tests.e2e.panel.client import PASSWORD, SignIn, make_user

ANOTHER = "another sentence of mine"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


async def test_name_language_and_zone_are_ones_own(sign_in: SignIn) -> None:
    for role in ("viewer", "editor", "admin"):
        ala = await sign_in(role)
        page = await ala.get("/account")
        assert page.fields["name"] == [role.title()]
        saved = await ala.send("/account", {"name": "Ala Nowak", "language": "pl", "timezone": "Asia/Tokyo"})
        page = await ala.follow(saved)
        assert "Zapisano zmiany na koncie." in page.text, "what was done is said in the language that was chosen"
        assert "Twoje konto" in page.text
        assert "Ala Nowak" in page.text
        assert page.fields["timezone"] == ["Asia/Tokyo"]
        saved = await ala.send("/account", {"name": "Ala Nowak", "language": "", "timezone": ""})
        assert "Your account is saved." in (await ala.follow(saved)).text


async def test_what_makes_no_sense_is_told_at_its_field_and_stays(sign_in: SignIn) -> None:
    for language in ("en", "pl"):
        ala = await sign_in("viewer", language)
        wrong = {"name": "x" * 101, "language": "", "timezone": "Mars/Olympus"}
        told = await ala.send("/account", wrong)
        assert (told.status, set(told.problems)) == (422, {"name", "timezone"})
        assert told.fields["name"] == [wrong["name"]]
        assert told.fields["timezone"] == [wrong["timezone"]]
        assert (await ala.send("/account", {**wrong, "language": "tlh"})).status == 422


async def test_another_password_wants_the_present_one_and_signs_out_elsewhere(sign_in: SignIn) -> None:
    here, elsewhere = await sign_in("viewer"), await sign_in("viewer")
    wrong = await here.send("/account/password", {"present": "something else", "password": ANOTHER})
    assert (wrong.status, wrong.problems) == (422, ["present"])
    assert ANOTHER not in wrong.html, "a password is never sent back"
    short = await here.send("/account/password", {"present": PASSWORD, "password": "short"})
    assert (short.status, short.problems) == (422, ["password"])
    done = await here.follow(await here.send("/account/password", {"present": PASSWORD, "password": ANOTHER}))
    assert "Your password has been changed. All other browsers are signed out." in done.text
    assert "Active sessions 1" in done.text
    assert (await elsewhere.get("/account")).location.startswith("/login")
    await elsewhere.get("/login")
    old = await elsewhere.send("/login", {"email": "viewer@example.com", "password": PASSWORD})
    assert old.status == 401
    assert (await elsewhere.send("/login", {"email": "viewer@example.com", "password": ANOTHER})).status == 303


async def test_guessing_the_present_password_has_to_wait(sign_in: SignIn) -> None:
    ala = await sign_in("viewer")
    guess = {"present": "something else", "password": ANOTHER}
    tries = [await ala.send("/account/password", guess) for _ in range(10)]
    assert [one.status for one in tries[:5]] == [422] * 5
    assert (tries[-1].status, tries[-1].problems) == (429, ["present"])
    right = await ala.send("/account/password", {"present": PASSWORD, "password": ANOTHER})
    assert right.status == 429, "a throttled try is not even looked at"


async def test_browsers_are_listed_and_signed_out_one_by_one(sign_in: SignIn) -> None:
    here, elsewhere, stranger = await sign_in("viewer"), await sign_in("viewer"), await sign_in("editor")
    await here.send("/logout")
    here.http.headers["user-agent"] = FIREFOX
    await here.get("/login")
    await here.send("/login", {"email": "viewer@example.com", "password": PASSWORD})
    page = await here.get("/account")
    assert "Firefox, Linux this browser signed in" in page.text
    assert "Active sessions 2" in page.text
    own, other = page.fields["session"]
    # nobody ends the sessions of others
    assert (await stranger.send("/account/sign-out", {"session": other})).status == 303
    assert (await elsewhere.get("/account")).status == 200
    done = await here.follow(await here.send("/account/sign-out", {"session": other}))
    assert "That browser is signed out." in done.text
    assert (await elsewhere.get("/account")).location.startswith("/login")
    assert (await here.send("/account/sign-out", {"session": own})).location == "/login"
    assert (await here.get("/account")).location.startswith("/login")


async def test_signing_out_everywhere_ends_all(sign_in: SignIn) -> None:
    here, elsewhere, stranger = await sign_in("viewer"), await sign_in("viewer"), await sign_in("editor")
    assert (await here.send("/account/sign-out-everywhere")).location == "/login"
    for person in (here, elsewhere):
        assert (await person.get("/account")).location.startswith("/login")
    assert (await stranger.get("/account")).status == 200


async def test_what_does_not_come_from_our_pages_changes_nothing(sign_in: SignIn) -> None:
    ala = await sign_in("viewer")
    for path in ("/account", "/account/password", "/account/sign-out", "/account/sign-out-everywhere"):
        form = {"_csrf": "", "name": "Eve", "present": PASSWORD, "password": ANOTHER}
        assert (await ala.send(path, form)).status == 403, path
    assert "Viewer" in (await ala.get("/account")).text


async def test_hostile_names_are_text(engine: Engine, sign_in: SignIn) -> None:
    await make_user(engine, "viewer@example.com", "viewer")
    ala = await sign_in(None)
    ala.http.headers["user-agent"] = '<script>alert(1)</script>"><img src=x>'
    await ala.get("/login")
    await ala.send("/login", {"email": "viewer@example.com", "password": PASSWORD})
    await ala.get("/account")
    for text in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202ekot\u202c 🐈"):
        page = await ala.follow(await ala.send("/account", {"name": text, "language": "", "timezone": ""}))
        assert page.fields["name"] == [text]
        assert "<script>alert" not in page.html
        assert "<img src=x" not in page.html
