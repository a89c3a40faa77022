"""Users in the panel: added, changed, disabled, given a password, removed; the last administrator; by role."""

import re
from typing import Any

from tests.e2e.engine import Engine
from tests.e2e.panel.client import PASSWORD, Page, Person, SignIn, make_user

MADE = re.compile(r"\b[a-km-z2-9]{4}(?:-[a-km-z2-9]{4}){4}\b")
JAN = {"email": "jan@example.com", "name": "Jan Kowalski", "role": "editor", "language": "pl", "timezone": ""}


def form(page: Page, **changes: Any) -> dict[str, Any]:
    """The fields of a page, changed; None takes one out."""
    fields: dict[str, Any] = {**page.fields, **changes}
    return {name: value for name, value in fields.items() if value is not None}


async def user_id(ala: Person, email: str) -> str:
    """The id of a user, as the list links it."""
    page = await ala.get("/users")
    for link in page.links:
        if link.startswith("/users/usr_") and email in (await ala.get(link)).text:
            return link.removeprefix("/users/")
    raise AssertionError(f"{email} is not in the list")


async def enters(sign_in: SignIn, email: str, password: str) -> bool:
    """Whether somebody can sign in so."""
    somebody = await sign_in(None)
    await somebody.get("/login")
    entered = await somebody.send("/login", {"email": email, "password": password})
    return entered.status == 303


async def test_a_user_is_added_with_a_password_that_was_chosen(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    page = await ala.get("/users/new")
    assert page.fields["role"] == ["editor"]
    done = await ala.follow(await ala.send("/users/new", {**JAN, "password": "a sentence of mine"}))
    assert "Added: Jan Kowalski." in done.text
    assert "Jan Kowalski jan@example.com Editor not signed in" in done.text
    assert "a sentence of mine" not in done.html
    assert await enters(sign_in, "jan@example.com", "a sentence of mine")
    page = await ala.get("/users")
    assert "Jan Kowalski jan@example.com Editor last seen just now" in page.text
    assert "Admin (you)" in page.text


async def test_a_password_that_goniec_makes_is_shown_once(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    shown = await ala.send("/users/new", JAN)
    assert shown.status == 200
    assert shown.answer.headers["cache-control"] == "no-store"
    (password,) = MADE.findall(shown.text)
    assert await enters(sign_in, "jan@example.com", password)
    jan = await user_id(ala, "jan@example.com")
    for page in ("/users", f"/users/{jan}"):
        assert password not in (await ala.get(page)).html
    shown = await ala.send(f"/users/{jan}/password", {"password": ""})
    (another,) = MADE.findall(shown.text)
    assert another != password
    assert await enters(sign_in, "jan@example.com", another)
    assert not await enters(sign_in, "jan@example.com", password)


WRONG = [
    ({"email": ""}, {"email"}),
    ({"email": "jan"}, {"email"}),
    ({"email": "ADMIN@example.com"}, {"email"}),
    ({"name": "x" * 101, "password": "short"}, {"name", "password"}),
    ({"timezone": "Mars/Olympus"}, {"timezone"}),
    ({"password": "jan@example.com"}, {"password"}),
    ({"password": "with\na line end"}, {"password"}),
]


async def test_what_makes_no_sense_is_told_at_its_field_and_stays(sign_in: SignIn) -> None:
    for ala in (await sign_in("admin", "en"), await sign_in("admin", "pl")):
        for wrong, fields in WRONG:
            told = await ala.send("/users/new", {**JAN, "password": "a sentence of mine", **wrong})
            assert told.status in {409, 422}
            assert set(told.problems) == fields, wrong
            assert told.fields["name"] == [{**JAN, **wrong}["name"]]
            assert told.fields["role"] == ["editor"]
            assert told.fields["password"] == [""], "a password is never sent back"
        assert (await ala.send("/users/new", {**JAN, "role": "king"})).status == 422
        assert "jan@example.com" not in (await ala.get("/users")).text


async def test_a_user_is_changed_and_kept_out(engine: Engine, sign_in: SignIn) -> None:
    await make_user(engine, "jan@example.com", "viewer")
    jan = await sign_in("viewer", email="jan@example.com")
    ala = await sign_in("admin")
    path = f"/users/{await user_id(ala, 'jan@example.com')}"
    page = await ala.get(path)
    assert page.fields["active"] == ["1"]
    saved = await ala.send(path, form(page, role="editor", name="Jan Nowak", timezone="Asia/Tokyo", language="en"))
    assert "User saved: Jan Nowak." in (await ala.follow(saved)).text
    assert (await jan.get("/account")).status == 200, "another role ends no session"
    assert "editor" in (await jan.get("/account")).text
    # somebody with the old page is told
    told = await ala.send(path, form(page, role="viewer"))
    assert told.status == 412
    assert "Someone else has changed this user in the meantime." in told.text
    assert "Saved in the meantime Here" in told.text
    page = await ala.get(path)
    await ala.send(path, form(page, active=None))
    assert (await jan.get("/account")).location.startswith("/login"), "who may not sign in is out at once"
    assert not await enters(sign_in, "jan@example.com", PASSWORD)
    assert "Cannot sign in" in (await ala.get("/users")).text
    page = await ala.get(path)
    assert "active" not in page.fields
    await ala.send(path, form(page, active="1"))
    assert await enters(sign_in, "jan@example.com", PASSWORD)
    told = await ala.send(path, form(await ala.get(path), role="king", timezone="x"))
    assert (told.status, set(told.problems)) == (422, {"timezone"})


async def test_a_new_password_signs_the_user_out(engine: Engine, sign_in: SignIn) -> None:
    await make_user(engine, "jan@example.com", "viewer")
    jan = await sign_in("viewer", email="jan@example.com")
    ala = await sign_in("admin")
    path = f"/users/{await user_id(ala, 'jan@example.com')}"
    told = await ala.send(f"{path}/password", {"password": "short"})
    assert (told.status, told.problems) == (422, ["password"])
    done = await ala.follow(await ala.send(f"{path}/password", {"password": "another sentence"}))
    assert "has a new password" in done.text
    assert (await jan.get("/account")).location.startswith("/login")
    assert await enters(sign_in, "jan@example.com", "another sentence")


async def test_the_last_administrator_stays_one(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    path = f"/users/{await user_id(ala, 'admin@example.com')}"
    page = await ala.get(path)
    # one's own rights are not taken by the way
    asked = await ala.send(path, form(page, role="viewer"))
    assert asked.status == 422
    assert "You would be taking rights away from yourself." in asked.text
    told = await ala.send(path, form(page, role="viewer", sure="1"))
    assert told.status == 409
    assert "This is the last administrator" in told.text
    assert (await ala.send(path, form(page, active=None, sure="1"))).status == 409
    page = await ala.get(f"{path}/remove")
    assert "This is your own account." in page.text
    told = await ala.send(f"{path}/remove", {}, page=page)
    assert told.status == 409
    assert "This is the last administrator" in told.text
    assert (await ala.get("/users")).status == 200


async def test_beside_another_administrator_one_may_step_down(engine: Engine, sign_in: SignIn) -> None:
    await make_user(engine, "other@example.com", "admin")
    ala = await sign_in("admin")
    path = f"/users/{await user_id(ala, 'admin@example.com')}"
    page = await ala.get(path)
    assert (await ala.send(path, form(page, name="Ala"))).location == "/account", "a name takes no right"
    page = await ala.get(path)
    assert "You change your own password in your account." in page.text
    assert (await ala.send(f"{path}/password", {"password": "another sentence"})).location == "/account"
    stepped = await ala.send(path, form(page, role="editor", sure="1"))
    assert "editor" in (await ala.follow(stepped)).text
    assert (await ala.get("/users")).status == 403


async def test_a_user_is_removed_after_a_question(engine: Engine, sign_in: SignIn) -> None:
    await make_user(engine, "jan@example.com", "viewer")
    jan = await sign_in("viewer", email="jan@example.com")
    ala = await sign_in("admin")
    path = f"/users/{await user_id(ala, 'jan@example.com')}"
    page = await ala.get(f"{path}/remove")
    assert "Remove the user Viewer?" in page.text
    await ala.send(path, form(await ala.get(path), name="Jan"))
    told = await ala.send(f"{path}/remove", {}, page=page)
    assert (told.status, "Someone else has changed" in told.text) == (412, True)
    done = await ala.follow(await ala.send(f"{path}/remove", {}, page=told))
    assert "Removed: Jan." in done.text
    assert (await jan.get("/account")).location.startswith("/login")
    assert not await enters(sign_in, "jan@example.com", PASSWORD)
    for one in (path, f"{path}/remove"):
        assert (await ala.get(one)).status == 404
        assert (await ala.send(one, {})).status == 404
    # one may leave oneself, when somebody else leads
    await make_user(engine, "other@example.com", "admin")
    own = f"/users/{await user_id(ala, 'admin@example.com')}/remove"
    assert (await ala.send(own, {})).location == "/login"
    assert (await ala.get("/account")).location.startswith("/login")


async def test_users_are_an_administrators(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    own = f"/users/{await user_id(ala, 'admin@example.com')}"
    changes = ("/users/new", own, f"{own}/password", f"{own}/remove")
    for role in ("viewer", "editor"):
        person = await sign_in(role)
        for path in ("/users", "/users/new", own, f"{own}/remove"):
            assert (await person.get(path)).status == 403, path
        for path in changes:
            assert (await person.send(path, JAN)).status == 403, path
        assert "/users" not in (await person.get("/account")).links
    for path in changes:
        assert (await ala.send(path, {**JAN, "_csrf": ""})).status == 403, path


async def test_hostile_names_are_text(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    for n, text in enumerate(("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202ekot 🐈")):
        email = f"{n}@example.com"
        shown = await ala.send("/users/new", {**JAN, "email": email, "name": text})
        assert shown.status == 200
        path = f"/users/{await user_id(ala, email)}"
        for page in (shown, *[await ala.get(one) for one in ("/users", path, f"{path}/remove")]):
            assert "<script>alert" not in page.html
            assert "<img src=x" not in page.html


async def test_a_session_that_ends_while_typing_keeps_what_was_typed_but_no_password(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    await ala.get("/users/new")
    ala.http.cookies.delete("goniec_session")
    ended = await ala.send("/users/new", {**JAN, "password": "a sentence of mine"})
    assert ended.status == 401
    entered = await ala.send("/login", {"email": "admin@example.com", "password": PASSWORD}, page=ended)
    assert entered.fields["name"] == ["Jan Kowalski"]
    done = await ala.send("/users/new", {}, page=entered)
    assert done.status in {200, 303}
    assert "jan@example.com" in (await ala.get("/users")).text


async def test_what_another_site_sends_while_nobody_is_signed_in_is_not_kept(engine: Engine, sign_in: SignIn) -> None:
    """Else a form of theirs would wait behind the sign-in page, and one click would send it with the right secret."""
    await make_user(engine, "admin@example.com", "admin")
    ala = await sign_in(None)
    for header, value in (("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")):
        ala.http.headers[header] = value
        sent = await ala.send("/users/new", {**JAN, "role": "admin"})
        assert (sent.status, sent.location) == (303, "/login"), header
        del ala.http.headers[header]
    for header, value in (("sec-fetch-site", "same-origin"), ("origin", engine.url)):
        ala.http.headers[header] = value
        sent = await ala.send("/users/new", JAN)
        assert (sent.status, sent.fields["kept:name"]) == (401, ["Jan Kowalski"]), header
        del ala.http.headers[header]
