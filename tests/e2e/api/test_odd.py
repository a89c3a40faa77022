"""Texts that no store takes, NUL and half a surrogate pair, at every place of every call: never a fault of ours."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from goniec.web.api import OPERATIONS
from goniec.web.operation import Operation
from tests.e2e.api.client import Api

HALF: Final = "\ud800"
NUL: Final = "\0"
LEADING: Final = [one for one in OPERATIONS if "{" in one.path]
TAKING: Final = [one for one in OPERATIONS if one.examples]


def example(one: Operation) -> Any:
    return next(iter(one.examples.values()), None)


def spoilt(value: Any, odd: str) -> Iterator[Any]:
    """The value with one of its parts exchanged for an odd text, each in turn; and with an odd key more."""
    yield odd
    if isinstance(value, dict):
        yield {**value, odd: 1}
        for key, part in value.items():
            yield from ({**value, key: other} for other in spoilt(part, odd))
    elif isinstance(value, list):
        for n, part in enumerate(value):
            yield from ([*value[:n], other, *value[n + 1 :]] for other in spoilt(part, odd))


def plain(path: str) -> str:
    return re.sub(r"\{\w+\}", "nobody", path)


async def test_an_odd_id_is_nobodys(api: Api) -> None:
    wrong = []
    for one in LEADING:
        for odd in ("%00", "a%00b", "%ED%A0%80", "%EF%BF%BF"):
            answer = await api.ask(one.method, re.sub(r"\{\w+\}", odd, one.path), json=example(one))
            found = answer.status_code < 400 and one.name != "list_runs"  # which has none of a rule that is not there
            if found or answer.status_code >= 500:
                wrong.append((one.name, odd, answer.text))
    assert wrong == []


async def test_an_odd_text_is_the_senders_fault(api: Api) -> None:
    wrong = []
    for one in TAKING:
        for body in (*spoilt(example(one), HALF), *spoilt(example(one), NUL)):
            raw = json.dumps(body).encode()
            answer = await api.ask(
                one.method, plain(one.path), content=raw, headers={"content-type": "application/json"}
            )
            if answer.status_code >= 500:
                wrong.append((one.name, raw, answer.text))
    assert wrong == []


async def test_half_a_surrogate_in_the_place_of_events_is_told_where_it_stands(api: Api) -> None:
    answer = await api.ask(
        "POST", "/events", content=rb'{"events":"\ud800"}', headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/events")
