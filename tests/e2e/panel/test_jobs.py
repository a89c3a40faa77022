"""Jobs in the panel: a range sent again, all that match cancelled, progress, stopping; by role, with bad input."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import Engine, eventually
from tests.e2e.panel.client import Page, Person, SignIn

VISITED = {"type": "page.visited"}


async def given_up(engine: Engine, url: str, n: int = 3) -> str:
    """An endpoint that gave up so many deliveries; gives its id."""
    rule = await engine.rule(VISITED, url, name="Visit → CRM")
    await engine.endpoint(rule, schedule=[], breaker=False)
    endpoint: str = rule["actions"][0]["endpointId"]
    for one in range(n):
        await engine.visit({"email": f"k{one}@example.pl"})

    async def over() -> bool:
        return len(await engine.everything("/deliveries?status=failed")) == n

    await eventually(over, "all were given up")
    return endpoint


async def ended(ala: Person, page: Page) -> Page:
    """The page of a job once it is over."""
    assert page.location.startswith("/jobs/"), f"{page.status}: {page.text}"
    last: list[Page] = []

    async def over() -> bool:
        last.append(await ala.get(page.location))
        return "Running" not in last[-1].text

    await eventually(over, "the job is over")
    return last[-1]


def minute(ago: timedelta) -> str:
    return (datetime.now(ZoneInfo("Europe/Warsaw")) - ago).strftime("%Y-%m-%dT%H:%M")


async def test_after_an_outage_a_range_is_sent_again(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver([answer(500), answer(500), answer(500), answer(200)]) as receiver:
        endpoint = await given_up(engine, receiver.url())
        ala = await sign_in("editor")
        page = await ala.get(f"/endpoints/{endpoint}")
        assert f"/endpoints/{endpoint}/resend" in page.links
        form = await ala.get(f"/endpoints/{endpoint}/resend")
        assert form.fields["status"] == ["failed"]
        done = await ended(ala, await ala.send(f"/endpoints/{endpoint}/resend", page=form))
        assert "3 deliveries were put back into the queue." in done.text
        assert "editor@example.com" in done.text

        async def arrived() -> bool:
            return len(await engine.everything("/deliveries?status=delivered")) == 3

        await eventually(arrived, "all of them arrived")


async def test_a_range_while_one_runs(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await given_up(engine, "http://127.0.0.1:1/", 2)
    await engine.post(f"/endpoints/{endpoint}/pause", {})
    ala, path = await sign_in("editor"), f"/endpoints/{endpoint}/resend"
    form = await ala.get(path)
    begun = await ala.send(path, page=form)
    assert begun.location.startswith("/jobs/")
    page = await ala.get(begun.location)
    assert "Running" in page.text
    assert "It waits: the endpoint is paused" in page.text
    part = await ala.get(begun.location, **{"hx-request": "true"})
    assert 'id="job"' in part.html
    assert "<html" not in part.html
    again = await ala.send(path, page=form)
    assert again.location == begun.location, "the same range is the same job"
    other = await ala.send(path, {"status": ["failed", "cancelled"]}, page=form)
    assert other.status == 409
    for where in (other, await ala.get(path), await ala.get(f"/endpoints/{endpoint}"), await ala.get("/deliveries")):
        assert begun.location in where.links
    stopped = await ala.follow(await ala.send(f"{begun.location}/stop"))
    assert "Stopped" in stopped.text
    assert (await ala.get(begun.location, **{"hx-request": "true"})).status == 204
    assert (await ala.get("/jobs/job_0")).status == 404
    assert (await ala.send("/jobs/job_0/stop")).status == 404


async def test_ranges_that_make_no_sense(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await given_up(engine, "http://127.0.0.1:1/", 1)
    ala, path = await sign_in("editor", "pl"), f"/endpoints/{endpoint}/resend"
    form = await ala.get(path)
    wrong: list[tuple[dict[str, Any], list[str], str]] = [
        ({"since": ""}, ["since"], "wymagane"),
        ({"since": "wczoraj", "until": "jutro"}, ["since", "until"], "Podaj dzień i godzinę."),
        ({"since": minute(timedelta(hours=-2))}, ["since"], "dopiero nadejdzie"),
        ({"until": minute(timedelta(days=3))}, ["until"], "późniejszy"),
        ({"rate": "0"}, ["rate"], "na sekundę"),
        ({"rate": "dużo"}, ["rate"], "liczbę"),
        ({"status": []}, ["status"], "Nic nie wybrano"),
    ]
    for fields, problems, said in wrong:
        page = await ala.send(path, fields, page=form)
        assert (page.status, page.problems) == (422, problems), fields
        assert said in page.text
        assert page.fields["rate"] == [fields.get("rate", "50")]
    assert (await ala.get("/endpoints/end_0/resend")).status == 404


async def test_all_that_match_are_cancelled(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(VISITED, "inbox:paused", name="Waiting")
    endpoint = rule["actions"][0]["endpointId"]
    await engine.post(f"/endpoints/{endpoint}/pause", {})
    for one in range(3):
        await engine.visit({"email": f"k{one}@example.pl"})
    ala = await sign_in("editor")
    asked = f"status=pending&endpoint={endpoint}"
    assert f"/deliveries/cancelling?{asked}" in (await ala.get(f"/deliveries?{asked}")).links
    page = await ala.get(f"/deliveries/cancelling?{asked}")
    assert "Cancel all these deliveries?" in page.text
    done = await ended(ala, await ala.send("/deliveries/cancelling", page=page))
    assert "3 deliveries were cancelled." in done.text
    found = await engine.everything("/deliveries")
    assert {one["status"] for one in found} == {"cancelled"}


async def test_what_cannot_be_cancelled_at_once(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    for asked in ("", "status=pending", "status=failed&rule=rul_1", "status=pending&rule=rul_1&failure=timeout"):
        page = await ala.get(f"/deliveries/cancelling?{asked}")
        assert "This cannot be cancelled at once." in page.text, asked
        fields = dict(part.split("=") for part in asked.split("&") if part)
        assert (await ala.send("/deliveries/cancelling", fields)).status == 422
    page = await ala.get("/deliveries/cancelling?status=pending&rule=rul_1&contact=con_1&period=day")
    assert "Deleted rule" in page.text


async def test_who_only_looks_changes_nothing(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await given_up(engine, "http://127.0.0.1:1/", 1)
    jan = await sign_in("viewer")
    assert f"/endpoints/{endpoint}/resend" not in (await jan.get(f"/endpoints/{endpoint}")).links
    for path in (f"/endpoints/{endpoint}/resend", "/deliveries/cancelling", "/jobs/job_1/stop"):
        assert (await jan.send(path, {"since": "2020-01-01T00:00"})).status == 403
