"""Runs Parley on one machine: bus, engine, keeper, every stage and the log, each a child that is started again.

Children die with this process, also when it is killed; what they had not acknowledged is handled by their successors.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from infra import instance, troubles
from infra.bus import server
from infra.bus.server import BusAddress
from infra.bus.store_watch import StoreWatch
from infra.clock import SystemClock
from infra.gateway_settings import web_address, who_may
from infra.instance import Instance
from infra.settings import EngineSettings, Settings
from infra.troubles import Trouble
from pipeline import engine_start, topology, wiring
from pipeline.children import Child, Children, StartFailed, Tell
from pipeline.presence import Present, who_is_there
from pipeline.process import connected

READY_WITHIN_S: Final = 120.0  # loading models on a busy machine; then the start has failed
KEEPERS: Final = 2  # without one no turn begins or ends: when one hangs, the other goes on
WRITE_ERRORS_EVERY_S: Final = 1.0
_POLL_S: Final = 0.1

log = logging.getLogger("parley.up")


class Supervisor:
    """All children of one `parley up`."""

    def __init__(self, settings: Settings, names: Sequence[str], tell: Tell, beside: Path | None = None) -> None:
        self._settings = settings
        self._beside = beside or settings.data_dir  # the data folder whose vLLM is used, if one runs
        self._names = names
        self._tell = tell
        self._logs = settings.data_dir / "logs"
        self._children = Children(tell, self._note)
        self.engine = settings.engine  # how it is reached, once it has been started

    @asynccontextmanager
    async def running(self) -> AsyncIterator[BusAddress]:
        """Everything up and ready inside the block; drained and gone after it.

        Raises StartFailed, AlreadyRunning, StateError.
        """
        own_bus = self._settings.bus.url is None
        with instance.locked(self._settings.data_dir) if own_bus else contextlib.nullcontext():
            self._children.beside(self._children.keep_logs_short())
            if own_bus:
                troubles.forget(self._settings.data_dir)
            try:
                await self._open_state_once()
                address = await self._start_bus() if own_bus else _configured(self._settings)
                engine = self.engine = await engine_start.started(
                    self._settings, self._children, self._tell, self._beside
                )
                await self._start_workers(address, engine)
                if own_bus:
                    instance.write(self._settings.data_dir, _instance(address, engine))
                await self._wait_until_ready(address, engine)
                self._children.up = True
                yield address
            finally:
                if own_bus:
                    instance.remove(self._settings.data_dir)
                    troubles.forget(self._settings.data_dir)
                await self._children.stop(last=("engine", "bus"))

    # Starting

    async def _open_state_once(self) -> None:
        """Raises StateError, and so before anything is started, when those who need the state could not open it."""
        if topology.OPEN_STATE & set(self._names):
            async with wiring.opened_state(self._settings, SystemClock()):
                pass

    async def _start_bus(self) -> BusAddress:
        store, path = self._settings.data_dir / "nats", self._logs / "nats-server.log"
        # As last time, so that front-ends that were connected then find it again.
        usual_port, token = server.as_last_time(store)
        process, port = await server.start(store, path, port=usual_port, token=token)
        # From now on on this port: the workers reconnect to it after a restart.
        bus = Child("bus", server.command(store), path, server.environment(), process, starts=1)
        bus.prepare = partial(server.configure, store, port, token)  # its folder may have been removed
        self._children.watch(bus)
        self._children.beside(self._restart_when_it_cannot_write(bus, store))
        address = BusAddress(f"nats://{server.HOST}:{port}", token)
        async with connected(address, "parley-up") as connection:
            await connection.declare()
        self._tell(f"bus        nats-server on {server.HOST}:{port}")
        return address

    async def _start_workers(self, address: BusAddress, engine: EngineSettings) -> None:
        environment = {"NATS_URL": address.url, "PARLEY_DATA_DIR": str(self._settings.data_dir), **_told(engine)}
        if address.token:
            environment["PARLEY_BUS__TOKEN"] = address.token
        for name in self._names:
            command = [sys.executable, "-m", "pipeline.process", name]
            for log in (f"{name}.log", f"{name}-2.log")[: KEEPERS if name == topology.KEEPER else 1]:
                child = Child(name, command, self._logs / log, environment)
                await child.start()
                self._children.watch(child)

    async def _wait_until_ready(self, address: BusAddress, engine: EngineSettings) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_WITHIN_S
        ready: set[str] = set()
        wanted = {child.name for child in self._children.all if child.name in topology.SERVED}
        async with connected(address, "parley-up") as bus:
            while wanted - ready:
                if loop.time() > until:
                    raise StartFailed(f"not ready within {READY_WITHIN_S:.0f} s: {', '.join(sorted(wanted - ready))}")
                self._children.refuse_hopeless(wanted - ready)
                for present in await who_is_there(bus, wait_s=0.2):
                    if present.ready and self._children.owns(present.pid) and present.name not in ready:
                        ready.add(present.name)
                        if present.name == topology.GATEWAY:
                            self._tell_gateway(present)
                        else:
                            self._tell(f"worker     {present.name} is ready (process {present.pid})")
        await engine_start.until_it_answers(self._settings, engine, self._children, self._tell)

    def _tell_gateway(self, gateway: Present) -> None:
        address = web_address(self._settings.gateway.host, gateway.counts["port"])
        self._tell(f"gateway    {address} is ready: open it in a browser (process {gateway.pid})")
        self._tell(f"gateway    {who_may(self._settings.gateway, self._settings.user)}")

    async def _restart_when_it_cannot_write(self, bus: Child, store: Path) -> None:
        """Start the bus anew when it cannot write, once there is room: by itself it never takes a turn again."""
        watch, ended = StoreWatch(store, bus.log), None
        while True:
            await asyncio.sleep(WRITE_ERRORS_EVERY_S)
            try:
                why = await asyncio.to_thread(watch.look)
            except OSError as error:
                log.warning("%s: %s", store, error)
                continue
            process = bus.process
            if why is None or process is None or process.returncode is not None or process is ended:
                continue
            told = f"{why} and is started anew; see {bus.log}"
            self._tell(f"bus        {told}")
            self._note(bus.name, f"the bus {told}", False)
            process.terminate()
            ended = process

    def _note(self, name: str, words: str, damaged_state: bool) -> None:
        trouble = Trouble(name=name, at=datetime.now(UTC), words=words, damaged_state=damaged_state)
        troubles.note(self._settings.data_dir, trouble)


def _configured(settings: Settings) -> BusAddress:
    token = settings.bus.token.get_secret_value() if settings.bus.token else None
    return BusAddress(settings.bus.url or "", token)


def _told(engine: EngineSettings) -> dict[str, str]:
    """The engine as a worker's environment names it."""
    told = {"BACKEND": engine.backend, "BASE_URL": engine.base_url, "MODEL": engine.model, "API_KEY": engine.key}
    return {f"PARLEY_ENGINE__{name}": value for name, value in told.items() if value}


def _instance(address: BusAddress, engine: EngineSettings) -> Instance:
    return Instance(
        pid=os.getpid(),
        started_at=datetime.now(UTC),
        bus_url=address.url,
        bus_token=address.token,
        engine_backend=engine.backend,
        engine_url=engine.base_url,
        engine_key=engine.key,
        engine_model=engine.model,
    )
