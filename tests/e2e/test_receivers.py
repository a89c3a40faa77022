"""Receivers that misbehave, met by a whole engine: what they saw, and what the log of deliveries says of them."""

import gzip
from typing import Any, Final

import pytest

from tests.contract.send.receivers import Behaviour, Receiver, answer, drip, flood, hang, say, stop_reading
from tests.e2e.engine import Engine

OK: Final = b"HTTP/1.1 200 OK\r\n"
BOMB: Final = gzip.compress(b"0" * 5_000_000)

ROWS: Final[dict[str, tuple[Behaviour, int | None, str | None, str | None]]] = {
    # what it does: behaviour, status, failure, note
    "204": (answer(204), 204, None, None),
    "299": (answer(299), 299, None, None),
    "300": (answer(300), 300, "redirect", None),
    "304": (answer(304), 304, "redirect", None),
    "302 to the loopback": (answer(302, headers=["Location: http://127.0.0.1:1/"]), 302, "redirect", None),
    "429": (answer(429, headers=["Retry-After: 3600"]), 429, "tooManyRequests", None),
    "503 with nonsense": (answer(503, headers=["Retry-After: 1e99"]), 503, "serverError", None),
    "never answers": (hang, None, "timeout", None),
    "never reads": (stop_reading, None, "timeout", None),
    "drips its head": (drip(b"x", first=b"HTTP/1.1 200 O", every=0.05), None, "timeout", None),
    "drips its body": (drip(b"x", first=OK + b"\r\n", every=0.05), 200, None, "timeout"),
    "endless body": (flood(b"x" * 60_000, first=OK + b"\r\n"), 200, None, "answerLong"),
    "gzip bomb": (answer(200, BOMB, ["Content-Encoding: gzip"]), 200, None, None),
    "resets": (say(b"", "reset"), None, "connectionReset", None),
    "closes": (say(b"", "close"), None, "emptyAnswer", None),
    "closes in mid-body": (say(OK + b"Content-Length: 50\r\n\r\nhalf", "close"), 200, None, "answerCut"),
    "garbage": (say(b"220 mail.example ESMTP\r\n", "close"), None, "notHttp", None),
    "huge header": (say(OK + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n", "close"), None, "headTooLarge", None),
    "endless 1xx": (flood(b"HTTP/1.1 100 Continue\r\n\r\n"), None, "headTooLarge", None),
    "NUL and bad UTF-8": (say(OK + b"Content-Length: 3\r\n\r\n\x00\xff\xfe", "keep"), 200, None, None),
}


@pytest.mark.slow
async def test_each_is_one_attempt_that_tells_what_happened_and_holds_nobody_up(engine: Engine) -> None:
    receivers = {name: Receiver(behaviour) for name, (behaviour, *_) in ROWS.items()}
    good = Receiver(answer(200))
    rules: dict[str, dict[str, Any]] = {}
    try:
        await good.__aenter__()
        url = "https://s.example/good"
        healthy = await engine.rule({"type": "page.visited", "urls": [url]}, good.url("/hook"), name="good")
        for place, (name, receiver) in enumerate(receivers.items()):
            await receiver.__aenter__()
            trigger = {"type": "page.visited", "urls": [f"https://s.example/{place}"]}
            rules[name] = await engine.rule(trigger, receiver.url("/hook"), name=name)
            await engine.endpoint(rules[name], timeout=1, connectTimeout=1, schedule=[600])
        jan = {"email": "jan@example.pl"}
        for place in range(len(receivers)):
            await engine.visit(jan, data={"url": f"https://s.example/{place}"})
        await engine.visit(jan, data={"url": url})
        await engine.attempted(1, ruleId=healthy["id"])
        assert len(good.requests) == 1
        wrong = []
        for name, (_, status, failure, note) in ROWS.items():
            (delivery,) = await engine.attempted(1, ruleId=rules[name]["id"])
            attempt = delivery["attempts"][0]
            told = (attempt["status"], attempt.get("failure"), attempt.get("note"), delivery["status"])
            expected = (status, failure, note, "pending" if failure else "delivered")
            seen = len(receivers[name].requests)
            if told != expected or seen != 1 or len(delivery["attempts"]) != 1:
                wrong.append((name, told, expected, seen))
        assert wrong == []
    finally:
        for receiver in [good, *receivers.values()]:
            await receiver.__aexit__(None, None, None)


async def test_410_pauses_the_endpoint_and_keeps_the_delivery(engine: Engine) -> None:
    async with Receiver(answer(410)) as receiver:
        rule = await engine.rule({"type": "page.visited"}, receiver.url("/hook"))
        jan = {"email": "jan@example.pl"}
        await engine.visit(jan)
        (delivery,) = await engine.attempted(1, ruleId=rule["id"])
        endpoint = await engine.get(f"/endpoints/{rule['actions'][0]['endpointId']}")
        assert (delivery["status"], endpoint["paused"], len(receiver.requests)) == ("pending", "gone", 1)


async def test_an_answer_after_our_time_out_gets_the_same_id_again(engine: Engine) -> None:
    async with Receiver([hang, answer(200)]) as receiver:
        rule = await engine.rule({"type": "page.visited"}, receiver.url("/hook"))
        await engine.endpoint(rule, timeout=1, connectTimeout=1, schedule=[1])
        jan = {"email": "jan@example.pl"}
        await engine.visit(jan)
        (delivery,) = await engine.settled(1)
        assert delivery["status"] == "delivered"
        assert {request.header("webhook-id") for request in receiver.requests} == {delivery["id"]}
        assert [request.header("goniec-attempt") for request in receiver.requests] == ["1", "2"]
        assert receiver.requests[0].body == receiver.requests[1].body


def test_the_bomb_is_one() -> None:
    assert len(BOMB) < 65_536 < len(gzip.decompress(BOMB))
