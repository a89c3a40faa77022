"""Forms that are sent twice: by a double click, after going back, in two sessions."""

import asyncio

from tests.e2e.engine import Engine
from tests.e2e.panel.client import SignIn


async def test_a_rule_that_is_saved_twice_is_one_rule(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    page = await ala.get("/rules/new")
    form = {"name": "VIP", "actions/0/url": "inbox:", "do": "save"}
    first, second = await asyncio.gather(*(ala.send("/rules/new", form, page=page) for _ in range(2)))
    assert first.status == 303
    assert second.location == first.location
    assert len((await engine.get("/rules"))["items"]) == 1
    # the way back from the rule, and the same again
    assert (await ala.send("/rules/new", form, page=page)).location == first.location
    assert len((await engine.get("/rules"))["items"]) == 1


async def test_what_differs_is_done(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    page = await ala.get("/rules/new")
    form = {"name": "VIP", "actions/0/url": "inbox:", "do": "save"}
    await ala.send("/rules/new", form, page=page)
    await ala.send("/rules/new", form | {"name": "VIP 2"}, page=page)
    await ala.send("/rules/new", form, page=await ala.get("/rules/new"))
    assert len((await engine.get("/rules"))["items"]) == 3


async def test_what_was_refused_is_looked_at_again(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    page = await ala.get("/contacts/new")
    sent = await asyncio.gather(*(ala.send("/contacts/new", {"email": "nonsense"}, page=page) for _ in range(3)))
    assert [one.status for one in sent] == [422] * 3
    assert [one.problems for one in sent] == [["email"]] * 3


async def test_each_session_has_its_own(engine: Engine, sign_in: SignIn) -> None:
    ala, jan = await sign_in("admin"), await sign_in("editor")
    page = await ala.get("/rules/new")
    await jan.get("/rules/new")
    form = {"name": "VIP", "actions/0/url": "inbox:", "do": "save"}
    mine, his = await ala.send("/rules/new", form, page=page), await jan.send("/rules/new", form, page=page)
    assert (mine.status, his.status) == (303, 303)
    assert mine.location != his.location
