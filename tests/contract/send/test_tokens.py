"""Access tokens on the wire: how they are asked for, kept, renewed, and what comes of a token server that fails."""

import asyncio
import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

import pytest
from msgspec.structs import replace

from goniec.core.masking import CUT
from goniec.core.model import Failure
from goniec.core.wire import Grant
from goniec.ports import Answer, Outgoing
from goniec.send.http import HttpSender
from goniec.send.tokens import HOLDERS_MAX, LIFE_MAX, LIFE_UNTOLD, Missed, Token, Tokens
from goniec.send.transfer import BODY_KEPT
from tests.contract.send.conftest import networks, post
from tests.contract.send.names import Names
from tests.contract.send.receivers import Behaviour, Receiver, Request, answer, hang, say, unused_port, wait_for
from tests.contract.send.test_resolve import Time

SECRET = "s3:cr&et ż"
GRANT = Grant("end_1", "http://127.0.0.1/token", "the:client", SECRET)


def giving(text: str = "t0ken", **fields: Any) -> Behaviour:
    told = {"access_token": text, "token_type": "Bearer", "expires_in": 3600, **fields}
    return answer(200, json.dumps({key: value for key, value in told.items() if value is not None}).encode())


def granted(
    receiver: Receiver, server: Receiver, *, fresh: bool = False, timeout: float = 5, **fields: Any
) -> Outgoing:
    grant = replace(GRANT, token_url=server.url("/oauth2/token?tenant=1"), **fields)
    plain = post(receiver.url(), timeout=timeout, fresh=fresh)
    return replace(plain, headers=(*plain.headers, ("Authorization", "")), grant=grant)


def sent_tokens(receiver: Receiver) -> list[str | None]:
    return [request.header("authorization") for request in receiver.requests]


def form(request: Request) -> dict[str, list[str]]:
    return parse_qs(request.body.decode(), strict_parsing=True)


# --- what is asked ---------------------------------------------------------------------------------------------------


async def test_a_token_is_asked_for_once_and_sent_as_bearer(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver, Receiver(giving()) as server:
        got = [await sender.send(granted(receiver, server, scope="a b", audience="https://crm/")) for _ in range(3)]
    assert [one.failure for one in got] == [None] * 3
    assert sent_tokens(receiver) == ["Bearer t0ken"] * 3
    (request,) = server.requests
    assert request.target == "/oauth2/token?tenant=1"
    assert form(request) == {"grant_type": ["client_credentials"], "scope": ["a b"], "audience": ["https://crm/"]}
    assert request.header("content-type") == "application/x-www-form-urlencoded"
    assert request.header("accept") == "application/json"
    assert request.header("user-agent") == "Goniec/test"
    assert request.header("webhook-id") is None
    # each is encoded by itself, so that the colon in the id does not end it (RFC 6749, section 2.3.1)
    scheme, _, pair = (request.header("authorization") or "").partition(" ")
    assert (scheme, b64decode(pair)) == ("Basic", b"the%3Aclient:s3%3Acr%26et+%C5%BC")


async def test_a_client_may_prove_itself_in_the_body(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver, Receiver(giving()) as server:
        assert (await sender.send(granted(receiver, server, auth="body"))).failure is None
    (request,) = server.requests
    assert form(request) == {
        "grant_type": ["client_credentials"],
        "client_id": ["the:client"],
        "client_secret": [SECRET],
    }
    assert request.header("authorization") is None


async def test_those_who_need_a_token_at_once_share_one_request(sender: HttpSender) -> None:
    gate = asyncio.Event()
    async with Receiver(answer()) as receiver, Receiver(wait_for(gate, giving())) as server:
        impatient = asyncio.create_task(sender.send(granted(receiver, server)))
        waiting = [asyncio.create_task(sender.send(granted(receiver, server))) for _ in range(20)]
        await server.asked.wait()
        impatient.cancel()
        gate.set()
        assert {one.failure for one in await asyncio.gather(*waiting)} == {None}
        assert (len(server.requests), len(receiver.requests)) == (1, 20)
        # another endpoint, or another client of the same one, has a token of its own
        await sender.send(granted(receiver, server, holder="end_2"))
        await sender.send(granted(receiver, server, client_id="other"))
    assert len(server.requests) == 3


async def test_a_slow_token_server_holds_up_nobody_else(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver, Receiver(hang) as server:
        slow = asyncio.create_task(sender.send(granted(receiver, server)))
        await server.asked.wait()
        assert (await sender.send(post(receiver.url()))).failure is None
        assert not slow.done()
        slow.cancel()


async def test_a_long_token_arrives_whole(sender: HttpSender) -> None:
    text = "x" * 10_000
    async with Receiver(answer()) as receiver, Receiver(giving(text)) as server:
        assert (await sender.send(granted(receiver, server))).failure is None
    assert sent_tokens(receiver) == [f"Bearer {text}"]


# --- 401 -------------------------------------------------------------------------------------------------------------


async def test_a_token_that_had_worked_is_renewed_after_a_401(sender: HttpSender) -> None:
    behaviours = [answer(), answer(401, b"expired"), answer()]
    async with Receiver(behaviours) as receiver, Receiver([giving("one"), giving("two")]) as server:
        first = await sender.send(granted(receiver, server))
        refused = await sender.send(granted(receiver, server))
        again = await sender.send(granted(receiver, server, fresh=True))
    assert [first.failure, refused.failure, again.failure] == [None, Failure.GRANT_EXPIRED, None]
    assert (refused.status, refused.body) == (401, b"expired")
    assert sent_tokens(receiver) == ["Bearer one", "Bearer one", "Bearer two"]


async def test_a_new_token_that_is_refused_is_the_receivers_word(sender: HttpSender) -> None:
    async with Receiver(answer(401)) as receiver, Receiver([giving("one"), giving("two")]) as server:
        got = [await sender.send(granted(receiver, server)) for _ in range(2)]
        forbidden = await sender.send(granted(receiver, server))
    assert [(one.failure, one.status) for one in got] == [(Failure.REJECTED, 401)] * 2
    assert "scope and audience" in got[0].detail
    assert forbidden.failure is Failure.REJECTED
    # a token that was refused is asked for anew, once for each attempt
    assert sent_tokens(receiver)[:2] == ["Bearer one", "Bearer two"]


async def test_a_second_401_in_a_row_is_not_repeated_again(sender: HttpSender) -> None:
    async with Receiver([answer(), answer(401)]) as receiver, Receiver(giving()) as server:
        await sender.send(granted(receiver, server))
        got = await sender.send(granted(receiver, server, fresh=True))
    assert got.failure is Failure.REJECTED


async def test_those_under_way_with_an_old_token_take_the_new_one(sender: HttpSender) -> None:
    gate = asyncio.Event()
    late = wait_for(gate, answer(401))
    async with Receiver([answer(), answer(401), late, answer()]) as receiver, Receiver(giving()) as server:
        await sender.send(granted(receiver, server))
        early = asyncio.create_task(sender.send(granted(receiver, server)))
        assert (await early).failure is Failure.GRANT_EXPIRED
        server.requests.clear()
        receiver.asked.clear()
        waiting = asyncio.create_task(sender.send(granted(receiver, server)))
        await receiver.asked.wait()
        assert (await sender.send(granted(receiver, server))).failure is None
        gate.set()
        # its own token was the second one, which others have used by now
        assert (await waiting).failure is Failure.GRANT_EXPIRED
    assert len(server.requests) == 1


async def test_403_keeps_the_token(sender: HttpSender) -> None:
    async with Receiver(answer(403)) as receiver, Receiver(giving()) as server:
        got = [await sender.send(granted(receiver, server)) for _ in range(2)]
    assert {one.failure for one in got} == {Failure.REJECTED}
    assert "scope" in got[0].detail
    assert len(server.requests) == 1


async def test_a_token_that_a_receiver_repeats_is_not_kept(sender: HttpSender) -> None:
    repeat = say(b"HTTP/1.1 401 t0ken!\r\nContent-Length: 16\r\n\r\nBearer t0ken! no")
    async with Receiver(repeat) as receiver, Receiver(giving("t0ken!")) as server:
        got = await sender.send(granted(receiver, server))
    assert (got.head.splitlines()[0], got.body) == (b"HTTP/1.1 401 ****", b"Bearer **** no")
    assert CUT <= BODY_KEPT, "nothing shorter is looked at for a secret that was cut"


# --- token servers that fail -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (answer(401, b'{"error": "invalid_client", "error_description": "s3:cr&et is wrong"}'), "401 (invalid_client)"),
        (answer(400, b'{"error": "s3:cr&et"}'), "answered 400:"),
        (answer(400, b'["error"]'), "answered 400:"),
        (answer(503, b"\xff\xfe"), "the fault is on its side"),
        (answer(429), "the fault is on its side"),
        (answer(302, headers=("Location: https://evil.example/",)), "redirects are not followed"),
        (answer(200, b"<html>"), "without an access token"),
        (answer(200, b"{}"), "without an access token"),
        (answer(200, b"[" * 30_000 + b"]" * 30_000), "without an access token"),
        (answer(200, b'{"access_token":"t","expires_in":' + b"9" * 5000), "without an access token"),
        (answer(200, b'{"access_token":"\\ud800"}'), "without an access token"),
        (answer(200, b""), "without an access token"),
        (giving("two words"), "without an access token"),
        (giving("line\r\nX-Evil: 1"), "without an access token"),
        (giving(""), "without an access token"),
        (giving("ż"), "without an access token"),
        (giving("x" * 20_000), "without an access token"),
        (answer(200, b'{"access_token": 7}'), "without an access token"),
        (answer(200, b'{"access_token": "x", "pad": "' + b"x" * 70_000 + b'"}'), "without an access token"),
        (giving(token_type="mac"), "another kind"),
        (giving(token_type=7), "another kind"),
    ],
)
async def test_no_token_is_a_failed_attempt_and_no_request(sender: HttpSender, behaviour: Behaviour, said: str) -> None:
    async with Receiver(answer()) as receiver, Receiver(behaviour) as server:
        got = await sender.send(granted(receiver, server))
    assert (got.failure, got.status, got.address, got.body) == (Failure.GRANT_REFUSED, None, None, b"")
    assert said in got.detail
    assert "s3:cr" not in got.detail
    assert (receiver.connections, len(server.requests)) == (0, 1)


@pytest.mark.parametrize("behaviour", [say(b""), say(b"nonsense\r\n\r\n"), say(b"HTTP/1.1 200 OK\r\nX:", "reset")])
async def test_a_token_server_that_says_nothing_is_not_reached(sender: HttpSender, behaviour: Behaviour) -> None:
    async with Receiver(answer()) as receiver, Receiver(behaviour) as server:
        got = await sender.send(granted(receiver, server))
        assert (got.failure, receiver.connections) == (Failure.GRANT_UNREACHABLE, 0)
        assert f"127.0.0.1 port {server.port}" in got.detail
        assert "tenant" not in got.detail


async def test_a_token_server_has_the_time_of_an_attempt(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver, Receiver(hang) as server:
        got = await sender.send(granted(receiver, server, timeout=0.3))
    assert (got.failure, receiver.connections) == (Failure.GRANT_UNREACHABLE, 0)
    assert got.millis >= 299


async def test_what_the_token_took_is_missing_of_the_attempts_time(sender: HttpSender, names: Names) -> None:
    names.set("slow.example", None)

    async def slowly(talk: Any) -> None:
        await asyncio.sleep(0.2)
        await giving()(talk)

    async with Receiver(hang) as receiver, Receiver(slowly) as server:
        got = await sender.send(granted(receiver, server, timeout=0.5))
        lost = await sender.send(
            replace(granted(receiver, server, timeout=0.5, holder="end_2"), url=receiver.url(host="slow.example"))
        )
    assert (got.failure, lost.failure) == (Failure.TIMEOUT, Failure.DNS)
    assert 499 <= got.millis < 700
    assert 499 <= lost.millis < 700


async def test_a_token_server_stands_behind_the_same_guard(names: Names) -> None:
    names.set("inside.example", "10.0.0.1")
    sender = HttpSender(names, allowed=networks("127.0.0.1"))
    async with Receiver(answer()) as receiver, Receiver(giving(), host="127.0.0.2") as server:
        for url in (server.url(), "http://inside.example/", "http://unknown.example/", "inbox:"):
            got = await sender.send(_at(receiver, url))
            assert got.failure in {Failure.GRANT_UNREACHABLE, Failure.GRANT_REFUSED}, url
        with unused_port() as port:
            closed = await sender.send(_at(receiver, f"http://127.0.0.1:{port}/"))
    await sender.close()
    assert closed.failure is Failure.GRANT_UNREACHABLE
    assert "took no connection" in closed.detail
    assert (receiver.connections, server.connections) == (0, 0)


def _at(receiver: Receiver, token_url: str) -> Outgoing:
    plain = post(receiver.url())
    return replace(plain, headers=(*plain.headers, ("Authorization", "")), grant=replace(GRANT, token_url=token_url))


async def test_without_a_secret_nothing_is_asked(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver, Receiver(giving()) as server:
        got = await sender.send(granted(receiver, server, secret=None))
    assert (got.failure, receiver.connections, server.connections) == (Failure.GRANT_REFUSED, 0, 0)
    assert "enter it anew" in got.detail


async def test_stopping_answers_those_who_wait_for_a_token(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver, Receiver(hang) as server:
        waiting = asyncio.create_task(sender.send(granted(receiver, server)))
        await server.asked.wait()
        await sender.close()
        got = await waiting
    assert (got.failure, receiver.connections) == (Failure.INTERNAL, 0)


# --- for how long ----------------------------------------------------------------------------------------------------


class Server:
    """A token server without a network: what it says, and how often it was asked."""

    def __init__(self, told: object) -> None:
        self.told = told
        self.asked = 0

    async def __call__(self, _request: Outgoing) -> Answer:
        self.asked += 1
        return Answer(
            None, "", 200, body=json.dumps({"access_token": f"t{self.asked}", "expires_in": self.told}).encode()
        )


@pytest.mark.parametrize(
    ("told", "life"),
    [
        (3600, 3570),
        (60, 54),
        ("60", 54),
        (10.0, 9),
        (1e9, LIFE_MAX - 30),
        (10**4000, LIFE_MAX - 30),
        ("9" * 5000, LIFE_UNTOLD - 30),
        (None, LIFE_UNTOLD - 30),
        (True, LIFE_UNTOLD - 30),
        ("soon", LIFE_UNTOLD - 30),
    ],
)
async def test_a_token_is_kept_until_shortly_before_it_runs_out(told: object, life: float) -> None:
    time, server = Time(), Server(told)
    tokens = Tokens(server, clock=time)
    first = await tokens.get(GRANT, post("http://x/"))
    time.now += life - 0.5
    assert await tokens.get(GRANT, post("http://x/")) is first
    time.now += 0.5
    second = await tokens.get(GRANT, post("http://x/"))
    assert isinstance(second, Token)
    assert (second.text, server.asked) == ("t2", 2)


@pytest.mark.parametrize("told", [0, -5])
async def test_a_token_that_is_over_at_once_is_used_once(told: int) -> None:
    server = Server(told)
    tokens = Tokens(server, clock=Time())
    for n in (1, 2):
        token = await tokens.get(GRANT, post("http://x/"))
        assert isinstance(token, Token)
        assert (token.text, server.asked) == (f"t{n}", n)


async def test_only_so_many_tokens_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert HOLDERS_MAX > 1000
    monkeypatch.setattr("goniec.send.tokens.HOLDERS_MAX", 2)
    server = Server(60)
    tokens = Tokens(server, clock=Time())
    for holder in ("a", "b", "c", "b", "c", "a"):
        assert not isinstance(await tokens.get(replace(GRANT, holder=holder), post("http://x/")), Missed)
    assert server.asked == 4
