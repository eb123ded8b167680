"""One thread that does the blocking work of one model, call after call, so that the event loop never waits for it.

Knows nothing of what is called. A call whose caller was cancelled runs to its end and its result is dropped, because
native code cannot be stopped; the next call waits for it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

R = TypeVar("R")


class WorkerThread:
    """A thread with a queue. Starts with the first call."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def call(self, work: Callable[[], R]) -> R:
        """Do `work` in the thread, after everything that was asked for before."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def aclose(self) -> None:
        """Take no further calls, drop those that have not begun, and wait for the one that has."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
