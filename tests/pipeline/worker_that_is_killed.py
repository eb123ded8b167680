"""A worker that takes a message, says so, and never finishes: `… URL TOKEN ACK_WAIT_S`. The test kills it."""

import asyncio
import sys
from collections.abc import AsyncIterator

from infra.bus import streams
from infra.bus.connection import Bus
from infra.bus.server import BusAddress
from infra.clock import SystemClock
from infra.telemetry import Telemetry
from pipeline.worker import Worker
from schemas.chat import SentenceGenerated
from schemas.event import Event, Fact
from schemas.stage import Stage
from schemas.turns import TextTurnOpened


async def hang(event: Event[TextTurnOpened], given: None, earlier: tuple[Fact, ...]) -> AsyncIterator[Fact]:
    print("begun", flush=True)
    yield SentenceGenerated(asked="?", index=0, text="Said by the first.", last=False, firsts=("Said by the first.",))
    print("said", flush=True)
    await asyncio.Event().wait()


async def main(url: str, token: str) -> None:
    stage: Stage[None] = Stage("chat", (TextTurnOpened,), (SentenceGenerated,), hang, resumes=True)
    async with Bus(BusAddress(url, token), name="killed") as bus:
        await Worker(stage, None, bus, SystemClock(), Telemetry("killed")).start()
        await asyncio.Event().wait()


streams.ACK_WAIT_S = float(sys.argv[3])
asyncio.run(main(sys.argv[1], sys.argv[2]))
