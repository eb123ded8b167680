"""One thread that does the blocking work of one model, call after call, so that the event loop never waits for it.

Knows nothing of what is called. A call whose caller was cancelled runs to its end and its result is dropped, because
native code cannot be stopped; the next call waits for it.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

BACKGROUND_NICE: Final = 15  # of 19: a thread that works beside it gets some thirty times as much of a core

R = TypeVar("R")


class WorkerThread:
    """A thread with a queue. Starts with the first call. In the background: others go before it (Linux only)."""

    def __init__(self, name: str, *, background: bool = False) -> None:
        initializer = _step_back if background else None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name, initializer=initializer)

    async def call(self, work: Callable[[], R]) -> R:
        """Do `work` in the thread, after everything that was asked for before."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def aclose(self) -> None:
        """Take no further calls, drop those that have not begun, and wait for the one that has."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)


def _step_back() -> None:
    """Give this thread, and those that it starts, a lower priority."""
    if sys.platform == "linux":  # elsewhere the priority is the whole process's
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICE)
