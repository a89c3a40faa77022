"""Coroutines that never wait, run like functions: what a transaction does, and what searches a list."""

from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


def drive(work: Awaitable[T]) -> T:
    """Run what never waits to its end.

    Raises:
        RuntimeError: it waited for something else than the transaction.

    """
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
    steps.close()
    raise RuntimeError("a transaction's work may await nothing but the transaction")
