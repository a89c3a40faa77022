"""Messages as files declare them: known by their ids, made all at once or not at all, never twice."""

from collections.abc import Awaitable
from typing import Any

import pytest

from goniec.core.ids import MESSAGE, prefixed
from goniec.core.messages import Message
from goniec.core.problems import Invalid
from goniec.flow.declared import PROBLEM_LIMIT, Declared, compare, declare
from goniec.flow.messages import create_message
from tests.flow.desk import Desk
from tests.flow.workshop import Workshop

ONE, TWO, THREE = (f"msg_{n:026}" for n in (1, 2, 3))


@pytest.fixture
def desk(shop: Workshop) -> Desk:
    return Desk(shop)


def hello(id: str | None = ONE, **fields: Any) -> dict[str, Any]:
    given = {"name": "Hello", "subject": "Hi {{ contact.name }}", "text": "Hi"} | fields
    return given if id is None else {"id": id, **given}


async def held(desk: Desk) -> list[Message]:
    return await desk.shop.store.queries.messages()


async def problems(work: Awaitable[object]) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        await work
    return {one.pointer: one.detail for one in caught.value.problems}


async def told(desk: Desk, *documents: object) -> dict[str, str]:
    """What is wrong, as both ways say it, neither of which changes anything."""
    before = await held(desk)
    compared = await problems(compare(desk.shop.store.queries, desk.shop.clock, desk.shop.dice, documents))
    declared = await problems(declare(desk.outside, documents))
    assert list(compared) == list(declared)
    assert await held(desk) == before
    return declared


async def test_a24_what_is_declared_five_times_is_one_message_of_one_version(desk: Desk) -> None:
    (first,) = await declare(desk.outside, [hello()])
    assert first.before is None
    assert (first.after.id, first.after.version) == (ONE, 1)
    for _ in range(4):
        assert await declare(desk.outside, [hello()]) == [Declared(first.after, first.after)]
    assert await held(desk) == [first.after]


async def test_what_the_documents_do_not_name_stays_and_what_they_say_comes_to_be(desk: Desk) -> None:
    await declare(desk.outside, [hello(ONE, name="A"), hello(TWO, name="B")])
    documents = [hello(TWO, name="B", subject="Ho"), hello(THREE, name="C")]
    planned = await compare(desk.shop.store.queries, desk.shop.clock, desk.shop.dice, documents)
    assert [one.version for one in await held(desk)] == [1, 1]
    assert await declare(desk.outside, documents) == planned
    assert [(one.name, one.version, one.subject) for one in await held(desk)] == [
        ("A", 1, "Hi {{ contact.name }}"),
        ("B", 2, "Ho"),
        ("C", 1, "Hi {{ contact.name }}"),
    ]


async def test_two_messages_can_exchange_their_names(desk: Desk) -> None:
    await declare(desk.outside, [hello(ONE, name="A"), hello(TWO, name="B")])
    await declare(desk.outside, [hello(ONE, name="B"), hello(TWO, name="A")])
    assert [one.name for one in await held(desk)] == ["B", "A"]


async def test_a_message_without_an_id_is_told_which_it_may_have(desk: Desk) -> None:
    made = await create_message(desk.outside, hello(None))
    assert isinstance(made, Message)
    found = await told(desk, hello(None, name="HELLO"), hello(None, name="Other"))
    assert found["/0/id"] == f"is required: the message of this name has {made.id}"
    fresh = found["/1/id"].removeprefix("is required: a new message may take ")
    assert [one.after.id for one in await declare(desk.outside, [hello(fresh, name="Other")])] == [fresh]


async def test_ids_that_are_none_are_refused(desk: Desk) -> None:
    later = prefixed(MESSAGE, desk.shop.clock.now() + 1, 0)
    found = await told(desk, hello("msg_welcome"), hello("rul_" + ONE[4:]), {**hello(), "id": 7}, hello(later))
    assert [pointer for pointer, detail in found.items() if detail.startswith("is no id of a message")] == [
        "/0/id",
        "/1/id",
        "/2/id",
    ]
    assert "which is still to come" in found["/3/id"]


async def test_one_fault_keeps_all_back_and_every_fault_is_told(desk: Desk) -> None:
    await declare(desk.outside, [hello(THREE, name="Taken")])
    found = await told(
        desk, hello(), hello(TWO, name="Other", text="a\n{{ 5 | divided_by: 0 }}"), hello(), [], hello(subject=1)
    )
    assert list(found) == ["/1/text", "/2/id", "/3", "/4/subject"]
    assert found["/1/text"].startswith("line 2: ")
    assert "“Hello” before it has this id, too" in found["/2/id"]
    assert list(await told(desk, hello(), hello(TWO, name="taken"))) == ["/1/name"]
    assert list(await told(desk, hello(), hello(TWO, name="HELLO"))) == ["/1/name"]


async def test_not_more_problems_are_told_than_anybody_reads(desk: Desk) -> None:
    assert len(await told(desk, *[[]] * 200)) == PROBLEM_LIMIT
