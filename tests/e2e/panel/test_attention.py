"""What is worth a person's look: endpoints that fail, rules that fell silent or went wild. Judged from figures alone."""

import pytest

from goniec.core.actions import Webhook
from goniec.core.endpoint import Endpoint, Pause
from goniec.core.rules import Rule
from goniec.core.times import DAY, HOUR
from goniec.core.triggers import ContactCreated
from goniec.ports import Queue, Sum
from goniec.web.panel.attention import Pace, Trouble, pace, troubles, worst
from goniec.web.panel.figures import within

END = 20_000 * DAY


def endpoint(id: str = "end_1", paused: Pause | None = None) -> Endpoint:
    return Endpoint(id=id, version=1, url="https://crm.example/", secret=b"", created_at=0, updated_at=0, paused=paused)


def rule(*endpoints: str, active: bool = True, updated_at: int = 0) -> Rule:
    return Rule(
        id="rul_1",
        version=1,
        name="A",
        active=active,
        triggers=(ContactCreated(),),
        actions=tuple(Webhook(endpoint_id=one) for one in endpoints),
        created_at=0,
        updated_at=updated_at,
    )


def hour(n: int, attempts: int, failed: int, given_up: int = 0) -> Sum:
    return Sum("end_1", n * HOUR, attempts=attempts, failed_attempts=failed, failed=given_up)


WAITS = (Queue("end_1", 7, 0, None),)


@pytest.mark.parametrize(
    ("hours", "queues", "wanted"),
    [
        ([], (), None),
        ([hour(1, 5, 5)], (), None),  # nothing waits any more
        ([hour(1, 5, 5)], WAITS, Trouble("silent", None, 7, 0, HOUR)),
        ([hour(1, 5, 0), hour(2, 5, 5), hour(3, 0, 0), hour(4, 1, 1)], WAITS, Trouble("silent", None, 7, 0, 2 * HOUR)),
        ([hour(1, 5, 5), hour(2, 5, 4)], WAITS, None),  # something went well since
        ([hour(1, 5, 4, given_up=2)], (), Trouble("failing", None, 0, 2)),
    ],
)
def test_an_endpoint_is_silent_when_every_attempt_since_fails_and_something_waits(
    hours: list[Sum], queues: tuple[Queue, ...], wanted: Trouble | None
) -> None:
    assert troubles([endpoint()], queues, hours) == ({} if wanted is None else {"end_1": wanted})


def test_a_paused_endpoint_is_paused_whatever_else() -> None:
    found = troubles([endpoint(paused=Pause.GONE)], WAITS, [hour(1, 5, 5)])
    assert found == {"end_1": Trouble("paused", Pause.GONE, 7, 0)}
    assert found["end_1"].tone == "bad"
    assert Trouble("paused", Pause.BY_HAND).tone == Trouble("failing").tone == "wait"
    assert Trouble("silent").tone == "bad"


def test_a_rule_suffers_from_its_worst_endpoint_while_it_is_on() -> None:
    found = {"end_1": Trouble("paused", Pause.BY_HAND), "end_2": Trouble("silent"), "end_3": Trouble("failing")}
    assert worst(rule("end_1", "end_2", "end_3", updated_at=1), found) == ("end_2", found["end_2"])
    assert worst(rule("end_3", updated_at=2), found) is None
    assert worst(rule("end_9", updated_at=3), found) is None
    assert worst(rule("end_1", "end_2", active=False, updated_at=4), found) is None


@pytest.mark.parametrize(
    ("days", "wanted"),
    [
        ((3, 4, 3, 3, 4, 3, 4), None),
        ((3, 3, 3, 0, 0, 0, 0), Pace("silent", 3.0, days=4)),
        ((23, 0, 0, 0, 0, 0, 0), Pace("silent", 23.0, days=6)),
        ((1, 0, 1, 0, 0, 0, 0), None),  # it never was busy
        ((9, 9, 9, 9, 9, 9, 0), None),  # the day is not over
        ((0, 0, 0, 0, 0, 0, 0), None),
        ((4, 4, 4, 4, 4, 4, 48), Pace("surge", 4.0, times=12, last=48)),
        ((4, 4, 4, 4, 4, 4, 19), None),  # too few to be told
        ((0, 0, 0, 0, 0, 0, 500), None),  # it is new
        ((100, 100, 100, 100, 100, 100, 400), None),
    ],
)
def test_a_rule_is_silent_or_wild_against_its_own_habit(days: tuple[int, ...], wanted: Pace | None) -> None:
    assert pace(rule(), days, END) == wanted
    assert pace(rule(active=False), days, END) is None
    assert pace(rule(updated_at=END - 1), days, END) is None, "it was another rule in that time"


def test_too_short_a_past_says_nothing() -> None:
    assert pace(rule(), (4, 4, 400), END) is None


def test_how_long_a_share_took_is_read_from_the_bounds() -> None:
    waits = [
        Sum("000000000100", 0, delivered=1),
        Sum("000000000002", 0, delivered=60),
        Sum("000000000015", 0, delivered=39),
    ]
    assert within(waits, 0.5) == 2
    assert within(waits, 0.99) == 15
    assert within(waits, 1.0) == 100
    assert within([], 0.5) is None
