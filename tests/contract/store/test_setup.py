"""Rules, endpoints, funnels, API keys, marks."""

from msgspec.structs import replace

from goniec.core.breaker import Breaker
from goniec.core.endpoint import Endpoint
from goniec.core.model import ApiKey, Funnel
from goniec.ports import Store, Tx
from tests.contract.store.scribe import NOW, endpoint, ids, put
from tests.core.build import rule


async def test_rules_come_in_the_order_of_position_then_id(store: Store) -> None:
    await put(store, rule("rul_b", position=2), rule("rul_c", position=1), rule("rul_a", position=2, active=False))
    assert ids(await store.queries.rules()) == ["rul_c", "rul_a", "rul_b"]
    assert ids(await store.transact(lambda tx: tx.rules())) == ["rul_c", "rul_a", "rul_b"]


async def test_the_last_position_is_known(store: Store) -> None:
    assert await store.transact(lambda tx: tx.last_position()) is None
    await put(store, rule("rul_a", position=7, active=False), rule("rul_b", position=2))
    assert await store.transact(lambda tx: tx.last_position()) == 7


async def test_a_rule_comes_back_as_it_was(store: Store) -> None:
    conditions = {"type": "all", "of": [{"type": "score", "op": "gte", "value": 10}]}
    actions = [{"type": "webhook", "endpointId": "end_1"}, {"type": "addTag", "tag": "ŁÓDŹ"}]
    made = rule("rul_1", conditions=conditions, actions=actions, maxRuns=1)
    await put(store, made)
    assert await store.queries.rule("rul_1") == made
    assert await store.transact(lambda tx: tx.rule("rul_1")) == made
    assert await store.queries.rule("rul_2") is None
    assert await store.transact(lambda tx: tx.rule("rul_2")) is None


async def test_earlier_versions_of_a_rule_stay_even_when_it_is_deleted(store: Store) -> None:
    first, second = rule("rul_1", name="first"), rule("rul_1", name="second", version=2)
    await put(store, first)
    await put(store, second)
    assert await store.queries.rules() == [second]
    await store.transact(lambda tx: tx.delete_rule("rul_1"))
    assert await store.queries.rules() == []
    assert await store.queries.rule_version("rul_1", 1) == first
    assert await store.queries.rule_version("rul_1", 2) == second
    assert await store.queries.rule_version("rul_1", 3) is None


async def test_an_endpoint_is_found_by_url_and_user(store: Store) -> None:
    plain = endpoint("end_1", url="https://crm.example/hook")
    named = endpoint("end_2", url=plain.url, username="")
    jan = endpoint("end_3", url=plain.url, username="jan", password=b"\x00sealed\xff")
    await put(store, plain, named, jan)

    async def find(tx: Tx) -> list[Endpoint | None]:
        return [await tx.endpoint_of(plain.url, user) for user in (None, "", "jan")]

    assert await store.transact(find) == [plain, named, jan]
    assert await store.transact(lambda tx: tx.endpoint_of(plain.url + "/", None)) is None
    assert await store.queries.endpoints() == [plain, named, jan]
    assert await store.transact(lambda tx: tx.endpoints()) == [plain, named, jan]
    assert await store.queries.endpoint("end_3") == jan
    assert await store.transact(lambda tx: tx.endpoint("end_4")) is None


async def test_an_endpoint_may_move(store: Store) -> None:
    before, after = endpoint(version=1), endpoint(version=2, url="https://other.example/")
    await put(store, before)
    await put(store, after)
    assert await store.transact(lambda tx: tx.endpoint_of(before.url, None)) is None
    assert await store.transact(lambda tx: tx.endpoint_of(after.url, None)) == after
    await store.transact(lambda tx: tx.delete_endpoint("end_1"))
    assert await store.queries.endpoint("end_1") is None


async def test_holding_an_endpoint_is_no_new_version_of_it(store: Store) -> None:
    await put(store, endpoint())
    version = await store.transact(lambda tx: tx.setup_version())
    await store.transact(lambda tx: tx.hold_endpoint("end_1", NOW + 5, 0))
    assert await store.queries.endpoint("end_1") == endpoint(held_until=NOW + 5)
    assert await store.transact(lambda tx: tx.endpoint_of(endpoint().url, None)) == endpoint(held_until=NOW + 5)
    assert await store.transact(lambda tx: tx.setup_version()) == version


async def test_how_an_endpoint_is_doing_is_no_new_version_of_it(store: Store) -> None:
    await put(store, endpoint())
    version = await store.transact(lambda tx: tx.setup_version())
    breaker = Breaker(failures=5, failed=("dlv_1",), opened_at=NOW, probe_at=NOW + 5, failing=7, failed_at=NOW)
    await store.transact(lambda tx: tx.keep_breaker("end_1", breaker, 0))
    assert await store.queries.endpoint("end_1") == endpoint(breaker=breaker)
    assert await store.transact(lambda tx: tx.endpoint("end_1")) == endpoint(breaker=breaker)
    assert await store.transact(lambda tx: tx.setup_version()) == version


OPEN = Breaker(failures=5, failed=("dlv_1",), opened_at=NOW, probe_at=NOW + 5, failing=7, failed_at=NOW)


async def test_another_version_of_an_endpoint_leaves_what_the_sender_has_learnt_of_it(store: Store) -> None:
    await put(store, endpoint())
    await store.transact(lambda tx: tx.hold_endpoint("end_1", NOW + 5, 0))
    await store.transact(lambda tx: tx.keep_breaker("end_1", OPEN, 0))
    await put(store, endpoint(version=2))
    assert await store.queries.endpoints() == [endpoint(version=2, held_until=NOW + 5, breaker=OPEN)]


async def test_an_endpoint_that_starts_afresh_is_held_no_longer_and_is_not_spoken_ill_of_by_late_comers(
    store: Store,
) -> None:
    await put(store, endpoint(held_until=NOW + 5, breaker=OPEN))
    afresh = endpoint(version=2, afresh=2)
    await put(store, afresh)
    await store.transact(lambda tx: tx.hold_endpoint("end_1", NOW + 9, 0))
    await store.transact(lambda tx: tx.keep_breaker("end_1", OPEN, 0))
    assert await store.queries.endpoint("end_1") == afresh
    await store.transact(lambda tx: tx.hold_endpoint("end_1", NOW + 9, 2))
    await store.transact(lambda tx: tx.keep_breaker("end_1", OPEN, 2))
    assert await store.queries.endpoint("end_1") == replace(afresh, held_until=NOW + 9, breaker=OPEN)


async def test_a_shorter_break_ends_no_longer_one(store: Store) -> None:
    await put(store, endpoint())
    await store.transact(lambda tx: tx.hold_endpoint("end_1", NOW + 9, 0))
    await store.transact(lambda tx: tx.hold_endpoint("end_1", NOW + 5, 0))
    assert await store.queries.endpoint("end_1") == endpoint(held_until=NOW + 9)


async def test_of_an_endpoint_that_is_gone_nothing_is_kept(store: Store) -> None:
    await store.transact(lambda tx: tx.hold_endpoint("end_1", NOW + 9, 0))
    await store.transact(lambda tx: tx.keep_breaker("end_1", OPEN, 0))
    assert await store.queries.endpoint("end_1") is None


async def test_every_change_of_setup_raises_its_version(store: Store) -> None:
    funnel = Funnel(id="fun_1", version=1, name="Sprzedaż", stages=("Lead", "Oferta"))
    versions = [await store.transact(lambda tx: tx.setup_version())]
    for work in (
        lambda tx: tx.put_rule(rule()),
        lambda tx: tx.delete_rule("rul_1"),
        lambda tx: tx.put_endpoint(endpoint()),
        lambda tx: tx.delete_endpoint("end_1"),
        lambda tx: tx.put_funnel(funnel),
        lambda tx: tx.delete_funnel("fun_1"),
    ):
        await store.transact(work)
        versions.append(await store.transact(lambda tx: tx.setup_version()))
    assert versions == sorted(set(versions))


async def test_funnels(store: Store) -> None:
    first = Funnel(id="fun_1", version=1, name="Sprzedaż", stages=("Lead", "Oferta"))
    second = Funnel(id="fun_2", version=1, name="Zwroty", stages=())
    changed = Funnel(id="fun_1", version=2, name="Sprzedaż", stages=("Lead",))
    await put(store, second, first, changed)
    assert await store.queries.funnels() == [changed, second]
    await store.transact(lambda tx: tx.delete_funnel("fun_2"))
    assert await store.transact(lambda tx: tx.funnels()) == [changed]


async def test_a_key_is_found_by_its_digest_revoked_or_not(store: Store) -> None:
    key = ApiKey(id="key_1", name="shop", scope="ingest", digest=b"\x00" * 32, created_at=NOW)
    revoked = ApiKey(id="key_1", name="shop", scope="ingest", digest=b"\x00" * 32, created_at=NOW, revoked_at=NOW + 1)
    await put(store, key)
    assert await store.queries.key(key.digest) == key
    assert await store.queries.key(b"\x01" * 32) is None
    await put(store, revoked)
    assert await store.queries.key(key.digest) == revoked
    assert await store.queries.keys() == [revoked]
    assert await store.transact(lambda tx: tx.keys()) == [revoked]


async def test_marks(store: Store) -> None:
    assert await store.transact(lambda tx: tx.mark("vault")) is None
    await store.transact(lambda tx: tx.put_mark("vault", b"\x00\x01"))
    await store.transact(lambda tx: tx.put_mark("vault", b"\x02"))
    assert await store.transact(lambda tx: tx.mark("vault")) == b"\x02"
