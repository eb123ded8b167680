"""A gateway as its process serves it, on a bus of the test's own and without any worker behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus.delivery import Hop
from infra.clock import SystemClock
from infra.gateway_settings import GatewaySettings, web_address
from infra.settings import Settings
from pipeline.gateway.app import opened
from pipeline.gateway.serving import listening_socket, serve
from schemas import subjects
from schemas.catalogue import arrived
from schemas.event import Event, Fact

if TYPE_CHECKING:
    from fastapi import FastAPI

    from infra.bus.connection import Bus


@dataclass(frozen=True)
class Served:
    """A gateway that answers."""

    address: str  # http://127.0.0.1:…
    settings: Settings
    bus: "Bus"
    app: "FastAPI"

    async def say(self, event: Event[Fact]) -> Event[Fact]:
        """What a stage, or another front-end, says."""
        await self.bus.say(event, Hop(event.meta.stage, queue_ms=1.0, work_ms=2.0))
        return event

    async def submitted(self, stream: str = subjects.INTAKE_STREAM) -> list[Event[Fact]]:
        """What was submitted, in order."""
        extent = await self.bus.extent(stream)
        held = [await self.bus.stored(stream, seq) for seq in range(max(1, extent.first_seq), extent.last_seq + 1)]
        return [arrived(message.subject, message.data) for message in held if message is not None]


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve_gateway(bus: "Bus", tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts a gateway with such settings: `await serve_gateway(hello_within_s=1)`. `on`: another bus."""
    async with AsyncExitStack() as stack:

        async def start(on: "Bus | None" = None, **gateway: Any) -> Served:
            told = {"port": 0, **gateway}
            settings = Settings(data_dir=tmp_path, gateway=GatewaySettings(**told))
            return await stack.enter_async_context(_running(settings, on or bus))

        yield start


@pytest.fixture
async def served(serve_gateway: Serve) -> Served:
    """A gateway with the settings that are shipped, on a free port."""
    return await serve_gateway()


@asynccontextmanager
async def _running(settings: Settings, bus: "Bus") -> AsyncIterator[Served]:
    stop = asyncio.Event()
    bound = listening_socket(settings)
    async with opened(settings, bus, SystemClock()) as (app, _):
        serving = asyncio.create_task(serve(app, bound, settings, stop))
        try:
            yield Served(web_address(*bound.getsockname()[:2]), settings, bus, app)
        finally:
            stop.set()
            await serving
