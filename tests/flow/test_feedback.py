"""What providers tell: read, found, and what is wrong with it."""

from typing import Any

import msgspec
import pytest

from goniec.core.decide import Call
from goniec.core.identity import Refusal, Who
from goniec.core.ids import of_number
from goniec.core.problems import Invalid, Problem
from goniec.core.times import DAY
from goniec.core.tokens import bounce
from goniec.flow.bounces import Told
from goniec.flow.feedback import FEEDBACK_LIMIT, Heard, feedback_calls, read_feedback
from tests.core.build import NOW
from tests.flow.mails import ANNA, KEYS, M, events, sent
from tests.flow.workshop import Workshop

D = of_number("dlv_", 7)
MESSAGE_ID = f"<{D.lower()}.{bounce(KEYS, D)}@example.com>"


def heard(**event: Any) -> Heard | list[Problem]:
    (one,) = read_feedback(msgspec.json.encode({"events": [{"type": "bounce", **event}]}), KEYS, NOW)
    return one


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "hard"}, Told(kind="hard")),
        ({"code": "5.1.1"}, Told(kind="hard", code="5.1.1")),
        (
            {"code": "5.0.0", "reason": "550 5.1.1\nno user"},
            Told(kind="hard", code="5.1.1", reason="550 5.1.1 no user"),
        ),
        ({"reason": "452 4.2.2 full"}, Told(kind="soft", code="4.2.2", reason="452 4.2.2 full")),
        ({"kind": "soft", "code": "5.1.1"}, Told(kind="soft", code="5.1.1")),
        ({}, Told(kind="soft")),
        ({"type": "complaint", "reason": "abuse"}, Told(kind="complaint")),
        ({"type": "delivered", "at": "1970-01-01T00:00:01Z"}, Told(kind="delivered", at=1_000)),
    ],
)
def test_what_is_told(given: dict[str, Any], told: Told) -> None:
    assert heard(delivery=D, **given) == Heard(told, D, None)


@pytest.mark.parametrize("message_id", [MESSAGE_ID, MESSAGE_ID[1:-1], f"bounces+{bounce(KEYS, D)}@example.com"])
def test_a_mail_is_named_by_its_message_id_or_its_envelope(message_id: str) -> None:
    assert heard(messageId=message_id) == Heard(Told(kind="soft"), D, None)


def test_a_message_id_without_what_stands_behind_the_at() -> None:
    assert heard(messageId=MESSAGE_ID.partition("@")[0]) == Heard(Told(kind="soft"), D, None)


def test_a_message_id_that_is_none_of_ours_names_nobody() -> None:
    forged = MESSAGE_ID.replace(bounce(KEYS, D), bounce([b"x" * 32], D))
    assert heard(messageId=forged) == heard(messageId="<1@provider.example>") == Heard(Told(kind="soft"), None, None)


def test_an_address_finds_its_contact() -> None:
    assert heard(email=" Anna@Firma.example ") == Heard(
        Told(kind="soft", email=ANNA), None, Who(email="Anna@Firma.example", email_key=ANNA)
    )


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ({}, [""]),
        ({"delivery": "dlv_1"}, ["/delivery"]),
        ({"email": "a@b@c"}, ["/email"]),
        ({"email": ANNA, "at": "yesterday"}, ["/at"]),
        ({"email": ANNA, "at": "9999-12-31T00:00:00Z"}, ["/at"]),
        ({"email": ANNA, "code": "550"}, ["/code"]),
        ({"email": ANNA, "kind": "dead"}, ["/kind"]),
        ({"email": ANNA, "type": "opened"}, ["/type"]),
        ({"email": ANNA, "recipient": "x"}, ["/recipient"]),
        ({"email": ANNA, "reason": "\0"}, ["/reason"]),
        ({"email": 5, "delivery": "x"}, ["/email"]),
    ],
)
def test_what_is_wrong_with_one(given: dict[str, Any], pointers: list[str]) -> None:
    found = heard(**given)
    assert isinstance(found, list)
    assert [one.pointer for one in found] == pointers


@pytest.mark.parametrize("body", [{}, {"events": []}, {"events": [{}] * (FEEDBACK_LIMIT + 1)}, {"events": 5}, [], 5])
def test_what_is_no_list(body: object) -> None:
    with pytest.raises(Invalid):
        read_feedback(msgspec.json.encode(body), KEYS, NOW)


def test_one_that_is_wrong_does_not_hold_up_the_others() -> None:
    body = {"events": [{"type": "bounce", "email": ANNA}, "no", {"type": "complaint", "email": ANNA}]}
    first, second, third = read_feedback(msgspec.json.encode(body), KEYS, NOW)
    assert isinstance(first, Heard)
    assert isinstance(second, list)
    assert isinstance(third, Heard)


async def test_what_it_comes_to(shop: Workshop) -> None:
    delivery = await sent(shop)
    anna = Who(email=ANNA, email_key=ANNA)
    calls = await feedback_calls(
        shop.store.queries,
        [
            Heard(Told(kind="hard", code="5.1.1", at=NOW - DAY), delivery.id, anna),
            Heard(Told(kind="hard", code="5.1.1"), delivery.id, None),
            Heard(Told(kind="soft", email=ANNA, at=NOW), D, anna),
            Heard(Told(kind="soft", email=ANNA, at=NOW), None, anna),
            Heard(Told(kind="soft"), D, None),
            Heard(Told(kind="delivered"), delivery.id, None),
        ],
        "provider",
    )
    assert isinstance(calls[4], Refusal)
    assert calls[5] is None
    await shop.record(*(call for call in calls if isinstance(call, Call)))
    of_mail, of_address = await events(shop)
    assert of_mail.data == {
        "message": M,
        "delivery": delivery.id,
        "kind": "hard",
        "code": "5.1.1",
        "reason": "",
        "email": ANNA,
        "machine": False,
        "first": True,
    }
    assert (of_mail.occurred_at, of_mail.source, of_mail.source_key) == (NOW - DAY, "tracking", "provider")
    assert of_address.data == {"kind": "soft", "email": ANNA, "reason": "", "machine": False, "first": False}
