"""Ending asyncio tasks for certain.

A cancellation can get lost: asyncio.wait_for of Python 3.11, through which nats-py waits for every answer, returns the
answer instead when it comes at that very moment (mended in 3.12). Whoever cancelled once and waits then waits for ever.
"""

import asyncio
from typing import Final, TypeVar

AGAIN_S: Final = 1.0  # longer than an honest clean-up, which a second cancellation would disturb

R = TypeVar("R")


async def cancelled(task: asyncio.Task[R]) -> R | None:
    """Cancel a task until it has ended. Returns None, or its result when it came first; raises what it raised."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_S)
    return None if task.cancelled() else task.result()
