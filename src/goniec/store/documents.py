"""Setup as it is stored, one document a row: reading it whatever stands there. Called by `setup` in each store.

A row that an older or newer version wrote, or that was damaged, must not stop the rest: a rule stands there inactive,
anything else is left out, and `doctor` tells of it. A job is left to the release that can read it, and the log says so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from goniec.core.breaker import CLOSED
from goniec.core.endpoint import Endpoint
from goniec.core.jobs import Job
from goniec.core.rules import Rule
from goniec.core.times import Millis
from goniec.observe import log
from goniec.store.rows import (
    decode_breaker,
    decode_endpoint,
    decode_funnel,
    decode_job,
    decode_key,
    decode_message,
    decode_rule,
    decode_user,
    encode,
)

T = TypeVar("T")

_BROKEN: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What reading a document may raise that this version did not write, or that was damaged."""

DECODERS: Final[Mapping[str, Callable[[bytes], object]]] = {
    "rules": decode_rule,
    "endpoints": decode_endpoint,
    "funnels": decode_funnel,
    "messages": decode_message,
    "api_keys": decode_key,
    "users": decode_user,
    "jobs": decode_job,
}
"""How the documents of each table are read."""

UNREADABLE: Final = "(unreadable rule)"
"""The name of a rule whose row cannot be read."""


def rule_of_row(id: str, position: int, doc: bytes) -> Rule:
    """A rule; one that cannot be read is inactive, of version 0, and named so."""
    found = read(decode_rule, doc)
    if found is None:
        name = f"{UNREADABLE} {id}"
        found = Rule(id=id, version=0, name=name, position=position, triggers=(), created_at=0, updated_at=0)
    return found


def endpoint_of_row(held_until: Millis | None, breaker: bytes | None, doc: bytes) -> Endpoint | None:
    """An endpoint, unless it cannot be read; of a state that cannot be read it has none."""
    found = read(decode_endpoint, doc)
    if found is None:
        return None
    state = CLOSED if breaker is None else read(decode_breaker, breaker) or CLOSED
    return replace(found, held_until=held_until, breaker=state)


def read(decode: Callable[[bytes], T], doc: bytes) -> T | None:
    """One document, unless it cannot be read."""
    try:
        return decode(doc)
    except _BROKEN:
        return None


def job_of_row(id: str, doc: bytes) -> Job | None:
    """A job, unless it cannot be read; the log tells of each such job once."""
    found = read(decode_job, doc)
    if found is None:
        _leave(id)
    return found


def jobs_of_rows(found: Iterable[Sequence[Any]]) -> list[Job]:
    """Those jobs that can be read, from rows of id and document."""
    return [job for id, doc in found if (job := job_of_row(id, doc)) is not None]


def readable(decode: Callable[[bytes], T], found: Iterable[Sequence[Any]]) -> list[T]:
    """Those documents that can be read, from rows of one column."""
    return [one for (doc,) in found if (one := read(decode, doc)) is not None]


def why_unreadable(table: str, found: Iterable[Sequence[Any]]) -> list[str]:
    """What cannot be read, from rows of id and document, a line each with the reason."""
    told = []
    for id, doc in found:
        try:
            DECODERS[table](doc)
        except _BROKEN as error:
            told.append(f"{table}, {id}: {error}")
    return told


def identity(url: str, username: str | None) -> str:
    """What makes two endpoints one; no user name and an empty one are two."""
    return encode([url, username]).decode()


@lru_cache(maxsize=1_000)
def _leave(job_id: str) -> None:
    """Said once, though the job is met every second."""
    log.warning("job.unreadable", job=job_id, why="another release began it and goes on with it, or its row is damaged")
