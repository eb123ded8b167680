"""Announces due reminders, for as long as a router runs. Several routers may: the state gives each reminder to one."""

import asyncio
import logging

from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.errors import BusFull, BusUnavailable
from infra.clock import Clock
from infra.state import outbox
from infra.state.errors import StateError
from infra.state.port import State
from infra.telemetry import root
from stages.router.due import announce_due

LOOK_EVERY_S = 1.0

log = logging.getLogger("parley.reminding")


async def announce_for_ever(state: State, bus: Bus, clock: Clock) -> None:
    """Look once a second. What is announced but not published, for whatever reason, is relayed by the keeper."""
    while True:
        try:
            events = await announce_due(state, clock.now())
            for event in events:
                await bus.say(event, Hop(event.meta.stage, traceparent=root(event.meta.turn)))
            if events:
                async with state.transaction() as tx:
                    await outbox.published(tx, [event.meta.id for event in events], clock.now())
        except (BusUnavailable, BusFull, StateError) as error:
            log.warning("reminders: %s", error)
        await asyncio.sleep(LOOK_EVERY_S)
