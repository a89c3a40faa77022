"""From the API to receivers that nobody here wrote: httpbin checks Basic authorization, standardwebhooks the signature."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.e2e.engine import Engine

USER: Final = "jan"
PASSWORD: Final = "pa:ss#?@€ż i 100%"

# httpbin asks for Basic authorization on GET alone; the same view of its own, and with it its own check, on POST
POSTED: Final = """
from httpbin import app
app.add_url_rule("/basic-auth/<user>/<passwd>", endpoint="basic_auth", methods=["POST"])
"""


@pytest.fixture
def httpbin(receivers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an httpbin in an environment of its own."""
    folder = tmp_path_factory.mktemp("httpbin")
    (folder / "posted.py").write_text(POSTED)
    log = folder / "log"
    command = [
        str(receivers / "gunicorn"),
        "--bind",
        "127.0.0.1:0",
        "--threads",
        "4",
        "--chdir",
        str(folder),
        "posted:app",
    ]
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=kept, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield from _address(log, process)
    finally:
        process.terminate()
        process.wait(60)


def _address(log: Path, process: subprocess.Popen[bytes]) -> Iterator[str]:
    found = None
    while found is None:
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
        found = re.search(r"Listening at: (http://127\.0\.0\.1:\d+)", log.read_text())
    yield found[1]


async def test_httpbin_lets_our_webhooks_in_and_the_reference_library_verifies_them(
    engine: Engine, httpbin: str
) -> None:
    checked = f"{httpbin}/basic-auth/{USER}/{quote(PASSWORD, safe='')}"
    basic = {"username": USER, "password": PASSWORD}
    actions = [{"type": "webhook", "url": url, "basicAuth": basic} for url in (checked, f"{httpbin}/anything")]
    rule = await engine.rule(
        {"type": "external_event.added", "kinds": ["PURCHASE"]}, name="Zakupy ♝", description="€", actions=actions
    )
    echo = await engine.endpoint(rule, 1)
    rotated = await engine.post(f"/endpoints/{echo}/rotateSecret", {"overlapDays": 0})
    events = [purchase(f"klient{number}@example.pl", number) for number in range(10)]
    taken = await engine.post("/events", {"events": [*events, *events]}, 202)
    assert (taken["accepted"], taken["duplicates"]) == (10, 10)

    deliveries = await engine.settled(20)
    assert [one["status"] for one in deliveries] == ["delivered"] * 20
    assert [one["attemptCount"] for one in deliveries] == [1] * 20
    answers: dict[bool, list[Any]] = {True: [], False: []}
    for one in deliveries:
        answers[one["endpointId"] == echo].append((one, json.loads(one["attempts"][0]["body"])))
    assert [said for _, said in answers[False]] == [{"authenticated": True, "user": USER}] * 10
    for delivery, seen in answers[True]:
        assert (seen["method"], seen["data"]) == ("POST", delivery["body"])
        headers = {name.lower(): value for name, value in seen["headers"].items()}
        message = Webhook(rotated["secret"]).verify(seen["data"], headers)
        assert message == seen["json"] == json.loads(delivery["body"])
        assert list(message) == ["id", "name", "contactId", "description", "email", "phone", "company"]
        assert (message["name"], message["description"], message["phone"]) == ("Zakupy ♝", "€", None)
        assert headers["webhook-id"] == delivery["id"]
        assert headers["content-length"] == str(len(delivery["body"].encode()))
        with pytest.raises(WebhookVerificationError):
            Webhook("whsec_" + "b" * 32).verify(seen["data"], headers)
    assert {json.loads(one["body"])["email"] for one, _ in answers[True]} == {
        f"klient{number}@example.pl" for number in range(10)
    }


async def test_httpbin_turns_a_wrong_password_away_and_the_right_one_is_let_in_later(
    engine: Engine, httpbin: str
) -> None:
    url = f"{httpbin}/basic-auth/{USER}/right"
    webhook = {"type": "webhook", "url": url, "basicAuth": {"username": USER, "password": "wrong"}}
    rule = await engine.rule({"type": "contact.created"}, actions=[webhook])
    endpoint = await engine.endpoint(rule, schedule=[1] * 50)
    await engine.contact(email="ola@example.pl")
    (failing,) = await engine.attempted(1)
    assert failing["status"] == "pending"
    assert (failing["attempts"][0]["status"], failing["attempts"][0]["failure"]) == (401, "rejected")
    await engine.patch(f"/endpoints/{endpoint}", {"basicAuth": {"username": USER, "password": "right"}})
    (delivered,) = await engine.settled(1)
    assert delivered["status"] == "delivered"
    assert {one["status"] for one in delivered["attempts"][:-1]} == {401}
    assert json.loads(delivered["attempts"][-1]["body"]) == {"authenticated": True, "user": USER}


def test_httpbin_checks_what_it_is_sent(httpbin: str) -> None:
    """Without this the tests above would prove little."""
    url = f"{httpbin}/basic-auth/{USER}/right"
    assert [httpx.post(url, auth=auth).status_code for auth in (None, (USER, "wrong"), (USER, "right"))] == [
        401,
        401,
        200,
    ]


def purchase(email: str, number: int) -> dict[str, Any]:
    return {
        "type": "external_event.added",
        "contact": {"email": email, "company": "Żółw & Syn" if number % 2 else None},
        "data": {"kind": "PURCHASE", "value": 9.5 * number, "products": ["42"]},
        "dedupKey": f"order-{number}",
    }
