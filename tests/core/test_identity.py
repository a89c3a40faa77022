"""Keys lead to one contact, to a new one, or to a refusal that names what stands in the way."""

from typing import Any

import pytest

from goniec.core.identity import Refusal, Who, find, lookups

OWNERS = {"e:a@b.pl": "c1", "x:7": "c1", "x:8": "c2", "e:b@b.pl": "c2", "i:c0": "c1"}
PHONES = {"+48600100200": ["c1"], "+48600100201": ["c1", "c2"]}


def found(**keys: Any) -> str | Refusal | None:
    return find(Who(**keys), {"c1": 1, "c2": 2}, OWNERS, PHONES)


@pytest.mark.parametrize(
    ("keys", "contact"),
    [
        ({"id": "c2"}, "c2"),
        ({"id": "c0"}, "c1"),
        ({"external_id": "7"}, "c1"),
        ({"email_key": "a@b.pl"}, "c1"),
        ({"id": "c1", "external_id": "7", "email_key": "a@b.pl"}, "c1"),
        ({"external_id": "7", "email_key": "new@b.pl"}, "c1"),
        ({"external_id": "new", "email_key": "a@b.pl"}, "c1"),
        ({"external_id": "new"}, None),
        ({"email_key": "new@b.pl", "phone": "600100200", "phone_key": "+48600100200"}, None),
        ({"phone": "600100200", "phone_key": "+48600100200"}, "c1"),
        ({"phone": "600", "phone_key": "+48600"}, None),
    ],
)
def test_keys_lead_to(keys: dict[str, str], contact: str | None) -> None:
    assert found(**keys) == contact


@pytest.mark.parametrize(
    ("keys", "code", "pointer", "contacts"),
    [
        ({"id": "c9"}, "unknownContact", "/id", ()),
        ({"external_id": "7", "email_key": "b@b.pl"}, "conflict", "/email", ("c1", "c2")),
        ({"id": "c1", "external_id": "8"}, "conflict", "/externalId", ("c1", "c2")),
        ({"phone": "600100201", "phone_key": "+48600100201"}, "ambiguousPhone", "/phone", ("c1", "c2")),
        ({"phone": "zadzwoń"}, "noKey", "/phone", ()),
        ({}, "noKey", "", ()),
    ],
)
def test_keys_are_refused(keys: dict[str, str], code: str, pointer: str, contacts: tuple[str, ...]) -> None:
    refusal = found(**keys)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.pointer, refusal.contacts) == (code, pointer, contacts)


def test_every_key_is_looked_up() -> None:
    assert lookups(Who(id="c1", external_id="7", email_key="a@b.pl", phone_key="+1")) == ["i:c1", "x:7", "e:a@b.pl"]
    assert lookups(Who(phone_key="+1")) == []
