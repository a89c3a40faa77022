"""Which trace something belongs to, and what stands in a `traceparent` header (W3C Trace Context, level 1).

Called by `tracing`; pure. All that follows from one event from outside is one trace, today or after the last retry, in
whatever process: its id comes from the event's own, so that nothing has to be kept for it.
"""

import re
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from goniec.core.ids import event_of, root_of

_TRACE_BYTES: Final = 16
_SPAN_BYTES: Final = 8
_HEADER: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED: Final = 1


class Parent(Struct, frozen=True):
    """A span elsewhere, as its header tells: 32 and 16 hexadecimal digits, and whether it is recorded there."""

    trace: str
    span: str
    sampled: bool


def trace_of(id: str) -> str:
    """Give the trace of an event, run or delivery: 32 hexadecimal digits, the same for all that have one root."""
    return _digest(id, _TRACE_BYTES)


def span_of(id: str) -> str:
    """Give the span in which the root of an event, run or delivery was recorded: 16 hexadecimal digits."""
    return _digest(id, _SPAN_BYTES)


def read_traceparent(text: str) -> Parent | None:
    """Read a header; None for one that means nothing, which the standard wants to be passed over (section 3.2.2)."""
    found = _HEADER.fullmatch(text.strip(" \t"))
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace.strip("0") or not span.strip("0"):
        return None
    return Parent(trace, span, bool(int(flags, 16) & _SAMPLED))


def traceparent(trace: str, span: str, *, sampled: bool) -> str:
    """Write a header."""
    return f"00-{trace}-{span}-{int(sampled):02x}"


def _digest(id: str, size: int) -> str:
    # the size is part of what is digested, so that the span's id is no part of the trace's
    return blake2b(root_of(event_of(id)).encode(), digest_size=size).hexdigest()
