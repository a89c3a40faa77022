"""Receivers that misbehave, met by a whole engine: what they saw, and what the log of deliveries says of them.

The sender meets each of them by itself in `tests/contract/send`; here it is the engine's record that counts: one
attempt for each request, what it says, what becomes of the delivery, and that nobody else is held up.
"""

import datetime as dt
import gzip
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

import pytest
import trustme

from tests.contract.send.receivers import (
    Behaviour,
    Receiver,
    answer,
    black_hole,
    drip,
    flood,
    hang,
    say,
    stop_reading,
    unused_port,
)
from tests.contract.send.test_tls import self_signed, serving
from tests.e2e.engine import Engine, until
from tests.e2e.engine import engine as running

OK: Final = b"HTTP/1.1 200 OK\r\n"
ELSEWHERE: Final = ["Location: http://127.0.0.1:1/"]
BOMB: Final = gzip.compress(b"0" * 50_000_000)
JAN: Final = {"email": "jan@example.pl"}
VISITED: Final = {"type": "page.visited"}

ROWS: Final[dict[str, tuple[Behaviour, int | None, str | None, str | None]]] = {
    # what it does: behaviour, status, failure, note
    "1: 200 without a body": (answer(200), 200, None, None),
    "1: 204": (answer(204), 204, None, None),
    "1: 299": (answer(299), 299, None, None),
    "1: 300": (answer(300), 300, "redirect", None),
    "1: 304": (answer(304), 304, "redirect", None),
    **{f"2: {status}": (answer(status, headers=ELSEWHERE), status, "redirect", None) for status in (301, 302, 303, 307, 308)},
    "2: without a Location": (answer(302), 302, "redirect", None),
    "5: never answers": (hang, None, "timeout", None),
    "5: never reads": (stop_reading, None, "timeout", None),
    "5: drips its head": (drip(b"x", first=b"HTTP/1.1 200 O", every=0.05), None, "timeout", None),
    "5: drips its body": (drip(b"x", first=OK + b"\r\n", every=0.05), 200, None, "timeout"),
    "6: an endless body": (flood(b"x" * 60_000, first=OK + b"\r\n"), 200, None, "answerLong"),
    "6: a gzip bomb": (answer(200, BOMB, ["Content-Encoding: gzip"]), 200, None, None),
    "7: resets": (say(b"", "reset"), None, "connectionReset", None),
    "7: closes": (say(b"", "close"), None, "emptyAnswer", None),
    "7: closes in mid-head": (say(OK + b"X: y", "close"), None, "answerCut", None),
    "7: closes in mid-body": (say(OK + b"Content-Length: 50\r\n\r\nhalf", "close"), 200, None, "answerCut"),
    "8: a length that is too long": (say(OK + b"Content-Length: 50\r\n\r\nhalf", "hold"), 200, None, "timeout"),
    "9: garbage": (say(b"220 mail.example ESMTP\r\n", "close"), None, "notHttp", None),
    "9: HTTP/0.9": (say(b"<html>hello</html>\n", "close"), None, "notHttp", None),
    "9: bad bytes": (say(b"\xff\xfe\x00\x00" * 50, "close"), None, "notHttp", None),
    "9: a header of 1 MB": (say(OK + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n", "close"), None, "headTooLarge", None),
    "9: 10,000 headers": (say(OK + b"X: y\r\n" * 10_000 + b"\r\n", "close"), None, "headTooLarge", None),
    "9: endless 1xx": (flood(b"HTTP/1.1 100 Continue\r\n\r\n"), None, "headTooLarge", None),
    "12: NUL and bad UTF-8": (say(OK + b"X: \xff\xc5\r\nContent-Length: 3\r\n\r\n\x00\xff\xfe", "keep"), 200, None, None),
}  # fmt: skip


def visit(receiver: str) -> dict[str, Any]:
    return {"data": {"url": f"https://shop.example/{receiver}"}}


def visited(receiver: str) -> dict[str, Any]:
    return {**VISITED, "urls": [f"https://shop.example/{receiver}"]}


@pytest.mark.slow
async def test_each_is_one_attempt_that_tells_what_happened(engine: Engine) -> None:
    async with AsyncExitStack() as stack:
        receivers = {}
        rules = {}
        for place, (name, (behaviour, *_)) in enumerate(ROWS.items()):
            receivers[name] = await stack.enter_async_context(Receiver(behaviour))
            rules[name] = await engine.rule(visited(str(place)), receivers[name].url("/hook"), name=name)
            await engine.endpoint(rules[name], timeout=1, connectTimeout=1, schedule=[600])
        for place in range(len(ROWS)):
            await engine.visit(JAN, **visit(str(place)))
        found = {one["ruleId"]: one for one in await engine.attempted(len(ROWS))}
        wrong = []
        for name, (_, status, failure, note) in ROWS.items():
            delivery = found[rules[name]["id"]]
            (attempt,) = delivery["attempts"]
            told = (attempt["status"], attempt["failure"], attempt["note"], delivery["status"])
            expected = (status, failure, note, "pending" if failure else "delivered")
            (request,) = receivers[name].requests
            alike = (request.body.decode(), request.header("webhook-id")) == (delivery["body"], delivery["id"])
            short = len(attempt["head"]) <= 32_768 and len(attempt["body"]) <= 4 * 4_096
            if told != expected or not alike or not attempt["detail"].isprintable() or not short:
                wrong.append((name, told, expected, alike, attempt["detail"], len(attempt["head"])))
        assert wrong == []
        odd = found[rules["12: NUL and bad UTF-8"]["id"]]["attempts"][0]
        assert odd["body"] == "\x00\\xff\\xfe"
        assert "X: \\xff\\xc5" in odd["head"]
        assert not [line for line in engine.log() if line.get("level") == "error"]


async def test_3_gone_pauses_the_endpoint_and_keeps_what_waits_until_it_is_resumed(engine: Engine) -> None:
    async with Receiver([answer(410), answer(200)]) as receiver, Receiver(answer(200)) as other:
        rule = await engine.rule(VISITED, receiver.url("/hook"), other.url("/hook"))
        endpoint = await engine.endpoint(rule)
        await engine.visit(JAN)
        await engine.attempted(2)
        await engine.visit(JAN)
        await engine.attempted(3)
        shown = await engine.get(f"/endpoints/{endpoint}")
        assert (shown["paused"], shown["pending"], len(receiver.requests)) == ("gone", 2, 1)
        assert len(other.requests) == 2
        await engine.ask("POST", f"/endpoints/{endpoint}/resume", 200)
        deliveries = [one for one in await engine.settled(4) if one["endpointId"] == endpoint]
        assert [one["status"] for one in deliveries] == ["delivered"] * 2
        assert [attempt["failure"] for attempt in deliveries[0]["attempts"]] == ["gone", None]
        ids = [request.header("webhook-id") for request in receiver.requests]
        assert ids == [deliveries[0]["id"], deliveries[0]["id"], deliveries[1]["id"]]


def in_an_hour() -> str:
    return format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), usegmt=True)


HINTS: Final = {
    # Retry-After: the wait in seconds at least and at most; the schedule's own step is ten, a fifth more or less
    "3600": (3_600, 3_602),
    "in an hour": (3_590, 3_602),
    "99999999": (86_400, 86_402),
    "-5": (8, 13),
    "NaN": (8, 13),
    "1e99": (8, 13),
    "Wed, 21 Oct 2015 07:28:00 GMT": (8, 13),
    "1": (8, 13),
}


async def test_4_a_receiver_that_asks_to_wait_is_left_alone_and_nonsense_counts_as_nothing(engine: Engine) -> None:
    cases = {(status, hint): f"{status}-{place}" for status in (429, 503) for place, hint in enumerate(HINTS)}
    async with AsyncExitStack() as stack:
        receivers, endpoints = {}, {}
        for (status, hint), name in cases.items():
            header = f"Retry-After: {in_an_hour() if hint == 'in an hour' else hint}"
            receivers[name] = await stack.enter_async_context(Receiver(answer(status, headers=[header])))
            rule = await engine.rule(visited(name), receivers[name].url("/hook"), name=name)
            endpoints[name] = await engine.endpoint(rule, schedule=[10])
            await engine.visit(JAN, **visit(name))
        found = {one["endpointId"]: one for one in await engine.attempted(len(cases))}
        for name in cases.values():
            await engine.visit({"email": "ola@example.pl"}, **visit(name))
        await engine.attempted(len(cases) + sum(most < 60 for _, most in HINTS.values()) * 2)
        for (status, hint), name in cases.items():
            least, most = HINTS[hint]
            delivery, endpoint = found[endpoints[name]], await engine.get(f"/endpoints/{endpoints[name]}")
            (attempt,) = delivery["attempts"]
            assert attempt["failure"] == {429: "tooManyRequests", 503: "serverError"}[status]
            waits = instant(delivery["dueAt"]) - instant(attempt["at"])
            assert least <= waits.total_seconds() <= most, (name, hint)
            # the whole endpoint is held: the other contact's delivery was not tried either
            held = least > 10
            assert (len(receivers[name].requests), endpoint["pending"]) == (1 if held else 2, 2), (name, hint)
            until_when = endpoint["heldUntil"]
            assert not held or instant(until_when) >= instant(attempt["at"]) + dt.timedelta(seconds=least)


async def test_8_a_length_that_is_too_short_spoils_no_later_answer(engine: Engine) -> None:
    smuggled = OK + b"Content-Length: 2\r\n\r\nOKHTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n"
    async with Receiver([say(smuggled, "keep"), answer(201, b"second")]) as receiver:
        await engine.rule(VISITED, receiver.url("/hook"))
        await engine.visit(JAN)
        await engine.visit(JAN)
        deliveries = await engine.settled(2)
        assert [one["attempts"][0]["status"] for one in deliveries] == [200, 201]
        assert [one["attempts"][0]["body"] for one in deliveries] == ["OK", "second"]
        assert len(receiver.requests) == 2


@pytest.mark.slow
async def test_10_certificates_and_handshakes_each_have_a_code_and_advice(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    leaf = authority.create_child_ca().issue_cert("127.0.0.1")
    alone = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with leaf.private_key_pem.tempfile() as key, leaf.cert_chain_pems[0].tempfile() as chain:
        alone.load_cert_chain(chain, key)
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    cases = {
        "good": (serving(authority.issue_cert("127.0.0.1")), None, ""),
        "expired": (serving(authority.issue_cert("127.0.0.1", not_after=past)), "tlsExpired", "renew"),
        "wrong host": (serving(authority.issue_cert("other.example")), "tlsWrongHost", "another name"),
        "self-signed": (self_signed(tmp_path), "tlsSelfSigned", "signed itself"),
        "unknown": (serving(stranger.issue_cert("127.0.0.1")), "tlsUnknownIssuer", "GONIEC_CA_FILE"),
        "no intermediate": (alone, "tlsUnknownIssuer", "intermediate"),
        "stalled": (None, "tlsFailed", "handshake"),
    }
    async with running(tmp_path, ca_file=str(ca_file)) as engine, AsyncExitStack() as stack:
        receivers, rules = {}, {}
        for name, (context, _, _) in cases.items():
            receiver = Receiver(answer(200), tls=context, greet=None if context else hang)
            receivers[name] = await stack.enter_async_context(receiver)
            url = receiver.url("/hook").replace("http:", "https:")
            rules[name] = await engine.rule(visited(name.replace(" ", "-")), url, name=name)
            await engine.endpoint(rules[name], timeout=5, connectTimeout=1, schedule=[600])
            await engine.visit(JAN, **visit(name.replace(" ", "-")))
        found = {one["ruleId"]: one["attempts"][0] for one in await engine.attempted(len(cases))}
        for name, (_, failure, advice) in cases.items():
            attempt = found[rules[name]["id"]]
            assert attempt["failure"] == failure, (name, attempt)
            assert advice in attempt["detail"], (name, attempt)
            assert len(receivers[name].requests) == (failure is None), name


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_11_an_idle_connection_that_was_closed_costs_no_second_request(engine: Engine, end: str) -> None:
    async with Receiver(answer(200)) as receiver:
        await engine.rule(VISITED, receiver.url("/hook"))
        for _ in range(5):
            await engine.visit(JAN)
            await engine.quiet()
            await receiver.end_connections(end)
        deliveries = await engine.deliveries()
        assert [request.header("webhook-id") for request in receiver.requests] == [one["id"] for one in deliveries]
        assert len(receiver.requests) == 5


async def test_11_one_that_dies_under_the_request_is_tried_again_at_once_and_both_are_on_record(engine: Engine) -> None:
    async with Receiver([answer(200), say(b"", "close"), answer(200)]) as receiver:
        rule = await engine.rule(VISITED, receiver.url("/hook"))
        await engine.endpoint(rule, schedule=[3600])
        await engine.visit(JAN)
        await engine.quiet()
        await engine.visit(JAN)
        _, second = await engine.settled(2)
        assert [attempt["failure"] for attempt in second["attempts"]] == ["staleConnection", None]
        assert [request.header("goniec-attempt") for request in receiver.requests] == ["1", "1", "2"]
        assert receiver.requests[1].body == receiver.requests[2].body


@pytest.fixture
async def good() -> AsyncIterator[Receiver]:
    async with Receiver(answer(200)) as receiver:
        yield receiver


@pytest.mark.slow
async def test_13_dead_endpoints_hold_nobody_up(engine: Engine, good: Receiver) -> None:
    """Twenty endpoints that never answer, of which none has got its time-out yet when all others are done."""
    with ExitStack() as holes:
        for number in range(20):
            port = holes.enter_context(black_hole())
            rule = await engine.rule(VISITED, f"http://127.0.0.1:{port}/", name=f"hole {number}")
            await engine.endpoint(rule, timeout=30, connectTimeout=30, schedule=[3600])
        with unused_port() as port:
            refusing = await engine.rule(VISITED, f"http://127.0.0.1:{port}/", name="refuses")
            await engine.endpoint(refusing, schedule=[1] * 50)
            healthy = await engine.rule(VISITED, good.url("/hook"), name="good")
            events = [{**VISITED, "contact": {"email": f"k{n % 10}@example.pl"}, **visit("x")} for n in range(100)]
            await engine.post("/events", {"events": events}, 202)
            await until(lambda: len(good.requests) == 100, "the one that works has got everything")
            found = await engine.everything("/deliveries", status="pending")
            untried = [one for one in found if one["ruleId"] not in {healthy["id"], refusing["id"]}]
            assert len(untried) == 20 * 100
            assert not any(one["attemptCount"] for one in untried)
    by_contact: dict[str, list[int]] = {}
    for request in good.requests:
        contact = json.loads(request.body)["contactId"]
        by_contact.setdefault(contact, []).append(int(request.header("goniec-sequence") or 0))
    assert all(sequences == sorted(sequences) for sequences in by_contact.values())
    engine.kill()  # thirty seconds of time-outs are of no interest any more
    await engine.gone()


async def test_14_an_answer_after_our_time_out_gets_the_same_id_again(engine: Engine) -> None:
    async with Receiver([hang, answer(200)]) as receiver:
        rule = await engine.rule(VISITED, receiver.url("/hook"))
        await engine.endpoint(rule, timeout=1, connectTimeout=1, schedule=[1])
        await engine.visit(JAN)
        (delivery,) = await engine.settled(1)
        assert [attempt["failure"] for attempt in delivery["attempts"]] == ["timeout", None]
        assert {request.header("webhook-id") for request in receiver.requests} == {delivery["id"]}
        assert [request.header("goniec-attempt") for request in receiver.requests] == ["1", "2"]
        assert receiver.requests[0].body == receiver.requests[1].body


async def test_15_one_that_fails_every_other_call_gets_everything_in_order(engine: Engine) -> None:
    async with Receiver([answer(500), answer(200)] * 3) as receiver:
        rule = await engine.rule(VISITED, receiver.url("/hook"))
        await engine.endpoint(rule, schedule=[1, 1, 1])
        for _ in range(3):
            await engine.visit(JAN)
        deliveries = await engine.settled(3)
        assert [one["status"] for one in deliveries] == ["delivered"] * 3
        assert [one["attemptCount"] for one in deliveries] == [2] * 3
        ids = [one["id"] for one in deliveries for _ in range(2)]
        assert [request.header("webhook-id") for request in receiver.requests] == ids


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_the_bomb_is_one() -> None:
    assert len(BOMB) < 65_536 < len(gzip.decompress(BOMB))
