"""The demo: who visits, what has to follow, how it tells when something is missing, and the whole of it as a process."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from goniec.cli.demo import shop
from goniec.cli.demo.tally import KEYS, Tally, checks
from goniec.cli.demo.visitors import steps, visitor
from goniec.cli.receiver import Received
from goniec.core.drafts import read_draft
from goniec.core.events import check_data
from goniec.core.templates import TEMPLATES
from goniec.core.text import email_key, phone_key
from goniec.core.times import parse_instant
from tests.cli.commands import environment, goniec, line_with

NOW = 1_764_000_000_000
STEPS = steps(NOW)
EXPECTED = {"/crm/kontakty": 600, "/crm/lejek": 802, "/powiadomienia/otwarcia": 583, "/segmenty": 328}
EXPECTED |= {"/sprzedaz/scoring": 137}

# --- who visits, and what they do ------------------------------------------------------------------------------------


def test_the_visitors_are_six_hundred_people() -> None:
    people = [visitor(id) for id in {step.visitor for step in STEPS}]
    assert len(people) == 600
    assert len({email_key(person.email)[1] for person in people}) == 600
    phones = {phone_key(person.phone, "PL") for person in people if person.phone is not None}
    assert None not in phones
    assert len(phones) == 480
    assert sum(person.company is None for person in people) == 200
    assert any("Ł" in person.name for person in people)
    assert any(person.company and "Ż" in person.company for person in people)


def test_what_they_do_is_what_the_file_says() -> None:
    kinds = Counter(step.kind for step in STEPS)
    assert kinds == {"page.visited": 29_290, "CART": 1_346, "email.opened": 583, "PURCHASE": 470}
    times = [parse_instant(step.event["occurredAt"]) for step in STEPS]
    assert times == sorted(times)
    assert times[-1] == NOW - 1000


def test_every_step_is_an_event_that_the_engine_takes() -> None:
    for step in STEPS:
        check_data(step.event["type"], step.event["data"])


# --- what has to follow ----------------------------------------------------------------------------------------------


def test_the_rules_are_the_five_templates_and_what_sets_them_off() -> None:
    funnels = {shop.FUNNEL: tuple(shop.funnel()["stages"])}
    drafts = [read_draft(rule, funnels) for rule in shop.rules("http://127.0.0.1:9", "secret")]
    assert all(draft.active for draft in drafts)
    assert {template.name.pl for template in TEMPLATES.values()} <= {draft.name for draft in drafts}
    assert {*shop.PATHS} == {*TEMPLATES}


def test_the_demos_own_arithmetic() -> None:
    assert shop.expected(STEPS) == EXPECTED
    assert shop.expected([]) == {}


# --- how it tells when something is missing --------------------------------------------------------------------------


def received(
    id: str, sequence: int = 1, contact: str = "c", *, fault: str | None = None, keys: list[str] = KEYS
) -> Received:
    headers = (("Webhook-Id", id), ("goniec-sequence", str(sequence)))
    body = json.dumps(dict.fromkeys(keys, "") | {"contactId": contact}).encode()
    return Received(NOW, "POST", "/a", headers, body, fault, 200 if fault is None else 401)


def ledger(**totals: int) -> dict[str, int]:
    return {"received": 2, "accepted": 2, "made": 2, "deliveries.delivered": 2} | {
        name.replace("_", "."): count for name, count in totals.items()
    }


def wrong(tally: Tally, totals: dict[str, int] | None = None, accepted: int = 2) -> list[str]:
    return [check.text for check in checks(tally, {"/a": 2}, 2, accepted, totals or ledger()) if not check.holds]


def told(*all_received: Received) -> Tally:
    tally = Tally()
    for one in all_received:
        tally.take(one)
    return tally


def test_all_that_had_to_arrive_did() -> None:
    assert wrong(told(received("1", 1), received("2", 2))) == []
    assert wrong(told(received("1", 2), received("2", 1, "another"))) == []


@pytest.mark.parametrize(
    ("tally", "said"),
    [
        (told(received("1")), "2 had to arrive, 1 did; /a: +1 missing"),
        (told(received("1"), received("2", 2), received("3", 3)), "2 had to arrive, 3 did; /a: -1 missing"),
        (told(received("1"), received("1")), "1 arrived twice"),
        (told(received("1", 2), received("2", 1)), "1 came before an earlier one about the same contact"),
        (told(received("1"), received("2", keys=[*KEYS, "more"])), "1 has other keys than the seven"),
        (told(received("1"), received("2"), received("3", fault="wrong password")), "1 wrong password"),
    ],
)
def test_what_arrived_otherwise(tally: Tally, said: str) -> None:
    (text,) = wrong(tally)
    assert said in text


@pytest.mark.parametrize(
    ("totals", "said"),
    [
        (ledger(refused=1), "received 2 = accepted 2 + duplicates 0 + refused 1"),
        (ledger(deliveries_delivered=1), "made 2 = pending 0 + held 0 + delivered 1"),
        (ledger(deliveries_delivered=1, deliveries_pending=1), "made 2 = pending 1 + held 0 + delivered 1"),
    ],
)
def test_a_ledger_that_does_not_add_up(totals: dict[str, int], said: str) -> None:
    (text,) = wrong(told(received("1"), received("2", 2)), totals)
    assert said in text


def test_events_that_were_not_accepted() -> None:
    assert wrong(told(received("1"), received("2", 2)), accepted=1) == ["events: 2 sent, 1 accepted"]


# --- the whole of it -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_demo_ends_well(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "demo", "--exit")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "events: 31,689 sent, 31,689 accepted" in ran.stdout
    assert "webhooks: 2,450 had to arrive, 2,450 did" in ran.stdout
    assert "WRONG" not in ran.stdout
    for name in (template.name.pl for template in TEMPLATES.values()):
        assert re.search(rf"\d+  times fired „{name}”", ran.stdout)
    head, _, rest = ran.stdout.partition("    POST /crm/kontakty HTTP/1.1\n")
    assert "event " in head
    headers = rest.split("\n\n")[0]
    assert "Authorization: Basic … (user goniec, password not shown)" in headers
    assert "webhook-signature: v1," in headers
    assert [*json.loads(rest.split("\n\n")[1])] == KEYS
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_it_stays_to_be_looked_at_until_it_is_interrupted(tmp_path: Path) -> None:
    hurried = (
        "import sys; from goniec.cli import run; from goniec.cli.demo import replay; "
        "replay.LEISURE_SECONDS = 0; sys.exit(run(['demo']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hurried], cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            panel = re.compile(r"  http://127\.0\.0\.1:\d+/  \(e-mail demo@goniec\.example, password \S+\)\n")
            first = line_with(process.stdout, "(e-mail ")
            assert panel.fullmatch(first)
            assert "visitors" in line_with(process.stdout, "Here come the visitors")
            assert line_with(process.stdout, "(e-mail ") == first
            line = line_with(process.stdout, "  curl -H ")
            found = re.fullmatch(r"  curl -H 'Authorization: (Bearer \S+)' '(\S+)'\n", line)
            assert found is not None
            request = urllib.request.Request(found[2], headers={"Authorization": found[1]})  # noqa: S310 - our own server
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own server
                assert json.load(response)["items"][0]["status"] == "delivered"
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0


@pytest.mark.slow
def test_it_can_be_interrupted_in_the_middle(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "goniec", "demo"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            line_with(process.stdout, "webhook ")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, errors) == (130, "")
