"""Runs Parley on one machine: bus, engine, keeper, every stage and the log, each a child that is started again.

Children die with this process, also when it is killed; what they had not acknowledged is handled by their successors.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from infra import instance, processes
from infra.bus import server
from infra.bus.server import BusAddress
from infra.instance import Instance
from infra.settings import EngineSettings, Settings, SettingsError
from pipeline import topology, wiring
from pipeline.presence import Present, who_is_there
from pipeline.process import SUPERVISED, connected
from schemas.errors import shown

READY_WITHIN_S: Final = 120.0  # loading models on a busy machine; then the start has failed
GRACE_S: Final = 8.0  # for a worker to finish what it has in hand
WRITE_ERRORS_EVERY_S: Final = 1.0
_POLL_S: Final = 0.1
RESTART_FIRST_S: Final = 0.2
RESTART_LONGEST_S: Final = 5.0
STABLE_AFTER_S: Final = 20.0  # a child that ran as long gets the short delay again

log = logging.getLogger("parley.supervisor")
Tell = Callable[[str], None]


class StartFailed(Exception):
    """Something that is needed did not start; the message says what, why, and where to read more."""


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    command: Sequence[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: Process | None = None
    starts: int = 0
    failures: int = 0

    async def start(self) -> None:
        """Start it (again)."""
        self.starts += 1
        environment = {**os.environ, **self.environment, SUPERVISED: str(os.getpid())}
        self.process = await processes.spawn(self.command, log=self.log, environment=environment)


class Supervisor:
    """All children of one `parley up`."""

    def __init__(self, settings: Settings, names: Sequence[str], tell: Tell) -> None:
        self._settings = settings
        self._names = names
        self._tell = tell
        self._logs = settings.data_dir / "logs"
        self._children: list[Child] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False
        self._up = False
        self.engine = settings.engine  # how it is reached, once it has been started

    @asynccontextmanager
    async def running(self) -> AsyncIterator[BusAddress]:
        """Everything up and ready inside the block; drained and gone after it. Raises StartFailed, AlreadyRunning."""
        own_bus = self._settings.bus.url is None
        with instance.locked(self._settings.data_dir) if own_bus else contextlib.nullcontext():
            try:
                address = await self._start_bus() if own_bus else _configured(self._settings)
                engine = self.engine = await self._start_engine()
                await self._start_workers(address, engine)
                if own_bus:
                    instance.write(self._settings.data_dir, _instance(address, engine))
                await self._wait_until_ready(address, engine)
                self._up = True
                yield address
            finally:
                if own_bus:
                    instance.remove(self._settings.data_dir)
                await self._stop_all()

    # Starting

    async def _start_bus(self) -> BusAddress:
        store, path = self._settings.data_dir / "nats", self._logs / "nats-server.log"
        # As last time, so that front-ends that were connected then find it again.
        usual_port, token = server.as_last_time(store)
        process, port = await server.start(store, path, port=usual_port, token=token)
        # From now on on this port: the workers reconnect to it after a restart.
        bus = Child(
            "bus", [str(server.binary()), "-c", str(store / server.CONFIG_NAME)], path, process=process, starts=1
        )
        self._watch(bus)
        self._watchers.append(asyncio.create_task(self._restart_when_it_cannot_write(bus)))
        address = BusAddress(f"nats://{server.HOST}:{port}", token)
        async with connected(address, "parley-up") as connection:
            await connection.declare()
        self._tell(f"bus        nats-server on {server.HOST}:{port}")
        return address

    async def _start_engine(self) -> EngineSettings:
        """Start the embedded engine where it is wanted; how the workers reach the engine."""
        engine = self._settings.engine
        if engine.backend not in ("auto", "llama.cpp") or engine.base_url is not None:
            where = engine.base_url or "minimal mode: no model, replies come from rules"
            self._tell(f"engine     {engine.backend} ({where})")
            return engine
        from infra.engines.llama_cpp import API_KEY_VARIABLE, EngineProcess

        port, key = server.free_port(), secrets.token_urlsafe(24)
        model = Path(engine.model) if engine.model else None
        if model is not None and not model.is_file():
            raise SettingsError(f"engine.model: {shown(engine.model)} is not allowed; expected a GGUF file that exists")
        embedded = EngineProcess(port=port, model=model, threads=engine.threads)
        child = Child("engine", embedded.command(), self._logs / "engine.log", {API_KEY_VARIABLE: key})
        await child.start()
        self._watch(child)
        reached = {"backend": "llama.cpp", "base_url": f"http://{server.HOST}:{port}", "model": embedded.model_name}
        return engine.model_copy(update={**reached, "api_key": SecretStr(key)})

    async def _start_workers(self, address: BusAddress, engine: EngineSettings) -> None:
        environment = {"NATS_URL": address.url, "PARLEY_DATA_DIR": str(self._settings.data_dir), **_told(engine)}
        if address.token:
            environment["PARLEY_BUS__TOKEN"] = address.token
        for name in self._names:
            command = [sys.executable, "-m", "pipeline.process", name]
            child = Child(name, command, self._logs / f"{name}.log", environment)
            await child.start()
            self._watch(child)

    async def _wait_until_ready(self, address: BusAddress, engine: EngineSettings) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_WITHIN_S
        ready: set[str] = set()
        wanted = {child.name for child in self._children if child.name in topology.PROCESSES}
        async with connected(address, "parley-up") as bus:
            while wanted - ready:
                if loop.time() > until:
                    raise StartFailed(f"not ready within {READY_WITHIN_S:.0f} s: {', '.join(sorted(wanted - ready))}")
                self._refuse_hopeless(wanted - ready)
                for present in await who_is_there(bus, wait_s=0.2):
                    if present.ready and self._is_ours(present) and present.name not in ready:
                        ready.add(present.name)
                        self._tell(f"worker     {present.name} is ready (process {present.pid})")

        settings = self._settings.model_copy(update={"engine": engine})
        while not (health := await wiring.engine_health(settings)).ok:
            if engine.base_url == self._settings.engine.base_url:
                self._tell(f"engine     does not answer ({health.reason}); replies come from rules until it does")
                return
            if loop.time() > until:
                raise StartFailed(f"the engine is not ready within {READY_WITHIN_S:.0f} s: {health.reason}")
            self._refuse_hopeless(set())
            await asyncio.sleep(_POLL_S)
        if engine.base_url is not None:
            self._tell(f"engine     {engine.backend} with {engine.model} answers at {engine.base_url}")

    def _is_ours(self, present: Present) -> bool:
        return any(child.process is not None and child.process.pid == present.pid for child in self._children)

    def _refuse_hopeless(self, waited_for: set[str]) -> None:
        for child in self._children:
            if child.failures >= 2 and (child.name in waited_for or child.name in ("bus", "engine")):
                raise StartFailed(f"{child.name} does not start: {_last_line(child.log)} (see {child.log})")

    # Watching

    def _watch(self, child: Child) -> None:
        self._children.append(child)
        self._watchers.append(asyncio.create_task(self._restart_for_ever(child)))

    async def _restart_for_ever(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        while child.process is not None:
            began = loop.time()
            status = await child.process.wait()
            if self._stopping:
                return
            # Before all are up a late failure is a slow machine's, and no sign that the child has ever worked.
            stable = self._up and loop.time() - began >= STABLE_AFTER_S
            child.failures = 1 if stable else child.failures + 1
            wait_s = min(RESTART_FIRST_S * 2 ** (child.failures - 1), RESTART_LONGEST_S)
            self._tell(f"restart    {child.name} {_how(status)}; see {child.log}")
            await asyncio.sleep(wait_s)
            if self._stopping:
                return
            await child.start()

    async def _restart_when_it_cannot_write(self, bus: Child) -> None:
        """Start the bus anew, once there is room, when its disk was full: by itself it never takes a turn again."""
        errors, gave_up = server.WriteErrors(bus.log), False
        while True:
            await asyncio.sleep(WRITE_ERRORS_EVERY_S)
            gave_up = errors.found() or gave_up
            has_room = shutil.disk_usage(self._settings.data_dir).free >= server.ROOM_TO_WRITE_BYTES
            if gave_up and has_room and bus.process is not None and bus.process.returncode is None:
                gave_up = False
                self._tell(f"bus        could not write its streams and is started anew; see {bus.log}")
                bus.process.terminate()

    async def _stop_all(self) -> None:
        """Workers first, so that what they have in hand still gets out; then the engine and the bus."""
        self._stopping = True
        last = ("engine", "bus")
        workers = [child for child in self._children if child.name not in last]
        await asyncio.gather(*(_stopped(child) for child in workers))
        for name in last:
            await asyncio.gather(*(_stopped(child) for child in self._children if child.name == name))
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)


async def _stopped(child: Child) -> None:
    if child.process is not None:
        await processes.stop(child.process, grace_s=GRACE_S)


def _configured(settings: Settings) -> BusAddress:
    token = settings.bus.token.get_secret_value() if settings.bus.token else None
    return BusAddress(settings.bus.url or "", token)


def _how(status: int) -> str:
    """How a process ended, for a person."""
    return f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1][-200:] if lines else "it said nothing"


def _told(engine: EngineSettings) -> dict[str, str]:
    """The engine as a worker's environment names it."""
    told = {"BACKEND": engine.backend, "BASE_URL": engine.base_url, "MODEL": engine.model, "API_KEY": _plain(engine)}
    return {f"PARLEY_ENGINE__{name}": value for name, value in told.items() if value}


def _instance(address: BusAddress, engine: EngineSettings) -> Instance:
    return Instance(
        pid=os.getpid(),
        started_at=datetime.now(UTC),
        bus_url=address.url,
        bus_token=address.token,
        engine_url=engine.base_url,
        engine_key=_plain(engine),
        engine_model=engine.model,
    )


def _plain(engine: EngineSettings) -> str | None:
    return engine.api_key.get_secret_value() if engine.api_key else None
