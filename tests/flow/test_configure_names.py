"""Funnels and API keys."""

from hashlib import sha256
from typing import Any

import pytest

from goniec.core.model import ApiKey, Funnel
from goniec.core.problems import Invalid
from goniec.flow.configure import Conflict, Missing, Stale
from goniec.flow.funnels import STAGES_LIMIT, change_funnel, create_funnel, delete_funnel, funnel_tag
from goniec.flow.keys import KeyMade, create_key, digest, revoke_key
from tests.flow.desk import Desk
from tests.flow.workshop import Workshop


@pytest.fixture
def desk(shop: Workshop) -> Desk:
    return Desk(shop)


async def funnel(desk: Desk, name: str = "Sprzedaż", *stages: str) -> Funnel:
    made = await create_funnel(desk.shop.store, desk.shop.clock, desk.shop.dice, name, stages or ("Lead", "Oferta"))
    assert isinstance(made, Funnel), made
    return made


async def key(desk: Desk, name: str = "sklep", **fields: Any) -> KeyMade:
    made = await create_key(desk.shop.store, desk.shop.clock, desk.shop.dice, name, **{"scope": "ingest", **fields})
    assert isinstance(made, KeyMade), made
    return made


# --- funnels ---------------------------------------------------------------------------------------------------------


async def test_a_funnel_is_made_changed_and_deleted(desk: Desk) -> None:
    store = desk.shop.store
    made = await funnel(desk)
    assert await store.queries.funnels() == [made]
    changed = await change_funnel(store, made.id, "Sprzedaż B2B", ["Lead"], frozenset({funnel_tag(made)}))
    assert isinstance(changed, Funnel)
    assert (changed.name, changed.stages, changed.version) == ("Sprzedaż B2B", ("Lead",), 2)
    assert await change_funnel(store, made.id, "Sprzedaż B2B", ["Lead"], None) == changed
    assert await delete_funnel(store, made.id, None) is None
    assert await store.queries.funnels() == []


async def test_names_of_funnels_are_their_own_whatever_their_case(desk: Desk) -> None:
    store = desk.shop.store
    first, second = await funnel(desk), await funnel(desk, "B2B")
    found = await create_funnel(store, desk.shop.clock, desk.shop.dice, "SPRZEDAŻ", ["x"])
    assert isinstance(found, Conflict)
    assert (found.code, first.id in found.detail) == ("nameTaken", True)
    assert isinstance(await change_funnel(store, second.id, "sprzedaż", ["x"], None), Conflict)
    assert isinstance(await change_funnel(store, second.id, "b2b", ["x"], None), Funnel)


@pytest.mark.parametrize(
    ("name", "stages", "pointers"),
    [
        ("", ["a"], ["/name"]),
        ("x" * 101, ["a"], ["/name"]),
        ("F", [], ["/stages"]),
        ("F", ["a", "", "A"], ["/stages/1", "/stages/2"]),
        ("F", [str(n) for n in range(STAGES_LIMIT + 1)], ["/stages"]),
    ],
)
async def test_what_is_no_funnel(desk: Desk, name: str, stages: list[str], pointers: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        await create_funnel(desk.shop.store, desk.shop.clock, desk.shop.dice, name, stages)
    assert [problem.pointer for problem in caught.value.problems] == pointers


async def test_what_a_rule_names_stays(desk: Desk) -> None:
    store, made = desk.shop.store, await funnel(desk)
    trigger = {"type": "contact.stage_entered", "funnel": "Sprzedaż", "stages": ["Oferta"]}
    saved = await desk.create(triggers=[trigger])
    for name, stages in (("Inny", ["Lead", "Oferta"]), ("Sprzedaż", ["Lead"])):
        found = await change_funnel(store, made.id, name, stages, None)
        assert isinstance(found, Conflict)
        assert (found.code, [rule.id for rule in found.rules]) == ("inUse", [saved.rule.id])
    assert isinstance(await delete_funnel(store, made.id, None), Conflict)
    assert isinstance(await change_funnel(store, made.id, "Sprzedaż", ["Oferta", "Nowy"], None), Funnel)


async def test_funnels_that_were_changed_or_are_not_there(desk: Desk) -> None:
    store, made = desk.shop.store, await funnel(desk)
    old = frozenset({"9"})
    assert await change_funnel(store, made.id, "x", ["y"], old) == Stale("1")
    assert await delete_funnel(store, made.id, old) == Stale("1")
    assert await change_funnel(store, "fun_x", "x", ["y"], None) == Missing("funnel")
    assert await delete_funnel(store, "fun_x", None) == Missing("funnel")


# --- keys ------------------------------------------------------------------------------------------------------------


async def test_a_key_is_told_once_and_kept_as_its_hash(desk: Desk) -> None:
    made = await key(desk)
    assert made.text.startswith("gnc_")
    assert len(made.text) == 4 + 43
    assert made.key.digest == sha256(made.text.encode()).digest() == digest(made.text)
    assert await desk.shop.store.queries.key(made.key.digest) == made.key
    assert made.text not in repr(made.key)


async def test_a_name_belongs_to_one_active_key(desk: Desk) -> None:
    store, clock = desk.shop.store, desk.shop.clock
    made = await key(desk)
    again = await create_key(store, clock, desk.shop.dice, "SKLEP", "read")
    assert isinstance(again, Conflict)
    assert again.code == "nameTaken"
    revoked = await revoke_key(store, clock, made.key.id)
    assert isinstance(revoked, ApiKey)
    assert revoked.revoked_at == clock.at
    clock.at += 1
    assert await revoke_key(store, clock, made.key.id) == revoked
    assert (await key(desk, scope="admin")).key.scope == "admin"


async def test_a_key_has_a_name(desk: Desk) -> None:
    with pytest.raises(Invalid, match="/name"):
        await create_key(desk.shop.store, desk.shop.clock, desk.shop.dice, " ", "read")


async def test_a_key_that_is_not_there_cannot_be_revoked(desk: Desk) -> None:
    assert await revoke_key(desk.shop.store, desk.shop.clock, "key_x") == Missing("key")
