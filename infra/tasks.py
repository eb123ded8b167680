"""Ending asyncio tasks for certain, and letting none end too early.

A cancellation can get lost: asyncio.wait_for of Python 3.11, through which nats-py waits for every answer, returns the
answer instead when it comes at that very moment (mended in 3.12). Whoever cancelled once and waits then waits for ever.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

AGAIN_S: Final = 1.0  # longer than an honest clean-up, which a second cancellation would disturb

R = TypeVar("R")


async def cancelled(task: asyncio.Task[R]) -> R | None:
    """Cancel a task until it has ended. Returns None, or its result when it came first; raises what it raised."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_S)
    return None if task.cancelled() else task.result()


async def to_the_end(work: Awaitable[R]) -> R:
    """Wait for what must not be left half done, even when the waiting task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    stopped: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as stop:
            stopped = stop
    if stopped is not None:
        task.exception()  # marked as seen: the cancellation is what the caller hears of
        raise stopped
    return task.result()
