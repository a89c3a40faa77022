"""The thread with a loop of its own in which all connections of a store live, whoever asks from wherever.

A connection belongs to one loop, and a process has several (the web's, the sender's, a command's that comes and goes).
So they hand their work over, as they do to the writer's thread of SQLite, and the deciding is out of the web's way too.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from goniec.ports import Unavailable
from goniec.store.answering import answer

T = TypeVar("T")


class Loop:
    """Runs coroutines for other loops, and for threads that have none."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="postgres", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work` there to its end, even when the caller is cancelled meanwhile.

        Raises:
            Unavailable: the store is closed.

        """
        if self._closing:
            raise Unavailable("the store is closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._loop.call_soon_threadsafe(self._start, work, done)
        return await done

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """Call a function there, soon; not at all once the store is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and hold up this thread until it is done."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self, last: Callable[[], Awaitable[None]]) -> None:
        """Let what was begun come to its end, then run `last`, then end the thread. More than once does no harm."""
        if not self._closing:
            self._closing = True
            asyncio.run_coroutine_threadsafe(self._finish(last), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    # its own thread

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _start(self, work: Callable[[], Awaitable[Any]], done: "asyncio.Future[Any]") -> None:
        task = self._loop.create_task(_answering(work, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, last: Callable[[], Awaitable[None]]) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)
        with contextlib.suppress(OSError):
            await last()


async def _answering(work: Callable[[], Awaitable[Any]], done: "asyncio.Future[Any]") -> None:
    try:
        result = await work()
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
        answer(done, error=error)
    else:
        answer(done, result)
