"""What the server or the way to it may refuse at any time, apart from our mistakes, in plain words."""

from typing import Final

import asyncpg

from goniec.ports import Unavailable


class Overtaken(Exception):
    """Another transaction has moved what this one had read before it could lock it."""


class Undone(Exception):
    """The connection was lost at the commit, and the server has undone the transaction."""


AGAIN: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
    Overtaken,
    Undone,
)
"""Somebody or something was in this transaction's way, and it has to begin anew."""

LOST: Final = "the connection to the database is lost"

_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (asyncpg.DiskFullError, "the database server's disk is full"),
    (asyncpg.TooManyConnectionsError, "the database server has no connection left"),
    (asyncpg.OutOfMemoryError, "the database server is out of memory"),
    (asyncpg.InsufficientResourcesError, "the database server lacks resources"),
    (asyncpg.AdminShutdownError, "the database server is shutting down"),
    (asyncpg.CrashShutdownError, "the database server has crashed and starts anew"),
    (asyncpg.CannotConnectNowError, "the database server is starting or stopping"),
    (asyncpg.QueryCanceledError, "the database server has cancelled a statement"),
    (asyncpg.exceptions.OperatorInterventionError, "the database server was told to end the connection"),
    (asyncpg.LockNotAvailableError, "another process holds what is needed for too long"),
    (asyncpg.ReadOnlySQLTransactionError, "the database is read-only: is it a standby?"),
    (asyncpg.exceptions.IdleInTransactionSessionTimeoutError, "a transaction rested for too long"),
    (asyncpg.DataCorruptedError, "the database is damaged: restore a backup"),
    (asyncpg.IndexCorruptedError, "the database is damaged: restore a backup"),
    (asyncpg.PostgresSystemError, "the database server cannot read or write its files"),
    (asyncpg.InvalidAuthorizationSpecificationError, "the database server refuses the user or the password"),
    (asyncpg.InvalidCatalogNameError, "there is no such database on the server"),
    (asyncpg.PostgresConnectionError, LOST),
    # what the driver says of a connection whose end it is just about to learn
    (asyncpg.InternalClientError, LOST),
    (TimeoutError, "the database server does not answer"),
    (ConnectionRefusedError, "nothing listens where the database server should be"),
    (OSError, "the database server cannot be reached"),
)
EXPECTED: Final[tuple[type[Exception], ...]] = tuple(kind for kind, _ in _REASONS)
"""Failures of the server or of the way to it, not of a statement."""


def unavailable(error: BaseException) -> Unavailable:
    """The failure as the port knows it, by its code: texts of drivers and systems might tell more than is good."""
    reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), LOST)
    code = getattr(error, "sqlstate", None)
    return Unavailable(f"{reason} ({code})" if code else reason)
