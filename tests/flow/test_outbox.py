"""A lane by itself: who may go, who waits, and when it ends."""

from goniec.core.model import Delivery
from goniec.flow.outbox import Outbox


def delivery(n: int, *, aside: bool = False) -> Delivery:
    return Delivery(
        id=f"dlv_{n}", endpoint_id="end_1", contact_id="c1", rule_id="rul_1", event_type="page.visited", seq=n,
        body=b"{}", created_at=n, aside=aside,
    )  # fmt: skip


def test_a_lane_whose_last_result_is_not_written_yet_lets_the_next_one_go_at_once() -> None:
    box = Outbox("end_1")
    assert box.enter(delivery(1), claimed=False)
    box.ready.popleft()
    box.lanes["c1"].unwritten += 1
    box.advance("c1")
    assert box.enter(delivery(2), claimed=False)
    assert [one.id for one in box.ready] == ["dlv_2"]
    box.written("c1")
    assert "c1" in box.lanes
    box.ready.popleft()
    box.lanes["c1"].unwritten += 1
    box.advance("c1")
    box.written("c1")
    assert box.lanes == {}
    assert not box.more


def test_a_closed_lane_takes_nothing_and_asks_the_table_when_it_ends() -> None:
    box = Outbox("end_1")
    assert box.enter(delivery(1), claimed=True)
    assert not box.enter(delivery(2), claimed=False)
    assert box.enter(delivery(3, aside=True), claimed=False)
    box.ready.clear()
    box.lanes["c1"].unwritten += 1
    assert list(box.block("c1")) == []
    box.written("c1")
    assert (box.lanes, box.more) == ({}, True)


def test_emptying_gives_all_that_is_not_under_way() -> None:
    box = Outbox("end_1")
    for n in (1, 2):
        box.enter(delivery(n), claimed=False)
    box.enter(delivery(3, aside=True), claimed=False)
    assert [one.id for one in box.empty()] == ["dlv_1", "dlv_3", "dlv_2"]
    assert (box.lanes, list(box.ready), box.more) == ({}, [], True)
