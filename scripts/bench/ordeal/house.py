"""A private Parley in one folder: real processes, several of a kind, which are started again when they end.

Its own supervision instead of `parley up`'s, because that one starts one process of a kind, and at once. All of them
die with this process.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from infra import settings as configuration
from infra.bus import server, streams
from infra.bus.server import BusAddress
from infra.processes import spawn, stop
from infra.settings import Settings
from pipeline import topology
from pipeline.presence import who_is_there
from pipeline.process import connected
from scripts.bench.ordeal import engine

ROOT: Final = Path(__file__).resolve().parents[3]
OURS: Final = ("PARLEY_", "NATS_", "OTEL_", "MINIMAL_MODE")
READY_WITHIN_S: Final = 180.0
BY_ITSELF_WAIT_S: Final = 0.5  # before a process is started again that nobody killed
GRACE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be built."""

    workers: int = 2  # of each stage
    keepers: int = 2
    duplicate_window: timedelta = streams.DUPLICATE_WINDOW  # of the streams
    turn_timeout_s: float = 60.0
    real: bool = False  # real recogniser, voice and model
    engine_module: str = engine.__name__  # the module that is run when it is not real
    settings: Mapping[str, str] = field(default_factory=dict)  # further variables, such as PARLEY_CHAT__MAX_TOKENS


@dataclass(slots=True)
class Member:
    """One process of the house."""

    name: str
    command: Sequence[str]
    log: Path
    environment: dict[str, str]
    process: Process | None = None
    restart_after_s: float | None = None  # set by whoever kills it
    paused: bool = False
    watcher: asyncio.Task[None] | None = None
    ended_by_itself: int = 0

    @property
    def healthy(self) -> bool:
        return self.process is not None and self.process.returncode is None and not self.paused

    async def start(self) -> None:
        self.process = await spawn(self.command, log=self.log, environment=self.environment)

    def signal(self, sign: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(sign)


@dataclass
class House:
    """The processes, and how the bus is reached. Made by `built`."""

    folder: Path
    plan: Plan
    settings: Settings
    address: BusAddress
    members: list[Member] = field(default_factory=list)
    leaving: bool = False

    def member(self, name: str) -> Member:
        return next(member for member in self.members if member.name == name)

    def kill(self, member: Member, restart_after_s: float) -> None:
        """SIGKILL; it is started again after so long."""
        member.restart_after_s = restart_after_s
        member.signal(signal.SIGKILL)

    async def pause(self, member: Member, length_s: float) -> None:
        """SIGSTOP, and SIGCONT after so long, whatever happens to this task."""
        member.paused = True
        member.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(length_s)
        finally:
            member.signal(signal.SIGCONT)
            member.paused = False

    async def add(self, member: Member) -> None:
        await member.start()
        self.members.append(member)
        member.watcher = asyncio.create_task(self._watch(member))

    async def _watch(self, member: Member) -> None:
        while member.process is not None:
            await member.process.wait()
            if self.leaving:
                return
            if member.restart_after_s is None:
                member.ended_by_itself += 1
            wait_s, member.restart_after_s = member.restart_after_s or BY_ITSELF_WAIT_S, None
            await asyncio.sleep(wait_s)
            await member.start()

    async def ready(self) -> None:
        """Return when every worker has answered that it is ready. Raises TimeoutError."""
        wanted = Counter(member.name.split("-")[0] for member in self.members)
        del wanted["bus"], wanted["engine"]
        async with asyncio.timeout(READY_WITHIN_S), connected(self.address, "ordeal-ready") as bus:
            while True:
                there = Counter(present.name for present in await who_is_there(bus) if present.ready)
                if there >= wanted:
                    return

    async def leave(self) -> None:
        """Let the workers finish and end, then engine and bus."""
        self.leaving = True
        last = ("bus", "engine")
        for group in (
            [member for member in self.members if member.name not in last],
            [member for member in self.members if member.name in last],
        ):
            await asyncio.gather(*(_left(member) for member in group))


async def _left(member: Member) -> None:
    if member.watcher is not None:
        member.watcher.cancel()
    if member.process is not None:
        member.signal(signal.SIGCONT)
        await stop(member.process, grace_s=GRACE_S)


@asynccontextmanager
async def built(folder: Path, plan: Plan) -> AsyncIterator[House]:
    """Bus, engine and all workers, ready; gone when the block ends."""
    (folder / "empty.yaml").write_text("")
    token, port = server.new_token(), server.free_port()
    address = BusAddress(f"nats://{server.HOST}:{port}", token)
    environment, engine_command = _environment(folder, plan, address)
    settings = configuration.load(environment={n: v for n, v in environment.items() if n.startswith(OURS)})
    settings = settings.model_copy(
        update={"bus": settings.bus.model_copy(update={"url": address.url, "token": SecretStr(token)})}
    )
    house = House(folder, plan, settings, address)
    logs = folder / "logs"
    try:
        process, _ = await server.start(folder / "nats", logs / "bus.log", port=port, token=token)
        command = server.command(folder / "nats")
        bus = Member("bus", command, logs / "bus.log", environment | server.environment())
        bus.process = process
        house.members.append(bus)
        bus.watcher = asyncio.create_task(house._watch(bus))
        async with connected(address, "ordeal-declaring") as connection:
            await connection.declare(plan.duplicate_window)
        await house.add(Member("engine", engine_command, logs / "engine.log", environment))
        for name in topology.PROCESSES:
            count = plan.keepers if name == topology.KEEPER else 1 if name == topology.LOGGER else plan.workers
            for number in range(count):
                command = [sys.executable, "-m", "pipeline.process", name]
                called = name if count == 1 else f"{name}-{number}"
                await house.add(Member(called, command, logs / f"{called}.log", environment))
        await house.ready()
        yield house
    finally:
        await house.leave()


def _environment(folder: Path, plan: Plan, address: BusAddress) -> tuple[dict[str, str], list[str]]:
    """The environment of every process, and the engine's command."""
    port, key = server.free_port(), secrets.token_urlsafe(24)
    settings = {
        "PARLEY_CONFIG": str(folder / "empty.yaml"),
        "PARLEY_SUPERVISED": str(os.getpid()),
        "PARLEY_DATA_DIR": str(folder),
        "PARLEY_TIME_ZONE": "UTC",
        "PARLEY_TURN__TIMEOUT_S": str(plan.turn_timeout_s),
        "PARLEY_LIMITS__TURNS_PER_MINUTE": "",  # a few visitors say what many people would
        "PARLEY_CHAT__MAX_SENTENCES": "4",
        "PARLEY_ENGINE__BASE_URL": f"http://{server.HOST}:{port}",
        "PARLEY_ENGINE__API_KEY": key,
        "PARLEY_BUS__TOKEN": address.token or "",
        "NATS_URL": address.url,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    if plan.real:
        from infra.engines.llama_cpp import API_KEY_VARIABLE, EngineProcess

        embedded = EngineProcess(port=port)
        settings |= {"PARLEY_ENGINE__BACKEND": "llama.cpp", "PARLEY_ENGINE__MODEL": embedded.model_name}
        settings[API_KEY_VARIABLE] = key
        command = embedded.command()
    else:
        settings |= {"PARLEY_STT__BACKEND": "scripted", "PARLEY_TTS__BACKEND": "scripted"}
        settings |= {"PARLEY_ENGINE__BACKEND": "openai", "PARLEY_ENGINE__MODEL": "scripted", engine.KEY_VARIABLE: key}
        command = [sys.executable, "-m", plan.engine_module, str(port)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, **settings, **plan.settings}, command
