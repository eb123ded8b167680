"""Puts events into the stream as fast as the bus takes them."""

import asyncio
from typing import Final

from infra.bus.connection import Bus
from scripts.bench.recording.events import messages

PORTION: Final = 2_000  # events that are made and published at once; the next ones when the stream has all of them


async def fill(bus: Bus, count: int) -> None:
    """Publish `count` events, a multiple of EVENTS_A_TURN. Raises nats-py's error when one is refused."""
    for done in range(0, count, PORTION):
        under_way = [
            await bus.js.publish_async(row.subject, row.payload, headers=dict(row.headers))
            for row in messages(min(PORTION, count - done))
        ]
        await asyncio.gather(*under_way)
