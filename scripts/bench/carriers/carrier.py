"""What scripts/bench/hops asks of whatever carries a message over seven hops. Knows nobody who does."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra import processes
from infra.bus import server

HOPS = 7
PAYLOAD_BYTES = 850  # what Parley's event of this benchmark weighs
TEXT_CHARS = 300  # of what is said in it
PATIENCE_S = 50.0  # what was not acknowledged comes again after 4 s (Parley) or 30 s (what nats-py sets by itself)
Send = Callable[[], Awaitable[float]]
"""Sends one message and waits for its arrival; how long that took, in ms."""


class Lost(Exception):
    """A message has not come out at the end: nothing can be concluded from the run."""


@dataclass(frozen=True, slots=True)
class Block:
    """Messages sent one after another: what each took, and this process's time a hop, where the hops are in it."""

    took_ms: list[float]
    cpu_us: float | None


class Carrier(Protocol):
    """Carries messages, a block at a time, so that carriers can take turns."""

    name: str

    async def serial(self, messages: int) -> Block:
        """Send that many, each after the one before has arrived."""

    async def burst(self, messages: int, in_flight: int) -> float:
        """Send that many, `in_flight` at once; how many arrived in a second."""


@dataclass(slots=True)
class InThisProcess:
    """A carrier whose sender lives on this event loop."""

    name: str
    send: Send
    whole: bool = True  # its hops live here too, so that this process's time is theirs

    async def serial(self, messages: int) -> Block:
        """See Carrier."""
        cpu = time.process_time()
        took = [await self._sent() for _ in range(messages)]
        spent_us = (time.process_time() - cpu) * 1e6 / messages / HOPS
        return Block(took, spent_us if self.whole else None)

    async def burst(self, messages: int, in_flight: int) -> float:
        """See Carrier."""
        gate = asyncio.Semaphore(in_flight)

        async def gated() -> None:
            async with gate:
                await self._sent()

        began = time.perf_counter()
        await asyncio.gather(*(gated() for _ in range(messages)))
        return messages / (time.perf_counter() - began)

    async def _sent(self) -> float:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.send()
        except TimeoutError:
            raise Lost(f"{self.name}: a message has not arrived within {PATIENCE_S:.0f} s") from None


class Arrivals:
    """Futures that the end of a chain fulfils, by key."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def expect(self, key: str) -> asyncio.Future[None]:
        """What is done once `key` has arrived."""
        self._waiting[key] = asyncio.get_running_loop().create_future()
        return self._waiting[key]

    def arrived(self, key: str) -> None:
        """It is there. A second arrival changes nothing."""
        if (waiting := self._waiting.pop(key, None)) is not None:
            waiting.set_result(None)


@asynccontextmanager
async def own_server(folder: Path) -> AsyncIterator[str]:
    """A nats-server for one carrier alone, so that the consumers of the others do not weigh on it; its address."""
    process, port = await server.start(folder / "store", folder / "log")
    try:
        yield f"nats://{server.HOST}:{port}"
    finally:
        await processes.stop(process, grace_s=5.0)
