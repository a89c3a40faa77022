"""How a thread of the store answers the loop that asked: one wake for each piece of work."""

import asyncio
from typing import Any


def answer(done: asyncio.Future[Any], result: object = None, *, error: BaseException | None = None) -> None:
    """Hand a result or an error to the loop of `done`; a loop that has gone meanwhile has nobody left who waits."""
    try:
        done.get_loop().call_soon_threadsafe(_settle, done, result, error)
    except RuntimeError:
        if not done.get_loop().is_closed():
            raise


def _settle(done: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if done.done():  # whoever asked was cancelled
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
