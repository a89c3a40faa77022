"""Lists: filters, pages, search."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from goniec.core.ids import uuid7
from goniec.core.model import ROWS, Delivery, Failure, Outcome, Run, Stage, Status, Tag
from goniec.ports import (
    FIRED,
    Changes,
    ContactFilter,
    DeliveryFilter,
    EventFilter,
    Page,
    Rows,
    RunFilter,
    Store,
    Tx,
)
from tests.contract.store.scribe import DAY, ENDPOINT, NOW, RULE, Scribe, failed, ids, succeeded

Reading = Callable[[Page], Awaitable[Rows[Any]]]


async def every_page(read: Reading, page: Page) -> list[str]:
    """Turn pages to the end."""
    found: list[str] = []
    turned = 0
    while True:
        rows = await read(page)
        assert len(rows) <= page.limit
        found += ids(rows)
        if rows.stopped is None and len(rows) < page.limit:
            return found
        after = rows.stopped or rows[-1].id
        assert page.after is None or (after < page.after if page.newest else after > page.after), "it goes on"
        page = replace(page, after=after)
        turned += 1
        assert turned < 1_000, "it comes to an end"


async def check_pages(read: Reading, expected: list[str]) -> None:
    """Whatever the size of the page, the direction, and the patience, each row comes once and in order."""
    expected = sorted(expected)
    rows = await read(Page(1_000))
    assert (ids(rows), rows.stopped) == (expected, None)
    for limit, most in ((1, 10_000), (2, 10_000), (3, 10_000), (2, 1), (50, 1), (50, 7)):
        assert await every_page(read, Page(limit, most=most)) == expected, (limit, most)
        assert await every_page(read, Page(limit, newest=True, most=most)) == expected[::-1], (limit, most)


# --- contacts -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def people(scribe: Scribe) -> None:
    await scribe.contact("c1", email="Jan@x.pl", name="Łódź Kaliska", phone="+48 600 100 200", tags={"VIP": Tag(NOW)})
    await scribe.contact("c2", email="ewa_k@x.pl", company="50% taniej", external_id="A-7", tags={"VIP": Tag(NOW)})
    await scribe.contact("c3", email="ewa+k@x.pl", company="STRASSE", phone="600100200")
    await scribe.contact("c4", external_id="ewaXk", name="Za\u017co\u0301\u0142\u0107")


@pytest.mark.usefixtures("people")
class TestContacts:
    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            ({}, ["c1", "c2", "c3", "c4"]),
            ({"email": "jan@x.pl"}, ["c1"]),
            ({"email": "jan@x.p"}, []),
            ({"email": "%"}, []),
            ({"external_id": "A-7"}, ["c2"]),
            ({"external_id": "a-7"}, []),
            ({"phone": "+48600100200"}, ["c1"]),
            ({"tag": "VIP"}, ["c1", "c2"]),
            ({"tag": "VI"}, []),
            ({"tag": "VIP", "q": "ewa"}, ["c2"]),
            ({"tag": "VIP", "email": "ewa+k@x.pl"}, []),
            ({"email": "ewa_k@x.pl", "external_id": "A-7", "tag": "VIP", "q": "TANIEJ"}, ["c2"]),
            ({"phone": "600100200", "q": "strasse"}, ["c3"]),
        ],
        ids=str,
    )
    async def test_filters_must_all_hold(self, store: Store, wanted: dict[str, Any], expected: list[str]) -> None:
        await check_pages(lambda page: store.queries.contacts(ContactFilter(**wanted), page), expected)

    @pytest.mark.parametrize(
        ("q", "expected"),
        [
            ("łódź", ["c1"]),
            ("ŁÓDŹ", ["c1"]),
            ("lodz", []),
            ("zażółć", ["c4"]),
            ("straße", ["c3"]),
            ("ewa_k", ["c2"]),
            ("ewa+k", ["c3"]),
            ("%", ["c2"]),
            ("50%", ["c2"]),
            ("0 %", []),
            ("_", ["c2"]),
            ("jan@X", ["c1"]),
            ("600 100", ["c1"]),
            ("100200", ["c3"]),
            ("a-7", ["c2"]),
            ("", ["c1", "c2", "c3", "c4"]),
            ("x.pl 50%", []),
            ("'", []),
            ("*", []),
            ("\\", []),
        ],
    )
    async def test_q_is_literal_text_in_any_case(self, store: Store, q: str, expected: list[str]) -> None:
        await check_pages(partial(store.queries.contacts, ContactFilter(q=q)), expected)
        # what was put off while it was recorded is found all the same
        while await store.transact(lambda tx: tx.catch_up(3)):
            pass
        await check_pages(partial(store.queries.contacts, ContactFilter(q=q)), expected)

    async def test_search_follows_changes(self, store: Store, scribe: Scribe) -> None:
        await scribe.happen("c1")
        changed = scribe.contacts["c1"].__class__(id="c1", created_at=NOW, updated_at=NOW, name="Nowa Huta")
        await scribe.save(Changes(contacts=[changed]))
        assert ids(await store.queries.contacts(ContactFilter(q="nowa"), Page())) == ["c1"]
        assert await store.queries.contacts(ContactFilter(q="łódź"), Page()) == []


async def test_contacts_by_state_and_stage(store: Store, scribe: Scribe) -> None:
    await scribe.contact("c1", email="a@x.pl", state="CUSTOMER")
    await scribe.contact("c2", email="b@x.pl", state="CUSTOMER", stages={"Sprzedaż": Stage("Nowy", NOW)})
    await scribe.contact("c3", email="c@x.pl", stages={"Sprzedaż": Stage("Nowy", NOW), "B2B": Stage("Nowy", NOW)})
    await scribe.contact("c4", email="d@x.pl", state="PARTNER", tags={"VIP": Tag(NOW)})

    async def check(expected: list[str], **wanted: Any) -> None:
        await check_pages(partial(store.queries.contacts, ContactFilter(**wanted)), expected)

    await check(["c1", "c2"], state="CUSTOMER")
    await check(["c3"], state="UNKNOWN")
    await check([], state="PROSPECT")
    await check(["c2", "c3"], stage=("Sprzedaż", "Nowy"))
    await check(["c3"], stage=("B2B", "Nowy"))
    await check([], stage=("Nowy", "Sprzedaż"))
    await check(["c2"], stage=("Sprzedaż", "Nowy"), state="CUSTOMER")
    await check(["c3"], stage=("Sprzedaż", "Nowy"), state="UNKNOWN")
    await check(["c2"], stage=("Sprzedaż", "Nowy"), q="b@x")
    await check(["c4"], state="PARTNER", tag="VIP")
    moved = replace(scribe.contacts["c2"], state="UNKNOWN", stages={"Sprzedaż": Stage("Oferta", NOW)})
    await scribe.save(Changes(contacts=[moved]))
    await check(["c1"], state="CUSTOMER")
    await check(["c2", "c3"], state="UNKNOWN")
    await check(["c3"], stage=("Sprzedaż", "Nowy"))
    await check(["c2"], stage=("Sprzedaż", "Oferta"))
    await store.transact(lambda tx: tx.merge_chain("c1", "c2"))
    await store.transact(lambda tx: tx.erase("c4", NOW))
    await check([], stage=("Sprzedaż", "Oferta"))
    await check([], state="PARTNER")


async def test_contacts_by_when_they_were_made(store: Store, scribe: Scribe) -> None:
    made = []
    for n in range(6):
        scribe.now = NOW + n * DAY
        made.append((await scribe.contact(uuid7(scribe.now, n), email=f"{n}@x.pl", state="CUSTOMER")).id)
    for wanted, expected in (
        (ContactFilter(since=NOW + 2 * DAY), made[2:]),
        (ContactFilter(until=NOW + 2 * DAY), made[:2]),
        (ContactFilter(since=NOW + DAY, until=NOW + 3 * DAY, q="x.pl"), made[1:3]),
        (ContactFilter(since=NOW + DAY + 1, state="CUSTOMER"), made[2:]),
        (ContactFilter(since=-1, until=NOW * 2), made),
    ):
        await check_pages(partial(store.queries.contacts, wanted), expected)


async def test_an_unknown_contact(store: Store) -> None:
    assert await store.queries.contact("c1") is None
    assert await store.queries.contacts(ContactFilter(), Page()) == []


# --- events ---------------------------------------------------------------------------------------------------------


async def test_events(store: Store, scribe: Scribe) -> None:
    made = []
    for n in range(7):
        scribe.now = NOW + n * 1_000
        made.append(await scribe.happen(f"c{n % 2}", type="form.submitted" if n % 3 == 0 else "page.visited"))
    for wanted, expected in (
        (EventFilter(), made),
        (EventFilter(contact_id="c0"), made[::2]),
        (EventFilter(contact_id="c9"), []),
        (EventFilter(type="form.submitted"), made[::3]),
        (EventFilter(type="form.submitted", contact_id="c0"), [made[0], made[6]]),
        (EventFilter(since=NOW + 2_000), made[2:]),
        (EventFilter(until=NOW + 2_000), made[:2]),
        (EventFilter(since=NOW + 1_000, until=NOW + 4_000), made[1:4]),
        (EventFilter(since=NOW + 1_000, until=NOW + 4_000, contact_id="c1"), [made[1], made[3]]),
        (EventFilter(since=-5, until=NOW * 2), made),
    ):
        await check_pages(partial(store.queries.events, wanted), ids(expected))


async def test_events_that_were_recorded_while_the_clock_was_set_back(store: Store, scribe: Scribe) -> None:
    first = await scribe.happen("c1")
    scribe.now -= 3_600_000
    second = await scribe.happen("c1")
    assert second.id > first.id
    found = await store.queries.events(EventFilter(until=NOW), Page())
    assert ids(found) == [second.id]
    assert ids(await store.queries.events(EventFilter(since=NOW), Page())) == [first.id]


async def test_a_polling_reader_misses_nothing(store: Store, scribe: Scribe) -> None:
    seen: list[str] = []
    made: list[str] = []
    for n in range(30):
        made += ids(await scribe.deliver(f"c{n % 4}", ["end_1", "end_2"]))
        if n % 3 == 0:
            page = Page(limit=5, after=seen[-1] if seen else None)
            seen += ids(await store.queries.deliveries(DeliveryFilter(), page))
    while rows := await store.queries.deliveries(DeliveryFilter(), Page(limit=5, after=seen[-1])):
        seen += ids(rows)
    assert seen == made


# --- runs and deliveries --------------------------------------------------------------------------------------------


async def test_runs_of_a_rule(store: Store, scribe: Scribe) -> None:
    mine = [scribe.sent(scribe.event("c1")) for _ in range(5)]
    await scribe.save(*mine, *(scribe.sent(scribe.event("c1"), rule_id="rul_2") for _ in range(3)))
    await check_pages(lambda page: store.queries.runs(RunFilter(RULE), page), [part.runs[0].id for part in mine])
    assert await store.queries.runs(RunFilter("rul_3"), Page()) == []


OUTCOMES = sorted(ROWS)


@pytest.fixture
async def evaluations(scribe: Scribe) -> list[Run]:
    """Runs of two rules with every outcome that has rows, over some days."""
    made = []
    for n in range(40):
        scribe.now = NOW + n * DAY // 8
        part = scribe.sent(scribe.event(f"c{n % 3}"), rule_id=f"rul_{n % 2}")
        run = replace(part.runs[0], outcome=OUTCOMES[n * 7 // 3 % len(OUTCOMES)])
        await scribe.save(Changes(events=part.events, runs=[run]))
        made.append(run)
    assert {run.outcome for run in made} == ROWS
    return made


async def test_runs(store: Store, evaluations: list[Run]) -> None:
    for wanted in (
        RunFilter(),
        RunFilter("rul_0"),
        RunFilter("rul_9"),
        RunFilter(outcomes=FIRED),
        *(RunFilter(outcomes=(outcome,)) for outcome in Outcome),
        *(RunFilter("rul_1", (outcome,)) for outcome in Outcome),
        RunFilter("rul_1", (Outcome.FIRED, Outcome.LOOP_STOPPED, Outcome.FIRED)),
        RunFilter("rul_0", since=NOW + DAY),
        RunFilter(since=NOW + DAY, until=NOW + 3 * DAY),
        RunFilter("rul_0", FIRED, since=NOW + DAY, until=NOW + 3 * DAY),
    ):
        expected = [
            run.id
            for run in evaluations
            if wanted.rule_id in {None, run.rule_id}
            and (not wanted.outcomes or run.outcome in wanted.outcomes)
            and (wanted.since is None or run.at >= wanted.since)
            and (wanted.until is None or run.at < wanted.until)
        ]
        await check_pages(partial(store.queries.runs, wanted), expected)


async def test_the_last_run_of_each_rule(store: Store, evaluations: list[Run]) -> None:
    def last(rule_id: str, *outcomes: Outcome) -> Run:
        return [run for run in evaluations if run.rule_id == rule_id and run.outcome in outcomes][-1]

    found = await store.queries.last_runs(["rul_0", "rul_1", "rul_9"])
    assert found == {rule: last(rule, *FIRED) for rule in ("rul_0", "rul_1")}
    found = await store.queries.last_runs(["rul_1"], (Outcome.LOOP_STOPPED, Outcome.CONFIG_ERROR))
    assert found == {"rul_1": last("rul_1", Outcome.LOOP_STOPPED, Outcome.CONFIG_ERROR)}
    assert await store.queries.last_runs([]) == {}
    assert await store.queries.last_runs(["rul_0"], ()) == {}
    assert await store.queries.last_runs(["rul_9"]) == {}


async def test_deliveries_by_their_ids(store: Store, scribe: Scribe) -> None:
    contact = await scribe.contact("c1")
    first, second = await scribe.deliver(contact.id, ("end_1", "end_2"))
    (first,) = await scribe.finish(succeeded(first))
    found = await store.queries.deliveries_by_id([second.id, "dlv_9", first.id])
    assert found == {first.id: first, second.id: second}
    assert await store.queries.deliveries_by_id([]) == {}


async def test_the_last_attempt_of_each_delivery(store: Store, scribe: Scribe) -> None:
    contact = await scribe.contact("c1")
    first, second, third = await scribe.deliver(contact.id, ("end_1", "end_2", "end_3"))
    (first,) = await scribe.finish(failed(first))
    (first,) = await scribe.finish(succeeded(first, NOW + DAY))
    (second,) = await scribe.finish(failed(second))
    wanted = [third.id, second.id, first.id, "dlv_9", first.id]
    found = await store.queries.last_attempts(wanted)
    for delivery, number in ((first, 2), (second, 1)):
        whole = await store.queries.delivery(delivery.id)
        assert whole is not None
        assert found[delivery.id] == whole[1][-1]
        assert found[delivery.id].number == number
    assert set(found) == {first.id, second.id}
    assert await store.queries.last_attempts([]) == {}


async def cancel(delivery_id: str, tx: Tx) -> None:
    await tx.cancel(delivery_id, NOW)


FAILURES = (Failure.SERVER, Failure.TIMEOUT, Failure.DNS)


@pytest.fixture
async def log(scribe: Scribe, store: Store) -> list[Delivery]:
    """Deliveries of every status to three endpoints, by two rules, about three contacts, over some days; and test sends."""
    made: list[Delivery] = []
    for n in range(24):
        scribe.now = NOW + n * DAY // 8
        made += await scribe.deliver(f"c{n % 3}", [f"end_{n % 2}", "end_2"], rule_id=f"rul_{n % 4 % 3}")
        if n % 8 == 0:
            made += await scribe.deliver("c7", ["end_2"], rule_id="rul_0", status=Status.HELD, due_at=None, test=True)
    for n, delivery in enumerate(made):
        match n % 5:
            case 0:
                await scribe.finish(succeeded(delivery))
            case 1:
                await scribe.finish(failed(delivery, failure=FAILURES[n // 5 % 3]))
            case 2:
                await store.transact(partial(cancel, delivery.id))
            case 3 if n % 2:
                await scribe.finish(failed(delivery, due_at=scribe.now + DAY, failure=FAILURES[n // 5 % 3]))
            case _:
                pass
    found = []
    for delivery in made:
        one = await store.queries.delivery(delivery.id)
        assert one is not None
        found.append(one[0])
    assert {delivery.status for delivery in found} == set(Status)
    assert {delivery.failure for delivery in found} == {None, *FAILURES}
    assert {delivery.failure for delivery in found if delivery.status is Status.PENDING} > {None}
    return found


WANTED: list[dict[str, Any]] = [
    {},
    *({"status": status} for status in Status),
    *({"endpoint_id": endpoint} for endpoint in ("end_0", "end_1", "end_2", "end_9")),
    *({"rule_id": rule} for rule in ("rul_0", "rul_1", "rul_2", "rul_9")),
    *({"contact_id": contact} for contact in ("c0", "c2", "c9")),
    {"since": NOW + DAY},
    {"until": NOW + DAY},
    {"since": NOW + DAY, "until": NOW + 2 * DAY},
    *({"status": status, "endpoint_id": "end_2"} for status in Status),
    *({"status": status, "rule_id": "rul_0"} for status in Status),
    *({"status": status, "contact_id": "c1"} for status in Status),
    {"rule_id": "rul_0", "endpoint_id": "end_2"},
    {"rule_id": "rul_0", "contact_id": "c0"},
    {"rule_id": "rul_0", "since": NOW + DAY},
    {"endpoint_id": "end_0", "until": NOW + DAY, "contact_id": "c0"},
    {"status": Status.PENDING, "endpoint_id": "end_2", "rule_id": "rul_1", "contact_id": "c1", "since": NOW},
    *({"failure": failure} for failure in (*FAILURES, Failure.GONE)),
    *({"failure": Failure.SERVER, "status": status} for status in Status),
    {"failure": Failure.SERVER, "endpoint_id": "end_2"},
    {"failure": Failure.TIMEOUT, "rule_id": "rul_1"},
    {"failure": Failure.DNS, "contact_id": "c0"},
    {"failure": Failure.SERVER, "rule_id": "rul_0", "endpoint_id": "end_0", "until": NOW + 2 * DAY},
    *({"test": test} for test in (True, False)),
    *({"test": test, "contact_id": contact} for test in (True, False) for contact in ("c7", "c0")),
    *({"test": test, "rule_id": "rul_0"} for test in (True, False)),
    {"test": True, "rule_id": "rul_1"},
    {"test": True, "endpoint_id": "end_2", "status": Status.HELD},
    {"test": True, "failure": Failure.SERVER},
    {"statuses": (Status.FAILED, Status.CANCELLED)},
    {"statuses": (Status.FAILED, Status.PENDING)},
    {"statuses": (Status.FAILED, Status.PENDING), "endpoint_id": "end_2"},
    {"statuses": (Status.PENDING, Status.HELD), "rule_id": "rul_0"},
    {"statuses": (Status.DELIVERED, Status.FAILED)},
    {"statuses": (Status.DELIVERED, Status.FAILED), "status": Status.FAILED},
    {"statuses": (Status.DELIVERED,), "status": Status.FAILED},
    {"statuses": tuple(Status), "since": NOW + DAY, "endpoint_id": "end_1"},
]


async def test_deliveries(store: Store, log: list[Delivery]) -> None:
    for fields in WANTED:
        wanted = DeliveryFilter(**fields)
        expected = [delivery for delivery in log if matches(delivery, wanted)]
        # test sends of the fixture are events of c7 here, so a contact's chain has them all
        assert await store.queries.deliveries(wanted, Page(limit=1_000)) == expected, fields
        await check_pages(partial(store.queries.deliveries, wanted), ids(expected))


def matches(delivery: Delivery, wanted: DeliveryFilter) -> bool:
    return (
        wanted.status in {None, delivery.status}
        and (not wanted.statuses or delivery.status in wanted.statuses)
        and wanted.failure in {None, delivery.failure}
        and wanted.test in {None, delivery.test}
        and wanted.rule_id in {None, delivery.rule_id}
        and wanted.endpoint_id in {None, delivery.endpoint_id}
        and wanted.contact_id in {None, delivery.contact_id}
        and (wanted.since is None or delivery.created_at >= wanted.since)
        and (wanted.until is None or delivery.created_at < wanted.until)
    )


async def test_a_test_send_is_found_by_its_rule_though_it_has_no_run(store: Store, scribe: Scribe) -> None:
    real = await scribe.deliver("c1")
    lone = scribe.sent(scribe.event("c2"), status=Status.HELD, due_at=None, test=True).deliveries
    await scribe.save(Changes(deliveries=lone))
    await check_pages(lambda page: store.queries.deliveries(DeliveryFilter(rule_id=RULE), page), ids([*real, *lone]))
    await check_pages(
        lambda page: store.queries.deliveries(DeliveryFilter(rule_id=RULE, endpoint_id=ENDPOINT), page),
        ids([*real, *lone]),
    )


# --- the timeline ---------------------------------------------------------------------------------------------------


async def test_the_timeline_goes_back_along_the_chain(store: Store, scribe: Scribe) -> None:
    parts = []
    for n in range(123):
        event = scribe.event("c1", data={"n": n})
        parts.append(scribe.sent(event, ["end_1", "end_2"]) if n % 3 == 0 else Changes(events=[event]))
        parts.append(Changes(events=[scribe.event("c2")]))
    await scribe.save(*parts)
    found = [entry async for entry in store.queries.timeline("c1")]
    expected = [part for part in reversed(parts) if part.events[0].contact_id == "c1"]
    for part in expected[:-1]:
        part.deliveries = [replace(delivery, due_at=None) for delivery in part.deliveries]
    assert [event for event, *_ in found] == [part.events[0] for part in expected]
    assert [runs for *_, runs, _ in found] == [part.runs for part in expected]
    assert [deliveries for *_, deliveries in found] == [part.deliveries for part in expected]
    assert [entry async for entry in store.queries.timeline("c3")] == []
