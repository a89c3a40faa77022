"""What ingest and record ask of a transaction: guards, keys, contacts, lanes, and writing it all."""

import pytest

from goniec.core.model import Ancestor, Contact, Miss, Outcome, Seen, Status, Tag
from goniec.ports import Changes, ContactFilter, Dedup, Page, Remembered, RunFilter, Store, Tx
from tests.contract.store.scribe import ENDPOINT, NOW, RULE, Scribe, failed, ids, succeeded

# --- guards ---------------------------------------------------------------------------------------------------------


async def test_a_dedup_key_is_claimed_once_and_the_first_stays(store: Store) -> None:
    first, other = Dedup("k1", b"a" * 32, "evt_1"), Dedup("k1", b"b" * 32, "evt_2")
    second = Dedup("k2", b"c" * 32, "evt_3")
    assert await store.transact(lambda tx: tx.dedup([first], NOW)) == {}
    assert await store.transact(lambda tx: tx.dedup([second, other], NOW + 1)) == {"k1": first}
    known = await store.transact(lambda tx: tx.known_dedup(["k1", "k2", "k3"]))
    assert known == {"k1": first, "k2": second}


async def test_dedup_keys_are_told_apart_to_the_letter(store: Store) -> None:
    keys = ["k", "K", "k ", "ą", "a\u0328", "", "k" * 200, "k" * 199]
    rows = [Dedup(key, bytes(32), f"evt_{n}") for n, key in enumerate(keys)]
    assert await store.transact(lambda tx: tx.dedup(rows, NOW)) == {}
    assert await store.transact(lambda tx: tx.known_dedup(keys)) == {row.key: row for row in rows}
    assert await store.transact(lambda tx: tx.known_dedup([])) == {}


async def test_an_answer_is_remembered(store: Store) -> None:
    answer = Remembered(b"d" * 32, 201, b'{"id":"\xc4\x85"}', (("etag", '"1"'), ("location", "/x")))
    assert await store.transact(lambda tx: tx.remembered("key")) is None
    await store.transact(lambda tx: tx.remember("key", answer, NOW))
    assert await store.transact(lambda tx: tx.remembered("key")) == answer


async def test_quarantine_takes_any_bytes(store: Store) -> None:
    await store.transact(lambda tx: tx.quarantine(b"\x00\xff", "ValueError: it is broken", NOW))
    await store.transact(lambda tx: tx.quarantine(b"\x00\xff", "ValueError: it is broken", NOW))


# --- contacts -------------------------------------------------------------------------------------------------------


async def test_an_identity_key_belongs_to_one_contact(store: Store) -> None:
    assert await store.transact(lambda tx: tx.claim_keys([("x:7", "c1"), ("e:jan@x.pl", "c1")])) == {}
    taken = await store.transact(lambda tx: tx.claim_keys([("e:jan@x.pl", "c2"), ("e:ewa@x.pl", "c2"), ("x:7", "c1")]))
    assert taken == {"e:jan@x.pl": "c1"}
    owners = await store.transact(lambda tx: tx.owners(["e:jan@x.pl", "e:ewa@x.pl", "x:7", "x:8"]))
    assert owners == {"e:jan@x.pl": "c1", "e:ewa@x.pl": "c2", "x:7": "c1"}
    await store.transact(lambda tx: tx.release_keys(["e:jan@x.pl", "x:9"]))
    assert await store.transact(lambda tx: tx.owners(["e:jan@x.pl", "x:7"])) == {"x:7": "c1"}
    assert await store.transact(lambda tx: tx.owners([])) == {}
    assert await store.transact(lambda tx: tx.claim_keys([])) == {}
    await store.transact(lambda tx: tx.release_keys([]))


async def test_a_phone_may_belong_to_several(store: Store) -> None:
    rows = [("+48600100200", "c2", True), ("+48600100200", "c1", True), ("+48600100201", "c1", True)]
    await store.transact(lambda tx: tx.save(Changes(phones=rows)))
    owners = await store.transact(lambda tx: tx.phone_owners(["+48600100200", "+48600100201", "+48600100202"]))
    assert owners == {"+48600100200": ["c1", "c2"], "+48600100201": ["c1"]}
    await store.transact(lambda tx: tx.save(Changes(phones=[("+48600100200", "c2", False)])))
    assert await store.transact(lambda tx: tx.phone_owners(["+48600100200"])) == {"+48600100200": ["c1"]}
    assert await store.transact(lambda tx: tx.phone_owners([])) == {}


async def test_contacts_are_loaded_as_they_were_saved(store: Store) -> None:
    full = Contact(
        id="c1",
        created_at=NOW,
        updated_at=NOW + 1,
        email="Jan@Łódź.pl",
        phone="600 100 200",
        name="Zażółć \u2028 </script> 😱",
        company='M&M <Żabka> "Łódź"',
        tags={"VIP": Tag(NOW, 3)},
        details={"n": 2**62, "f": 0.1, "b": True, "t": "١٢", "__proto__": ""},
        consents={"rodo": False},
        merged=("c0",),
    )
    plain = Contact(id="c2", created_at=NOW, updated_at=NOW)
    await store.transact(lambda tx: tx.save(Changes(contacts=[plain, full])))
    assert await store.transact(lambda tx: tx.contacts(["c2", "c1", "c3"])) == {"c1": full, "c2": plain}
    assert await store.transact(lambda tx: tx.contacts([])) == {}
    assert await store.queries.contact("c1") == full


async def test_many_contacts_at_once(store: Store) -> None:
    made = {f"c{n:04}": Contact(id=f"c{n:04}", created_at=NOW, updated_at=NOW, score=n) for n in range(741)}

    async def work(tx: Tx) -> dict[str, Contact]:
        await tx.save(Changes(contacts=list(made.values())))
        return await tx.contacts(list(made))

    assert await store.transact(work) == made


async def test_the_last_word_about_a_tag_or_phone_counts(store: Store, scribe: Scribe) -> None:
    contact = await scribe.contact("c1")
    tags = [("A", "c1", True), ("A", "c1", False), ("B", "c1", False), ("B", "c1", True)]
    phones = [("+48600", "c1", True), ("+48600", "c1", False)]
    await store.transact(lambda tx: tx.save(Changes(contacts=[contact], tags=tags, phones=phones)))
    queries = store.queries
    assert await queries.contacts(ContactFilter(tag="A"), Page()) == []
    assert await queries.contacts(ContactFilter(tag="B"), Page()) == [contact]
    assert await queries.contacts(ContactFilter(phone="+48600"), Page()) == []


# --- events, runs, deliveries ---------------------------------------------------------------------------------------


async def test_an_event_comes_back_as_it_was(store: Store, scribe: Scribe) -> None:
    first = await scribe.happen("c1")
    event = scribe.event(
        "c1",
        source="rule",
        source_key="rul_7",
        data={"url": "https://x.pl/ą", "n": 10**30, "f": 1.5, "nested": {"a": [1, None, "😱"]}},
        cause="run_1",
        ancestors=(Ancestor("rul_7", NOW - 5), Ancestor(RULE, NOW)),
        dedup_key="jan@x.pl-7",
        fired=False,
        occurred_at=NOW - 99,
    )
    misses = (
        Miss(RULE, 2, Outcome.CONDITIONS_FAILED, Seen("/conditions/of/0", holds=False, value=9, read="number 9")),
        Miss("rul_2", 1, Outcome.TOO_OLD),
    )
    await scribe.save(Changes(events=[event], misses={event.id: misses}))
    assert event.previous == first.id
    assert await store.queries.event(event.id) == (event, misses)
    assert await store.queries.event(first.id) == (first, ())
    assert await store.queries.event("evt_0") is None


async def test_the_last_event_id(store: Store, scribe: Scribe) -> None:
    assert await store.transact(lambda tx: tx.last_event_id()) is None
    await scribe.happen("c1")
    scribe.now -= 1_000
    last = await scribe.happen("c2")
    assert await store.transact(lambda tx: tx.last_event_id()) == last.id


async def test_runs_come_back_as_they_were(store: Store, scribe: Scribe) -> None:
    changes = scribe.sent(scribe.event("c1"))
    await scribe.save(changes)
    assert await store.queries.run(changes.runs[0].id) == changes.runs[0]
    assert await store.queries.run("run_0") is None
    assert await store.queries.runs(RunFilter(RULE), Page()) == changes.runs


async def test_deliveries_come_back_as_they_were(store: Store, scribe: Scribe) -> None:
    (pending,) = await scribe.deliver("c1", body=b'{"\x00": "\xc4\x85"}')
    (held,) = await scribe.deliver("c1", status=Status.HELD, due_at=None, test=True)
    assert await store.queries.delivery(pending.id) == (pending, [])
    assert await store.queries.delivery(held.id) == (held, [])
    assert await store.queries.delivery("dlv_0") is None


async def test_what_was_written_once_is_not_written_twice(store: Store, scribe: Scribe) -> None:
    changes = scribe.sent(scribe.event("c1"))
    await scribe.save(changes)
    for again in (Changes(events=changes.events), Changes(runs=changes.runs), Changes(deliveries=changes.deliveries)):
        with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
            await scribe.save(again)
    assert (await store.queries.totals())["made"] == 1


async def test_names_are_known_once(store: Store) -> None:
    names = [("tag", "VIP"), ("detail", "VIP"), ("tag", "A"), ("tag", "VIP")]
    await store.transact(lambda tx: tx.save(Changes(names=names)))
    await store.transact(lambda tx: tx.save(Changes(names=names)))
    assert await store.queries.names("tag") == ["A", "VIP"]
    assert await store.queries.names("detail") == ["VIP"]
    assert await store.queries.names("consent") == []


async def test_ancestry(store: Store, scribe: Scribe) -> None:
    above = (Ancestor("rul_9", NOW - 9),)
    changes = scribe.sent(scribe.event("c1", ancestors=above))
    await scribe.save(changes)
    of_root = scribe.sent(scribe.event("c2"))
    await scribe.save(of_root)
    one, other = changes.runs[0].id, of_root.runs[0].id
    found = await store.transact(lambda tx: tx.ancestries([one, "run_0", other]))
    assert found == {one: (*above, Ancestor(RULE, NOW)), other: (Ancestor(RULE, NOW),)}
    assert await store.transact(lambda tx: tx.ancestries([])) == {}


async def test_ancestry_of_a_run_whose_event_has_gone(store: Store, scribe: Scribe) -> None:
    changes = scribe.sent(scribe.event("c1", ancestors=(Ancestor("rul_9", NOW - 9),)))
    await store.transact(lambda tx: tx.save(Changes(runs=changes.runs)))
    run = changes.runs[0].id
    assert await store.transact(lambda tx: tx.ancestries([run])) == {run: (Ancestor(RULE, NOW),)}


# --- lanes ----------------------------------------------------------------------------------------------------------


async def test_a_lane_is_busy_while_something_is_pending_in_it(store: Store, scribe: Scribe) -> None:
    lanes = [(ENDPOINT, "c1"), (ENDPOINT, "c2"), ("end_2", "c1")]

    async def busy() -> set[tuple[str, str]]:
        return await store.transact(lambda tx: tx.busy_lanes(lanes))

    assert await busy() == set()
    (first,) = await scribe.deliver("c1")
    (second,) = await scribe.deliver("c1")
    await scribe.deliver("c2", aside=True)
    assert await busy() == {(ENDPOINT, "c1")}
    await scribe.finish(succeeded(first))
    assert await busy() == {(ENDPOINT, "c1")}
    await scribe.finish(failed(second, due_at=NOW + 5, aside=True))
    assert await busy() == set()
    assert await store.transact(lambda tx: tx.busy_lanes([])) == set()


async def test_a_batch_of_everything_at_once(store: Store, scribe: Scribe) -> None:
    parts = [scribe.sent(scribe.event(f"c{n % 50}"), ("end_1", "end_2")) for n in range(333)]
    await scribe.save(*parts)
    totals = await store.queries.totals()
    assert {name: totals[name] for name in ("events", "runs", "made", "deliveries.pending")} == {
        "events": 333,
        "runs": 333,
        "made": 666,
        "deliveries.pending": 666,
    }
    found = await store.queries.runs(RunFilter(RULE), Page(limit=1_000))
    assert ids(found) == [part.runs[0].id for part in parts]
