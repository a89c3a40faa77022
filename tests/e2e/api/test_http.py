"""What HTTP brings: keys and scopes, bodies of all kinds, methods, lists and their cursors, a store that is away."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from litestar.exceptions import HTTPException

from goniec.flow.keys import KeyMade, create_key, revoke_key
from goniec.flow.record import WAITING_CALLS
from goniec.ports import Tx, Unavailable
from goniec.web.auth import REMEMBERED_KEYS, Keys
from goniec.web.problems import problem
from tests.e2e.api.client import Api, pointers

CONTACT = b'{"email": "jan@example.pl"}'
MIB = 1024 * 1024


# --- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "", "Basic amFuOg==", "Bearer", "Bearer  ", "Bearer wrong", "bearer\tx"])
async def test_without_a_key_there_is_nothing(api: Api, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    for method, path in (("GET", "/contacts"), ("POST", "/events")):
        answer = await api.http.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["requestId"] == answer.headers["x-request-id"]


async def test_a_key_opens_what_its_scope_says(api: Api) -> None:
    visit = {"type": "page.visited", "contact": {"email": "a@example.pl"}, "data": {"url": "u"}}
    wanted = {"ingest": (202, 403), "read": (403, 200), "admin": (202, 200)}
    for scope, (sends, reads) in wanted.items():
        assert (await api.post("/events", visit, scope=scope)).status_code == sends
        assert (await api.get("/events", scope=scope)).status_code == reads
    refused = await api.get("/events", scope="ingest")
    assert refused.json()["code"] == "scopeMissing"


async def test_a_revoked_key_is_soon_refused(api: Api) -> None:
    assert (await api.get("/contacts", scope="read")).status_code == 200
    (key,) = [key for key in await api.store.queries.keys() if key.scope == "read"]
    await revoke_key(api.store, api.shop.clock, key.id)
    api.shop.clock.at += 2_001
    assert (await api.get("/contacts", scope="read")).status_code == 401


async def test_many_keys_are_not_remembered_for_ever(api: Api) -> None:
    keys = Keys(api.store.queries, api.shop.clock)
    made = [await create_key(api.store, api.shop.clock, api.shop.dice, f"k{n}", "read") for n in range(3)]
    texts = [one.text for one in made if isinstance(one, KeyMade)]
    keys._known = {
        bytes([n]): (made_key, 1e12)
        for n in range(REMEMBERED_KEYS)
        for made_key in (await api.store.queries.keys())[:1]
    }
    for text in texts:
        assert (await keys.admit(f"Bearer {text}".encode(), "read")).scope == "read"
    assert len(keys._known) == 3


# --- bodies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/contacts", "/events"])
@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "empty"),
        (b" \n", 400, "empty"),
        (b"no JSON", 400, "no JSON"),
        (b'{"email": ', 400, "no JSON"),
        (b'{"email": "a@b.pl",}', 400, "no JSON"),
        (b'{"email": NaN}', 400, "NaN"),
        (b'{"email": "a@b.pl"} x', 400, "no JSON"),
        (b'{"email": "\xff"}', 400, "UTF-8 (byte 11)"),
        (b"\xef\xbb\xbf{}", 400, "byte order mark"),
        ("{}".encode("utf-16"), 400, "UTF-8"),
        (b"[" * 10_000, 400, "too deep"),
        (b'{"details": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, "too deep"),
        (b"[" * 40 + b"]" * 40, 422, "nested deeper"),
        (b"[]", 422, "Expected object"),
        (b"null", 422, "Expected object"),
        (b'"text"', 422, "Expected object"),
        (b'{"type": 5}', 422, ""),
        (b'{"contact": 1e400}', 422, "finite"),
        (b'{"contact": -1e400}', 422, "finite"),
        (b'{"contact": ' + b"9" * 5_000 + b"}", 422, "64 bits"),
        (b'{"type": "\\ud800"}', 422, "surrogate"),
        (b'{"\\udfff": 1}', 422, "surrogate"),
        (b'{"type": "\\u0000"}', 422, ""),
    ],
)
async def test_a_bad_body_is_told_what_is_bad(api: Api, path: str, body: bytes, status: int, words: str) -> None:
    answer = await api.raw(path, body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert (await api.get("/contacts")).json()["items"] == []


async def test_a_key_that_stands_twice_counts_the_last_time(api: Api) -> None:
    answer = await api.raw("/contacts", b'{"email": "a@example.pl", "name": "x", "name": "y"}')
    assert answer.json()["name"] == "y"


@pytest.mark.parametrize(("path", "limit", "words"), [("/contacts", MIB, "1 MiB"), ("/events", 2 * MIB, "2 MiB")])
async def test_a_body_has_an_end(api: Api, path: str, limit: int, words: str) -> None:
    fits = await api.raw(path, b" " * limit)
    assert fits.status_code == 400
    for size in (limit + 1, 10 * MIB):
        large = await api.raw(path, b" " * size)
        assert (large.status_code, large.json()["code"]) == (413, "bodyTooLarge")
        assert words in large.json()["detail"]
        assert "connection" not in large.headers, "the client can go on sending until it has read why"
    declared = {"content-type": "application/json", "content-length": "100000000"}
    refused = await api.ask("POST", path, content=b"{", headers=declared)
    assert (refused.status_code, refused.headers["connection"]) == (413, "close")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536

    streamed = await api.ask("POST", path, content=endless(), headers={"content-type": "application/json"})
    assert (streamed.status_code, streamed.headers["connection"]) == (413, "close")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; charset=UTF-8", 201),
        ('application/json; charset="utf8"; profile=x', 201),
        ("application/json; charset=iso-8859-2", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("", 415),
        ("\u0105", 415),
    ],
)
async def test_a_body_says_that_it_is_json(api: Api, content_type: str, status: int) -> None:
    headers = {"content-type": content_type.encode()}
    answer = await api.ask("POST", "/contacts", content=CONTACT, headers=headers)
    assert answer.status_code == status, answer.text


async def test_compressed_bodies_are_not_opened(api: Api) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert (await api.ask("POST", "/events", content=CONTACT, headers=headers)).status_code == 415


async def test_a_client_that_goes_away_is_not_answered(api: Api) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {api.keys['admin']}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/events",
        "query_string": b"",
        "headers": headers,
    }
    await api.app(scope, receive, send)
    assert not sent


# --- paths, methods, queries ------------------------------------------------------------------------------------------


async def test_unknown_paths_and_methods_are_problems_too(api: Api) -> None:
    for path in ("/nothing", "/contacts/a/b/c", "http://goniec.test/elsewhere"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "notFound")
    answer = await api.ask("PUT", "/events", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "methodNotAllowed")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))
    assert answer.headers["content-type"] == "application/problem+json"


async def test_head_is_get_without_a_body(api: Api) -> None:
    answer = await api.ask("HEAD", "/contacts")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
        ("limit=x", "/limit"),
        ("order=up", "/order"),
        ("cursor=%00", "/cursor"),
        ("cursor=ż", "/cursor"),
        ("cursor=a", "/cursor"),
        ("cursor=" + "YWJj" * 50, "/cursor"),
        ("nonsense=1", "/nonsense"),
        ("a~/b=1", "/a~0~1b"),
        ("tag=a&tag=b", "/tag"),
        ("limit=", "/limit"),
        ("limit=null", "/limit"),
        ("q=%00", "/q"),
    ],
)
async def test_a_bad_query_names_the_parameter(api: Api, query: str, pointer: str) -> None:
    answer = await api.get(f"/contacts?{query}")
    assert (answer.status_code, pointers(answer)) == (400, [pointer]), answer.text
    assert answer.json()["errors"][0]["in"] == "query"


async def test_a_query_is_utf_8_and_has_an_end(api: Api) -> None:
    assert (await api.get("/contacts?q=%ff")).status_code == 400
    assert (await api.get("/contacts?q=" + "x" * 9_000)).status_code == 400


# --- lists ----------------------------------------------------------------------------------------------------------


async def test_a_reader_that_polls_misses_nothing(api: Api) -> None:
    seen: list[str] = []
    cursor: dict[str, str] = {}

    async def page() -> dict[str, Any]:
        answer = (await api.get("/contacts", params={"limit": "2", **cursor})).json()
        seen.extend(contact["email"] for contact in answer["items"])
        if answer["nextCursor"]:
            cursor["cursor"] = answer["nextCursor"]
        found: dict[str, Any] = answer
        return found

    assert await page() == {"items": [], "nextCursor": None, "more": False}
    for n in range(5):
        await api.contact(email=f"{n}@example.pl")
    assert [(await page())["more"] for _ in range(3)] == [True, True, False]
    before = cursor["cursor"]
    assert (await page())["items"] == []
    assert cursor["cursor"] == before, "an empty page gives the cursor back"
    # the clock goes back, and the new one still comes last
    api.shop.clock.at -= 3_600_000
    await api.contact(email="5@example.pl")
    await page()
    assert seen == [f"{n}@example.pl" for n in range(6)]


async def test_a_list_can_be_read_backwards(api: Api) -> None:
    for n in range(3):
        await api.contact(email=f"{n}@example.pl")
    first = (await api.get("/contacts", params={"limit": "2", "order": "desc"})).json()
    assert [one["email"] for one in first["items"]] == ["2@example.pl", "1@example.pl"]
    assert first["more"] is True
    last = (await api.get("/contacts", params={"order": "desc", "cursor": first["nextCursor"]})).json()
    assert [one["email"] for one in last["items"]] == ["0@example.pl"]
    assert (last["nextCursor"], last["more"]) == (None, False)


# --- when it cannot be done -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "answered"), [(400, 400), (413, 413), (418, 418), (500, 500), (503, 500)])
async def test_other_errors_of_the_library_are_problems_too(api: Api, status: int, answered: int) -> None:
    reply = problem(HTTPException("said so", status_code=status), api.shop.dice, "GET", "/")
    assert (reply.status, reply.content["status"]) == (answered, answered)
    assert ("said so" in reply.content["detail"]) is (answered < 500)


async def test_overload_sends_callers_away_with_nothing_written(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.shop.recorder, "_waiting", WAITING_CALLS)
    visit = {"type": "page.visited", "contact": {"email": "a@example.pl"}, "data": {"url": "u"}}
    answer = await api.post("/events", visit)
    monkeypatch.undo()
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) > 0
    assert (await api.get("/events")).json()["items"] == []


async def test_a_store_that_is_away_is_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(work: Callable[[Tx], Awaitable[Any]]) -> Any:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(api.store, "transact", away)
    answer = await api.post("/contacts", {"email": "a@example.pl"})
    monkeypatch.undo()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "the disk is full" in answer.json()["detail"]
    assert "retry-after" in answer.headers


async def test_a_fault_of_ours_tells_its_number_and_no_more(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*arguments: object) -> Any:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(api.store.queries, "contacts", broken)
    answer = await api.get("/contacts")
    assert (answer.status_code, answer.json()["code"]) == (500, "internalError")
    assert "secret" not in answer.text
    assert answer.json()["requestId"] in capsys.readouterr().err


async def test_an_event_that_cannot_be_recorded_is_kept_and_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from goniec.flow import batch

    def broken(*arguments: object) -> Any:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(batch, "decide", broken)
    visit = {"type": "page.visited", "contact": {"email": "a@example.pl"}, "data": {"url": "u"}}
    one = await api.post("/events", visit)
    assert (one.status_code, one.json()["code"]) == (500, "internalError")
    many = await api.post("/events", {"events": [visit, visit]})
    assert (many.status_code, many.json()["code"]) == (500, "nothingTaken")
