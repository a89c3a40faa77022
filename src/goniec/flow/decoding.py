"""From the bytes of a request to the struct that is wanted, with every fault told where it stands.

msgspec does it in one go. Only what it refuses is read a second time, slowly, because its own words name neither the
place of half a surrogate pair nor more than one fault. Called by `ingest` and by the web floor. Where a key stands
twice in an object, the last one counts.
"""

import json
from itertools import islice
from typing import Final, TypeVar

import msgspec

from goniec.core.problems import Invalid
from goniec.core.shapes import faults, shaped

T = TypeVar("T")

DIGITS_LIMIT: Final = 400
"""A whole number with more digits is not even read."""


FAULTS_LIMIT: Final = 20
"""How many faults of one body are told."""


class Malformed(Exception):
    """The bytes are no JSON; `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def decode(raw: bytes, decoder: msgspec.json.Decoder[T], kind: type[T]) -> T:
    """Give the body as `kind`, which `decoder` decodes.

    Raises:
        Malformed: it is no JSON.
        Invalid: it is, but does not fit.

    """
    try:
        value = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        plain = plainly(raw)
        _check(plain)
        return shaped(plain, kind)
    if b"\\u0000" in raw:
        _check(plainly(raw))
    return value


def plainly(raw: bytes) -> object:
    """Give the body as plain values, those that nothing can take included, so that `faults` can point at them.

    Raises:
        Malformed: it is no JSON.

    """
    if not raw.strip(b" \t\r\n"):
        raise Malformed("the body is empty, and JSON is expected")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 (byte {error.start})") from None
    if text.startswith("\ufeff"):
        raise Malformed("the body begins with a byte order mark; leave it out")
    try:
        plain: object = json.loads(text, parse_constant=_no_constant, parse_int=_whole)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise Malformed(f"the body is no JSON: {error.msg.lower()} ({at})") from None
    except RecursionError:
        raise Malformed("the body is nested too deep") from None
    return plain


def _check(plain: object) -> None:
    if found := list(islice(faults(plain), FAULTS_LIMIT)):
        raise Invalid(*found)


def _whole(digits: str) -> int:
    # which `faults` finds too large, without anybody having read the digits
    return int(digits) if len(digits) <= DIGITS_LIMIT else 2**64


def _no_constant(name: str) -> float:
    raise Malformed(f"the body is no JSON: {name} is no number there")
