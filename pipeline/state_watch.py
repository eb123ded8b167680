"""Looks at an open state from time to time, so that damage is told soon, and not when somebody first reads it.

What was accepted until then waits in the bus, and is finished once the state is mended.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.state.errors import StateCorrupt
from infra.state.port import State
from infra.tasks import cancelled

STATE_BROKEN: Final = "no turn can be answered until Parley is ended and its state mended: "
LOOK_EVERY_S: Final = 5.0
LOOK_WITHIN_S: Final = 0.1  # some tens of MB: all of a usual file, and little of a process's time

log = logging.getLogger("parley.state")


@asynccontextmanager
async def watched(state: State, found: Callable[[StateCorrupt], None]) -> AsyncIterator[None]:
    """Inside the block damage is looked for; `found` is told of the first, once."""
    watching = asyncio.create_task(_watch(state, found))
    try:
        yield
    finally:
        await cancelled(watching)


@asynccontextmanager
async def intake_closed_by_damage(bus: Bus) -> AsyncIterator[None]:
    """Whoever submits a turn is told why it would not be answered; a keeper that finds the state mended opens again.

    Raises what the block raises.
    """
    try:
        yield
    except StateCorrupt as error:
        with contextlib.suppress(BusUnavailable):
            await bus.close_intake(f"{STATE_BROKEN}{error}")
        raise


async def _watch(state: State, found: Callable[[StateCorrupt], None]) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            await state.check(LOOK_WITHIN_S)
        except StateCorrupt as error:
            found(error)
            return
        except Exception:
            log.exception("the state could not be looked at; tried again")
