"""How webhooks get to their receivers, through the whole engine: with an access token, and through a proxy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.commands import goniec
from tests.contract.send.egress import Egress
from tests.contract.send.receivers import Receiver, answer
from tests.contract.send.test_tokens import form, giving, sent_tokens
from tests.e2e.engine import Engine, engine

VISITED = {"type": "page.visited"}
JAN = {"email": "jan@example.pl"}
SECRET = "s3cret-of-the-client"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine(tmp_path) as one:
        yield one


async def test_a_receiver_that_wants_a_token_gets_it_renewed_and_nobody_sees_the_secret(
    running: Engine, tmp_path: Path
) -> None:
    async with (
        Receiver([answer(200), answer(401), answer(200)]) as receiver,
        Receiver([giving("t0ken-one"), giving("t0ken-two")]) as server,
    ):
        oauth2 = {"tokenUrl": server.url("/token"), "clientId": "goniec", "clientSecret": SECRET, "auth": "body"}
        action = {"type": "webhook", "url": receiver.url(), "oauth2": oauth2}
        rule = await running.rule(VISITED, actions=[action])
        assert rule["actions"][0]["oauth2"] == {
            "tokenUrl": server.url("/token"),
            "clientId": "goniec",
            "auth": "body",
            "secretSet": True,
        }
        await running.visit(JAN)
        await running.settled(1)
        await running.visit(JAN)
        first, second = await running.settled(2)
        assert sent_tokens(receiver) == ["Bearer t0ken-one", "Bearer t0ken-one", "Bearer t0ken-two"]
        assert [form(request)["client_secret"] for request in server.requests] == [[SECRET]] * 2
        assert [one["failure"] for one in first["attempts"]] == [None]
        assert [one["failure"] for one in second["attempts"]] == ["tokenExpired", None]
    # the server is gone: a new client has to ask, and cannot
    endpoint = await running.endpoint(rule, oauth2={**oauth2, "clientId": "other"}, schedule=[])
    await running.visit(JAN)
    *_, third = await running.settled(3)
    assert [one["failure"] for one in third["attempts"]] == ["tokenUnreachable"]
    told = str([await running.get(f"/endpoints/{endpoint}"), first, second, third, running.log()])
    written = b"".join(file.read_bytes() for file in tmp_path.glob("goniec.db*"))
    for secret in (SECRET, "t0ken-one", "t0ken-two"):
        assert secret not in told
        assert secret.encode() not in written


async def test_everything_leaves_through_the_proxy_and_its_password_is_seen_nowhere(tmp_path: Path) -> None:
    async with Egress() as egress, Receiver(answer(200)) as receiver:
        url = f"http://jan:hunter2@127.0.0.1:{egress.port}"
        async with engine(tmp_path, egress_proxy=url) as one:
            await one.rule(VISITED, receiver.url())
            await one.visit(JAN)
            (delivery,) = await one.settled(1)
            told = goniec(tmp_path, "doctor", **one.settings).stdout + str([delivery, one.log()])
        assert (delivery["status"], egress.asked) == ("delivered", [receiver.address])
    assert f"GONIEC_EGRESS_PROXY      http://127.0.0.1:{egress.port}\n" in told
    assert "hunter2" not in told
