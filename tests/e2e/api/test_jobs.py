"""Jobs over the API: a range sent again, all that match cancelled, looked at, stopped."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from goniec.core.times import HOUR, SECOND, format_instant
from goniec.flow.jobs import Jobs
from tests.core.build import NOW
from tests.e2e.api.client import Api, pointers
from tests.e2e.api.configured import Configured, configured
from tests.flow.workshop import failing, ok

EVERY = [{"type": "contact.created"}]
SINCE = format_instant(NOW - HOUR)


@pytest.fixture
async def rules(api: Api) -> AsyncIterator[Configured]:
    async with configured(api) as opened:
        yield opened


async def outage(rules: Configured, n: int = 3) -> dict[str, Any]:
    """An endpoint that gave up so many deliveries."""
    endpoint = await rules.endpoint_of(await rules.rule(triggers=EVERY))
    await rules.ask("PATCH", f"/endpoints/{endpoint['id']}", json={"schedule": []})
    rules.shop.sender.script = lambda _: failing()
    for one in range(n):
        await rules.contact(email=f"k{one}@x.pl")
    await rules.shop.settle()
    rules.shop.sender.script = ok
    return endpoint


async def round_of(rules: Configured) -> None:
    await Jobs(rules.store, rules.shop.clock, rules.shop.deliverer).round()
    rules.shop.clock.at += SECOND
    await rules.shop.poll()
    await rules.shop.settle()


async def test_a_range_is_sent_again_and_its_progress_shown(rules: Configured) -> None:
    endpoint = await outage(rules)
    path = f"/endpoints/{endpoint['id']}/resend"
    answer = await rules.post(path, {"since": SINCE})
    job = answer.json()
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["done"], job["progress"]) == ("resend", "running", 0, 0.0)
    assert (job["status"], job["rate"], job["endpointId"]) == (["failed"], 50.0, endpoint["id"])
    assert (job["since"], job["until"], job["by"]) == (SINCE, format_instant(NOW + 1), "key-admin")
    again = await rules.post(path, {"since": SINCE, "status": ["failed"]})
    assert (again.status_code, again.json()) == (200, job)
    other = await rules.post(path, {"since": SINCE, "status": ["failed", "cancelled"]})
    assert (other.status_code, other.json()["code"]) == (409, "jobRunning")
    await round_of(rules)
    found = (await rules.get(f"/jobs/{job['id']}", scope="read")).json()
    assert (found["state"], found["done"], found["progress"]) == ("done", 3, 1.0)
    listed = (await rules.get("/deliveries")).json()["items"]
    assert [(one["status"], one["resend"], one["attemptCount"]) for one in listed] == [("delivered", True, 2)] * 3


async def test_jobs_are_listed_and_stopped(rules: Configured) -> None:
    endpoint = await outage(rules)
    first = (await rules.post(f"/endpoints/{endpoint['id']}/resend", {"since": SINCE})).json()
    second = (await rules.post("/deliveries/cancel", {"endpointId": endpoint["id"]})).json()
    listed = (await rules.get("/jobs", scope="read", params={"order": "desc"})).json()
    assert [one["id"] for one in listed["items"]] == [second["id"], first["id"]]
    stopped = (await rules.post(f"/jobs/{first['id']}/cancel", None)).json()
    assert (stopped["state"], stopped["endedAt"]) == ("cancelled", format_instant(NOW))
    await round_of(rules)
    assert (await rules.post(f"/jobs/{first['id']}/cancel", None)).json() == stopped


async def test_all_that_match_are_cancelled(rules: Configured) -> None:
    endpoint = await rules.endpoint_of(await rules.rule(triggers=EVERY))
    await rules.post(f"/endpoints/{endpoint['id']}/pause", None)
    for one in range(3):
        await rules.contact(email=f"k{one}@x.pl")
    body = {"endpointId": endpoint["id"]}
    answer = await rules.post("/deliveries/cancel", body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["kind"] == "cancel"
    assert (await rules.post("/deliveries/cancel", body)).status_code == 200
    await round_of(rules)
    assert (await rules.get(f"/jobs/{answer.json()['id']}")).json()["done"] == 3
    assert (await rules.get(f"/endpoints/{endpoint['id']}")).json()["pending"] == 0
    assert {one["status"] for one in (await rules.get("/deliveries")).json()["items"]} == {"cancelled"}


async def test_a_job_that_was_begun_with_a_key_is_begun_once(rules: Configured) -> None:
    endpoint = await outage(rules)
    headers = {"idempotency-key": "again"}
    path = f"/endpoints/{endpoint['id']}/resend"
    first = await rules.post(path, {"since": SINCE}, headers=headers)
    await round_of(rules)
    second = await rules.post(path, {"since": SINCE}, headers=headers)
    assert (second.status_code, second.json()) == (202, first.json())
    assert len((await rules.get("/jobs")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/since"),
        ({"since": "yesterday"}, "/since"),
        ({"since": SINCE, "status": "pending"}, "/status"),
        ({"since": SINCE, "status": []}, "/status"),
        ({"since": SINCE, "status": "lost"}, "/status"),
        ({"since": SINCE, "until": SINCE}, "/until"),
        ({"since": SINCE, "rate": 0}, "/rate"),
        ({"since": SINCE, "speed": 3}, "/speed"),
    ],
)
async def test_ranges_that_make_no_sense(rules: Configured, body: dict[str, Any], pointer: str) -> None:
    endpoint = await rules.endpoint_of(await rules.rule(triggers=EVERY))
    answer = await rules.post(f"/endpoints/{endpoint['id']}/resend", body)
    assert answer.status_code in {400, 422}
    assert pointers(answer) == [pointer], answer.text


async def test_what_is_not_there(rules: Configured) -> None:
    assert (await rules.post("/endpoints/end_0/resend", {"since": SINCE})).status_code == 404
    assert (await rules.get("/jobs/job_0")).status_code == 404
    assert (await rules.post("/jobs/job_0/cancel", None)).status_code == 404
    assert (await rules.post("/deliveries/cancel", {})).status_code == 422


async def test_what_was_for_an_endpoint_that_is_gone_cannot_be_sent_again(rules: Configured) -> None:
    endpoint = await outage(rules, 1)
    await rules.store.transact(lambda tx: tx.delete_endpoint(endpoint["id"]))
    (found,) = (await rules.get("/deliveries")).json()["items"]
    answer = await rules.post(f"/deliveries/{found['id']}/resend", None)
    assert (answer.status_code, answer.json()["code"]) == (409, "endpointDeleted")


@pytest.mark.parametrize("path", ["/endpoints/end_1/resend", "/deliveries/cancel", "/jobs/job_1/cancel"])
async def test_only_admin_may(rules: Configured, path: str) -> None:
    assert (await rules.post(path, {"since": SINCE}, scope="read")).status_code == 403
