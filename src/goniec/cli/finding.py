"""What a check of `goniec doctor` has found."""

from msgspec import Struct


class Finding(Struct, frozen=True, omit_defaults=True):
    """What a check found, and what to do about it."""

    check: str
    detail: str
    problem: bool = False
    advice: str = ""
