"""Waits out what is no message's fault: a bus that is away or full, a state that is locked or has no room.

The message stays in hand meanwhile, so that it neither uses up its tries nor is overtaken, and goes on as soon as the
trouble is over. Does not know what is done with a message; what ends the waiting for good is in the work itself, which
looks at its turn's end and deadline anew each time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from infra.bus.errors import BusFull, BusUnavailable
from infra.state.errors import StateBusy, StateFull, StateUnwritable
from pipeline import retry

PASSING: Final = (BusUnavailable, BusFull, StateBusy, StateFull, StateUnwritable)
LONGEST_WAIT_S: Final = 2.0


async def patiently(
    work: Callable[[bool], Awaitable[None]],
    leaving: asyncio.Event,
    told: Callable[[Exception, float], None],
) -> None:
    """Do `work(again)` until it is done; `again` from the second time on. `told` is called before each wait.

    Raises whatever else it raises at once, and the trouble itself once `leaving` is set.
    """
    times = 0
    while True:
        try:
            await work(times > 0)
        except PASSING as trouble:
            if leaving.is_set():
                raise
            times += 1
            wait_s = min(retry.delay_s(times), LONGEST_WAIT_S)
            told(trouble, wait_s)
        else:
            return
        try:
            async with asyncio.timeout(wait_s):
                await leaving.wait()
        except TimeoutError:
            continue
