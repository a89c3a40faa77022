"""What the machine may refuse at any time (a full disk, a locked file), apart from our mistakes, in plain words."""

from typing import Final

import apsw

from goniec.ports import Unavailable

EXPECTED: Final = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NotADBError,
    apsw.ReadOnlyError,
)
"""Failures of the machine, not of a statement."""

_NAMES: Final = apsw.mapping_result_codes | apsw.mapping_extended_result_codes
_REASONS: Final[dict[type[apsw.Error], str]] = {
    apsw.BusyError: "the database file is locked by another program",
    apsw.CantOpenError: "the database file cannot be opened",
    apsw.CorruptError: "the database file is damaged: restore a backup",
    apsw.FullError: "the disk is full",
    apsw.IOError: "the database file cannot be read or written",
    apsw.LockedError: "the database file is locked by another program",
    apsw.NotADBError: "the database file is damaged: restore a backup",
    apsw.ReadOnlyError: "the database file is read-only",
}


def unavailable(error: apsw.Error) -> Unavailable:
    """The failure as the port knows it."""
    reason = next(reason for kind, reason in _REASONS.items() if isinstance(error, kind))
    code = getattr(error, "extendedresult", 0)  # apsw sets it, its type stubs do not know
    detail = _NAMES.get(code, code)
    return Unavailable(f"{reason} ({detail})")
