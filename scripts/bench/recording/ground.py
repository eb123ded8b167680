"""A bus and a logger, each a process of its own as `parley up` starts them, and what they have cost. Linux (/proc)."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.bus import server
from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.bus.server import BusAddress
from infra.processes import spawn, stop
from pipeline import topology, wiring
from pipeline.logging_stage import ask_log
from pipeline.process import connected

ROOT: Final = Path(__file__).resolve().parents[3]
READY_WITHIN_S: Final = 60.0
GRACE_S: Final = 20.0
_TICKS_HZ: Final = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12  # of /proc/PID/stat, counted after the name, see proc(5)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a log is kept, and who carries the events. Made by `bus_in`."""

    folder: Path
    address: BusAddress
    bus: Process

    @staticmethod
    def log_in(folder: Path) -> Path:
        """Where the logger keeps its log."""
        return folder / wiring.LOG_FILE


@asynccontextmanager
async def bus_in(folder: Path) -> AsyncIterator[Ground]:
    """A bus with Parley's streams, on the disk."""
    token = server.new_token()
    process, port = await server.start(folder / "nats", folder / "bus.log", token=token)
    ground = Ground(folder, BusAddress(f"nats://{server.HOST}:{port}", token), process)
    try:
        async with connected(ground.address, "bench-declaring") as bus:
            await bus.declare()
        yield ground
    finally:
        await stop(process, grace_s=GRACE_S)


@asynccontextmanager
async def logger_on(ground: Ground) -> AsyncIterator[Process]:
    """The logger."""
    async with worker_on(ground, topology.LOGGER) as process:
        yield process


@asynccontextmanager
async def worker_on(ground: Ground, name: str) -> AsyncIterator[Process]:
    """A worker with its default settings; what it said is in a log of its name."""
    ours = ("PARLEY_", "NATS_", "OTEL_", "MINIMAL_MODE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "PARLEY_CONFIG": str(ground.folder / "empty.yaml"),
        "PARLEY_DATA_DIR": str(ground.folder),
        "PARLEY_SUPERVISED": str(os.getpid()),
        "NATS_URL": ground.address.url,
        "PARLEY_BUS__TOKEN": ground.address.token or "",
        "PYTHONPATH": str(ROOT),
    }
    (ground.folder / "empty.yaml").write_text("", encoding="utf-8")
    process = await spawn(
        [sys.executable, "-m", "pipeline.process", name],
        log=ground.folder / f"{name}.log",
        environment=environment,
    )
    try:
        yield process
    finally:
        await stop(process, grace_s=GRACE_S)


async def answers(bus: Bus) -> None:
    """Return when the logger answers. Raises TimeoutError."""
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            with contextlib.suppress(BusUnavailable):
                await ask_log(bus, "SELECT 1")
                return
            await asyncio.sleep(0.05)


def processor_s(process: Process) -> float:
    """Seconds of a processor since its start."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_HZ


def resident_mb(process: Process) -> float:
    """Memory that it holds now."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
