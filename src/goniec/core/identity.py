"""Who is meant: from the keys that a call gives to one contact, a new one, or a refusal.

Keys are looked up in the order id, externalId, e-mail, phone; all that are given must lead to the same contact. A phone
counts as a key only when nothing else is given, and only when exactly one contact has it. Called by `record` with what
the store knows.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

Code = Literal[
    "conflict",
    "ambiguousPhone",
    "unknownContact",
    "noKey",
    "preconditionFailed",
    "contactTooLarge",
    "internalError",
]

NO_KEY: Final = "give at least one of id, externalId, email and phone"


class Who(Struct, frozen=True, kw_only=True):
    """The keys as given (cleaned), with the e-mail's compared form and the phone in E.164 (None.

    Not readable as a number).
    """

    id: str | None = None
    external_id: str | None = None
    email: str | None = None
    email_key: str | None = None
    phone: str | None = None
    phone_key: str | None = None


class Refusal(Struct, frozen=True):
    """Why a call was not taken; nothing of it happened. `contacts` are the ids that stand in each other's way."""

    code: Code
    detail: str
    pointer: str = ""
    contacts: tuple[str, ...] = ()


def email_owner_key(email_key: str) -> str:
    """The identity key of an e-mail in its compared form."""
    return "e:" + email_key


def external_owner_key(external_id: str) -> str:
    """The identity key of an externalId."""
    return "x:" + external_id


def alias_key(contact_id: str) -> str:
    """The identity key of a merged contact's old id."""
    return "i:" + contact_id


def lookups(who: Who) -> list[str]:
    """The identity keys to look up for `who`; the id itself is looked up among the contacts, then here as an alias."""
    keys = []
    if who.id is not None:
        keys.append(alias_key(who.id))
    if who.external_id is not None:
        keys.append(external_owner_key(who.external_id))
    if who.email_key is not None:
        keys.append(email_owner_key(who.email_key))
    return keys


def find(
    who: Who, known: Mapping[str, object], owners: Mapping[str, str], phones: Mapping[str, Sequence[str]]
) -> str | Refusal | None:
    """The contact's id, None for one that is not known yet, or a refusal.

    `known` holds the contacts that exist by id, `owners` identity keys, `phones` E.164 numbers.
    """
    hits: dict[str, str] = {}
    if who.id is not None:
        found = who.id if who.id in known else owners.get(alias_key(who.id))
        if found is None:
            return Refusal("unknownContact", "no contact has this id", "/id")
        hits["id"] = found
    if who.external_id is not None and (found := owners.get(external_owner_key(who.external_id))):
        hits["externalId"] = found
    if who.email_key is not None and (found := owners.get(email_owner_key(who.email_key))):
        hits["email"] = found
    if hits:
        return _agreed(hits)
    if who.external_id is None and who.email_key is None:
        return _by_phone(who, phones)
    return None


def _agreed(hits: Mapping[str, str]) -> str | Refusal:
    first = next(iter(hits.values()))
    for field, contact in hits.items():
        if contact != first:
            asked = next(iter(hits))
            detail = f"{asked} names contact {first}, {field} names contact {contact}; merge them, or leave one key out"
            return Refusal("conflict", detail, "/" + field, (first, contact))
    return first


def _by_phone(who: Who, phones: Mapping[str, Sequence[str]]) -> str | Refusal | None:
    if who.phone is None:
        return Refusal("noKey", NO_KEY)
    if who.phone_key is None:
        return Refusal(
            "noKey",
            "the phone is not a number that can be told from others; give an e-mail or externalId too",
            "/phone",
        )
    having = phones.get(who.phone_key, ())
    if len(having) > 1:
        detail = f"{len(having)} contacts have this phone; name one by id, externalId or email"
        return Refusal("ambiguousPhone", detail, "/phone", tuple(having[:10]))
    return having[0] if having else None
