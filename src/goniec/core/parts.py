"""Parts: how an endpoint too hot for one process is divided among several, contact by contact.

A contact always falls into the same part of a split endpoint, so its order is one part's affair. Each part is owned,
and limited, by itself: what the endpoint allows is dealt out to them, so that together they keep to it. Called by
`outbox` and `shares`; the stores find a part's deliveries by the same hash.
"""

from hashlib import sha256
from typing import Final

PARTS: Final = 8
"""How many a split endpoint has. Processes of two releases share a database, so the number is as fixed as the hash."""

_MARK: Final = "/"
"""Stands between an endpoint's id, which holds none, and the number of a part."""


def part_of(contact_id: str) -> int:
    """Give the part into which a contact falls: of the first byte of its SHA-256 what is left when divided by 8."""
    return sha256(contact_id.encode()).digest()[0] % PARTS


def part_name(endpoint_id: str, part: int) -> str:
    """Give the name under which a part is owned."""
    return f"{endpoint_id}{_MARK}{part}"


def part_names(endpoint_id: str) -> list[str]:
    """Give the names of all parts."""
    return [part_name(endpoint_id, part) for part in range(PARTS)]


def parsed(name: str) -> tuple[str, int | None]:
    """Give the endpoint and the part that a name is of; None: of the whole, whose name is the endpoint's id."""
    endpoint_id, found, part = name.rpartition(_MARK)
    return (endpoint_id, int(part)) if found else (name, None)


def hands(concurrency: int, part: int | None) -> int:
    """Give how many requests under way at a time a part may have; over all parts they are what the endpoint allows."""
    return concurrency if part is None else concurrency // PARTS + (part < concurrency % PARTS)


def pace(rate: float | None, part: int | None) -> float | None:
    """Give how many requests of a part may start in a second."""
    return rate if rate is None or part is None else rate / PARTS
