"""Lists: filters, pages, search."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from goniec.core.model import Delivery, Status, Tag
from goniec.ports import Changes, ContactFilter, DeliveryFilter, EventFilter, Page, RunFilter, Store, Tx
from tests.contract.store.scribe import DAY, ENDPOINT, NOW, RULE, Scribe, failed, ids, succeeded

Reading = Callable[[Page], Awaitable[list[Any]]]


async def every_page(read: Reading, *, newest: bool = False, limit: int = 2) -> list[str]:
    """Turn pages to the end."""
    found: list[str] = []
    while rows := await read(Page(limit, found[-1] if found else None, newest)):
        assert len(rows) <= limit
        found += ids(rows)
    return found


async def check_pages(read: Reading, expected: list[str]) -> None:
    """Whatever the size of the page and the direction, each row comes once and in order."""
    expected = sorted(expected)
    assert ids(await read(Page(1_000))) == expected
    for limit in (1, 2, 3):
        assert await every_page(read, limit=limit) == expected
        assert await every_page(read, limit=limit, newest=True) == expected[::-1]


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
        found = await store.queries.contacts(ContactFilter(q=q), Page())
        assert ids(found) == expected

    async def test_search_follows_changes(self, store: Store, scribe: Scribe) -> None:
        await scribe.happen("c1")
        changed = scribe.contacts["c1"].__class__(id="c1", created_at=NOW, updated_at=NOW, name="Nowa Huta")
        await scribe.save(Changes(contacts=[changed]))
        assert ids(await store.queries.contacts(ContactFilter(q="nowa"), Page())) == ["c1"]
        assert await store.queries.contacts(ContactFilter(q="łódź"), Page()) == []


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


async def cancel(delivery_id: str, tx: Tx) -> None:
    await tx.cancel(delivery_id, NOW)


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
                await scribe.finish(failed(delivery))
            case 2:
                await store.transact(partial(cancel, delivery.id))
            case _:
                pass
    found = []
    for delivery in made:
        one = await store.queries.delivery(delivery.id)
        assert one is not None
        found.append(one[0])
    assert {delivery.status for delivery in found} == set(Status)
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
    assert [event for event, *_ in found] == [part.events[0] for part in expected]
    assert [runs for *_, runs, _ in found] == [part.runs for part in expected]
    assert [deliveries for *_, deliveries in found] == [part.deliveries for part in expected]
    assert [entry async for entry in store.queries.timeline("c3")] == []
