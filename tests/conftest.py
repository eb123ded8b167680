"""Shared by all tests: a real nats-server on a free port, and the events of turns."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.clock import new_id
from schemas.event import Event, Fact, Meta

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from infra.bus.connection import Bus
    from infra.bus.server import BusAddress

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PATIENCE_S = 60.0  # how long a test waits for what must happen, on a machine that has other things to do
LOOK_EVERY_S = 0.02

Until = Callable[[Callable[[], Any]], Awaitable[Any]]
NewEvent = Callable[..., Event[Fact]]


async def _until(condition: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """Wait for what nothing tells of: `condition` (or what it returns, awaited) becomes true. Returns its value."""
    async with asyncio.timeout(within_s):
        while True:
            found = condition()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            await asyncio.sleep(LOOK_EVERY_S)


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """`await until(lambda: ...)`: the condition's value once it is true; TimeoutError when it stays false."""
    return _until


@pytest.fixture
def new_event() -> NewEvent:
    """Makes the first event of a turn: `new_event(fact, conversation=…, deadline=…)`; meta fields by name."""

    def make(fact: Fact, **meta: Any) -> Event[Fact]:
        turn = meta.pop("turn", None) or new_id()
        told: dict[str, Any] = {
            "id": f"{turn}-{type(fact).__name__}",
            "type": type(fact).__name__,
            "conversation": new_id(),
            "turn": turn,
            "user": "ann",
            "time": datetime.now(UTC),
            **meta,
        }
        return Event[Fact].first(fact, Meta(**told))

    return make


@pytest.fixture(scope="session")
def background() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, for what lives as long as all tests."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="background", daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture(scope="session")
def shared_bus(
    background: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[BusAddress]":
    """A nats-server for all tests of this process that leave it running."""
    from infra.bus import server
    from infra.processes import stop

    folder = tmp_path_factory.mktemp("bus")
    token = server.new_token()
    starting = server.start(folder / "store", folder / "nats-server.log", token=token)
    process, port = asyncio.run_coroutine_threadsafe(starting, background).result(PATIENCE_S)
    yield server.BusAddress(f"nats://{server.HOST}:{port}", token)
    asyncio.run_coroutine_threadsafe(stop(process, grace_s=10), background).result(PATIENCE_S)


@pytest.fixture
async def bus_address(shared_bus: "BusAddress") -> "BusAddress":
    """The shared server with empty streams, declared anew: what an earlier test left is gone."""
    from infra.bus import streams
    from infra.bus.connection import Bus

    async with Bus(shared_bus, name="test-cleaning") as bus:
        for stream in await bus.js.streams_info():
            await bus.js.delete_stream(stream.config.name or "")
        await streams.declare_streams(bus.js)
    return shared_bus


@pytest.fixture
async def bus(bus_address: "BusAddress") -> "AsyncIterator[Bus]":
    """A connection to the shared server."""
    from infra.bus.connection import Bus

    async with Bus(bus_address, name="test") as connected:
        yield connected


@dataclass
class OwnServer:
    """A nats-server of the test's own, which it may kill and start again on the same port and store."""

    folder: Path
    token: str
    port: int = 0
    process: "Process | None" = field(default=None)

    @property
    def address(self) -> "BusAddress":
        from infra.bus.server import HOST, BusAddress

        return BusAddress(f"nats://{HOST}:{self.port}", self.token)

    async def start(self) -> None:
        from infra.bus import server

        log = self.folder / "nats-server.log"
        self.process, self.port = await server.start(
            self.folder / "store", log, port=self.port or None, token=self.token
        )

    async def kill(self) -> None:
        """SIGKILL: nothing is flushed."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[OwnServer]:
    """A server that the test may kill; its streams are declared."""
    from infra.bus import server, streams
    from infra.bus.connection import Bus

    mine = OwnServer(tmp_path / "bus", server.new_token())
    await mine.start()
    async with Bus(mine.address, name="test-declaring") as bus:
        await streams.declare_streams(bus.js)
    yield mine
    await mine.kill()


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a child process that shall see no configuration of whoever runs the tests."""
    ours = ("PARLEY_", "NATS_", "OTEL_", "MINIMAL_MODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[1])}
