"""A way to the bus that can be cut, stalled, slowed down, or made one-sided: a small TCP proxy on loopback.

Knows nothing of what it carries. Whoever is connected through it notices what somebody behind a bad network notices.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from infra.bus.server import HOST, BusAddress

CHUNK_BYTES = 64 * 1024


class Link:
    """One listening port before one bus. Made by `linked`."""

    def __init__(self, bus: BusAddress) -> None:
        self._bus = bus
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._up = True
        self._to_bus, self._from_bus = asyncio.Event(), asyncio.Event()
        self._delay_s = 0.0
        self._left_bytes: int | None = None  # towards the bus, before it breaks
        self.connections = 0
        self.mend()

    @property
    def address(self) -> BusAddress:
        """The bus as it is reached through this."""
        assert self._server is not None  # inside `linked`
        return BusAddress(f"nats://{HOST}:{self._server.sockets[0].getsockname()[1]}", self._bus.token)

    # What can be done to it

    def cut(self) -> None:
        """Every connection breaks now, and a new one breaks at once."""
        self._up = False
        self._break()

    def stall(self) -> None:
        """Connections stay, new ones are accepted, and nothing goes through any more: a cable that was pulled."""
        self._to_bus.clear()
        self._from_bus.clear()

    def let_present_ones_die(self) -> None:
        """Nothing goes through the connections that there are, and nobody is told; new ones work."""
        self.stall()
        self._to_bus, self._from_bus = asyncio.Event(), asyncio.Event()
        self.mend()

    def swallow_answers(self) -> None:
        """What is sent arrives; what the bus says (acknowledgements, messages) does not."""
        self._from_bus.clear()

    def slow_down(self, delay_s: float) -> None:
        """Each piece takes so long, in each direction."""
        self._delay_s = delay_s

    def cut_after(self, size_bytes: int) -> None:
        """Let so many more bytes through to the bus, then break: in the middle of a message, if it is longer."""
        self._left_bytes = size_bytes

    def mend(self, *, keeps_connections: bool = True) -> None:
        """All is well again. What was held back is delivered late, or is lost with its connection."""
        if not keeps_connections:
            self._break()
        self._up = True
        self._delay_s, self._left_bytes = 0.0, None
        self._to_bus.set()
        self._from_bus.set()

    # How it works

    def _break(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, HOST, 0)

    async def stop(self) -> None:
        assert self._server is not None  # it was started
        self._server.close()
        self._break()
        for pump in tuple(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if not self._up:
            writer.transport.abort()
            return
        at = urlsplit(self._bus.url)
        try:
            bus_reader, bus_writer = await asyncio.open_connection(at.hostname, at.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, bus_writer}
        for pump in (
            self._pump(reader, bus_writer, writer, self._to_bus, towards_bus=True),
            self._pump(bus_reader, writer, bus_writer, self._from_bus, towards_bus=False),
        ):
            task = asyncio.create_task(pump)
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
        is_open: asyncio.Event,
        *,
        towards_bus: bool,
    ) -> None:
        try:
            with contextlib.suppress(OSError):
                while chunk := await reader.read(CHUNK_BYTES):
                    await asyncio.sleep(self._delay_s)
                    await is_open.wait()
                    if towards_bus and self._left_bytes is not None:
                        chunk, rest = chunk[: self._left_bytes], chunk[self._left_bytes :]
                        self._left_bytes -= len(chunk)
                        writer.write(chunk)
                        await writer.drain()
                        if rest:
                            self._left_bytes = None  # once
                            self._break()
                            return
                        continue
                    writer.write(chunk)
                    await writer.drain()
        finally:
            for each in (writer, other):
                each.transport.abort()
                self._writers.discard(each)


@asynccontextmanager
async def linked(bus: BusAddress) -> AsyncIterator[Link]:
    """A link to the bus for the length of the block."""
    link = Link(bus)
    await link.start()
    try:
        yield link
    finally:
        await link.stop()
