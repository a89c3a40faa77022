"""Ids: how they are made, and what can be read from one.

An id is a prefix and a sortable code in Crockford's base 32 (upper case, no I, L, O, U), so that ids compare as text in
the order in which they were made. The code of an event has 26 characters:

    evt_01KAX7Z6K3 3FQ2M8VD 00000000
        48 bits    40 bits  40 bits
        time (ms)  sequence tail

An event from outside (a root) has the tail 0. An event that follows from it keeps time and sequence, and its tail is
its place among all that follow, then a digest of what makes it the one it is: so it stands behind its root, in order,
and before the next root, and deciding the same thing again gives the same ids. Runs and deliveries carry the whole code
of their event and something of that kind behind it. So all that followed from an event lies together, and a primary key
guards against doing a thing twice.

The recording shell calls this room for every event. There is no clock and no chance in here: both are arguments.
"""

import re
from hashlib import blake2b
from typing import Final

from goniec.core.times import Millis

EVENT: Final = "evt_"
RUN: Final = "run_"
DELIVERY: Final = "dlv_"
RULE: Final = "rul_"
ENDPOINT: Final = "end_"
KEY: Final = "key_"
FUNNEL: Final = "fun_"
USER: Final = "usr_"
JOB: Final = "job_"
MESSAGE: Final = "msg_"

FRESH_BITS: Final = 39
"""How many random bits `EventIds.next` wants: one less than the sequence has, which leaves room to count on."""

_FRESH: Final = (1 << FRESH_BITS) - 1
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_VALUES: Final = {char: value for value, char in enumerate(_ALPHABET)}
_PREFIX: Final = len(EVENT)
_TIME_END: Final = _PREFIX + 10
_ROOT_END: Final = _PREFIX + 18
_CODE_END: Final = _PREFIX + 26
_ROOT_TAIL: Final = "00000000"
_TAILS: Final = {RUN: 8, DELIVERY: 10}
_CODE: Final = re.compile(rf"[0-7][{_ALPHABET}]+")


class EventIds:
    """Gives root event ids that only ever rise, also when the clock goes back.

    Where several serve one store, times are to rise over all of them, and then all of their ids do.

    Within a millisecond, and while the clock is behind, ids count up by one; in a new millisecond they start at a
    random place, so that processes which share a store do not meet. `after` is the greatest event id in the store, if
    there is one.
    """

    __slots__ = ("_last",)

    def __init__(self, after: str | None = None) -> None:
        self._last = -1 if after is None else _decode(after[_PREFIX:_ROOT_END])

    @property
    def last(self) -> Millis:
        """The time in the last id; -1 before the first."""
        return self._last >> 40

    def next(self, now: Millis, fresh: int) -> str:
        """Give the next id; `fresh` are `FRESH_BITS` random bits."""
        last = self._last
        # one number of time and sequence: should a sequence ever run out, it carries into the time by itself
        self._last = last = last + 1 if now <= last >> 40 else now << 40 | fresh & _FRESH
        return EVENT + _encode48(last >> 40) + _encode40(last & 0xFF_FFFF_FFFF) + _ROOT_TAIL


def child(root: str, n: int, *parts: str) -> str:
    """Give the id of the `n`th event (1 to 32,767) that follows from `root`; `parts` say what makes it this one.

    The ids of its events rise with `n`. The parts hold no NUL, which separates them.
    """
    return root[:_ROOT_END] + _encode40(n << 25 | _digest(root, *parts) >> 31)


def run_id(event_id: str, rule_id: str) -> str:
    """Give the id of the one run of a rule for an event."""
    return RUN + event_id[_PREFIX:] + _encode40(_digest(event_id, rule_id) >> 16)


def delivery_id(event_id: str, n: int, rule_id: str, place: str) -> str:
    """Give the id of the delivery that a rule's action makes for an event; `place` says where in the rule it stands.

    `n` (0 to 1,048,575) is the delivery's place among those decided together: the ids of an event's deliveries rise
    with it.
    """
    code = n << 30 | _digest(event_id, rule_id, place) >> 26
    return DELIVERY + event_id[_PREFIX:] + _PAIRS[code >> 40] + _encode40(code & 0xFF_FFFF_FFFF)


def event_of(id: str) -> str:
    """Give the event that a run or a delivery belongs to."""
    return EVENT + id[_PREFIX:_CODE_END]


def root_of(event_id: str) -> str:
    """Give the event from outside that an event descends from; a root gives itself."""
    return event_id[:_ROOT_END] + _ROOT_TAIL


def prefixed(prefix: str, now: Millis, random80: int) -> str:
    """Give a new id for what is no event (`RULE`, `ENDPOINT`, `KEY` and so on), from 80 random bits."""
    return prefix + _encode48(now) + _encode40(random80 >> 40) + _encode40(random80 & 0xFF_FFFF_FFFF)


def lowest(prefix: str, at: Millis) -> str:
    """Give what no id of that kind made at or after an instant sorts before: the bound for "since" and "until"."""
    return prefix + _encode48(at)


def time_of(id: str) -> Millis:
    """Give the time in an id: when it was made; for a derived event, a run or a delivery, when its root was."""
    return _decode(id[_PREFIX:_TIME_END])


def uuid7(now: Millis, random74: int) -> str:
    """Give a UUID of version 7 (RFC 9562, section 5.7) in its canonical form, from 74 random bits."""
    version_and_a = 0x7000 | random74 >> 62
    variant_and_b = 0x8000_0000_0000_0000 | random74 & 0x3FFF_FFFF_FFFF_FFFF
    text = f"{now:012x}{version_and_a:04x}{variant_and_b:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def number_of(id: str) -> int:
    """Give the code of an id as a number: 128 bits, and 50 more for a delivery."""
    return _decode(id[_PREFIX:])


def of_number(prefix: str, number: int) -> str:
    """Give the id of that kind whose code is a number."""
    length = _CODE_END - _PREFIX + _TAILS.get(prefix, 0)
    return prefix + "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (length - 1), -1, -5))


def is_id(prefix: str, text: str) -> bool:
    """Tell whether a text has the form of an id of that kind, letter case included."""
    return (
        len(text) == _CODE_END + _TAILS.get(prefix, 0)
        and text.startswith(prefix)
        and _CODE.fullmatch(text, _PREFIX) is not None
    )


def _digest(*parts: str) -> int:
    """56 bits of BLAKE2b over the parts."""
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=7).digest(), "big")


def _encode40(value: int) -> str:
    pairs = _PAIRS
    return pairs[value >> 30] + pairs[value >> 20 & 1023] + pairs[value >> 10 & 1023] + pairs[value & 1023]


def _encode48(value: int) -> str:
    return _PAIRS[value >> 40] + _encode40(value & 0xFF_FFFF_FFFF)


def _decode(code: str) -> int:
    value = 0
    for char in code:
        value = value << 5 | _VALUES[char]
    return value
