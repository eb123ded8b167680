"""Shared by all tests: real nats-servers on free ports, and the events of turns."""

import asyncio
import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.clock import new_id
from schemas.event import Event, Fact, Meta

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from infra.bus.connection import Bus
    from infra.bus.server import BusAddress
    from infra.engines.vllm.installed import Environment

# duckdb's binding ends each interpreter with a page about its own leaks, behind which the summary would not be seen.
atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PATIENCE_S = 60.0  # how long a test waits for what must happen, on a machine that has other things to do
LOOK_EVERY_S = 0.02
VLLM_TOKENS = 2_048
VLLM_EXTRA = ("--kv-cache-memory-bytes", str(1 << 30), "--seed", "0")
PARLEY = str(Path(sys.executable).with_name("parley"))

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


@dataclass
class HardOfHearing:
    """A task that waits for ever, and loses so many cancellations before it hears one."""

    loses: int
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cancellations: int = 0

    async def wait(self) -> None:
        self.begun.set()
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancellations += 1
                if self.cancellations > self.loses:
                    raise


@pytest.fixture
def said_at_last() -> "Callable[[Bus, Event[Fact]], Awaitable[None]]":
    """Says an event as one does who does not give up: the same again until the bus has taken it."""
    from infra.bus.delivery import Hop
    from infra.bus.errors import BusUnavailable

    async def say(bus: "Bus", event: Event[Fact]) -> None:
        while True:
            try:
                await bus.say(event, Hop("front-end"))
            except BusUnavailable:
                await asyncio.sleep(0.05)
            else:
                return

    return say


@pytest.fixture
async def bus_address(tmp_path_factory: pytest.TempPathFactory) -> "AsyncIterator[BusAddress]":
    """A nats-server of the test's own with empty streams: 70 ms, and nothing that an earlier test left behind."""
    async with _running(tmp_path_factory.mktemp("bus")) as mine:
        yield mine.address


@pytest.fixture
async def bus(bus_address: "BusAddress") -> "AsyncIterator[Bus]":
    """A connection to that server."""
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


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[OwnServer]:
    """A server on an empty folder, with its streams declared; killed at the end."""
    from infra.bus import server, streams
    from infra.bus.connection import Bus

    mine = OwnServer(folder, server.new_token())
    await mine.start()
    try:
        async with Bus(mine.address, name="test-declaring") as bus:
            await streams.declare_streams(bus.js)
        yield mine
    finally:
        await mine.kill()


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[OwnServer]:
    """A server that the test may kill; its streams are declared."""
    async with _running(tmp_path / "bus") as mine:
        yield mine


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a child process that shall see no configuration of whoever runs the tests."""
    return outside()


def outside() -> dict[str, str]:
    """The environment without anything that configures Parley."""
    ours = ("PARLEY_", "NATS_", "OTEL_", "MINIMAL_MODE", "VLLM_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[1]), "PARLEY_GATEWAY__ENABLED": "false"}


@dataclass
class Parley:
    """A whole Parley as a person starts it: `parley up` in a process of its own."""

    folder: Path
    environment: dict[str, str]
    process: "subprocess.Popen[bytes]" = field(init=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def told(self) -> str:
        """What it has said so far."""
        return (self.folder / "up.log").read_text(errors="replace")

    def up(self, *arguments: str) -> "Parley":
        """Start it; returns at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "up.log").open("wb") as log:
            self.process = subprocess.Popen(
                [PARLEY, "up", *arguments], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        return self

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Another process of `parley` that stays; whoever starts it ends it."""
        return subprocess.Popen(
            [PARLEY, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ready(self) -> "Parley":
        """Wait until it is ready; fails with what it said when it ends instead."""
        self.wait_for(lambda: "\nready after " in f"\n{self.told}" or self.process.poll() is not None)
        assert self.process.poll() is None, self.told
        return self

    def command(self, *arguments: str, within_s: float = 120.0) -> "subprocess.CompletedProcess[str]":
        """Another command of `parley`, against this one."""
        return subprocess.run(
            [PARLEY, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )

    def turn(self, *arguments: str) -> dict[str, Any]:
        """One turn, as `--json` tells it."""
        done = self.command(*arguments, "--json")
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def pid_of(self, name: str) -> int:
        """The process of a worker (of several, the first), or of the bus or the engine."""
        part = {"bus": "nats-server", "engine": "infra.engines.llama_cpp"}.get(name, f"pipeline.process\0{name}\0")
        return next(pid for pid in descendants(self.process.pid) if part in command_line(pid))

    def wait_for(self, condition: Callable[[], bool], within_s: float = 150.0) -> None:
        """Wait for what nothing tells of. Raises TimeoutError."""
        until = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(self.told)
            time.sleep(LOOK_EVERY_S)

    def end(self, sign: signal.Signals = signal.SIGTERM, within_s: float = 60.0) -> int:
        """End it with a signal; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(sign)
        return self.process.wait(within_s)


def descendants(pid: int) -> list[int]:
    """All processes below this one."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [each for child in map(int, children) for each in (child, *descendants(child))]


def command_line(pid: int) -> str:
    """Its arguments, each ended by a NUL."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.fixture
def new_parley(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Parley]]:
    """Makes a Parley on an empty folder, in minimal mode unless `environment` says otherwise; not started yet."""
    made: list[Parley] = []

    def make(**variables: str) -> Parley:
        own = {**environment, "MINIMAL_MODE": "true", **variables}
        made.append(Parley(tmp_path / f"parley-{len(made)}", own))
        return made[-1]

    yield make
    for each in made:
        if hasattr(each, "process"):
            each.end(signal.SIGKILL)


@contextmanager
def ready_parley(folder: Path, **own: str) -> Iterator[Parley]:
    """A Parley that several tests talk to, with its `own` variables; it has ended afterwards, killed if it must be."""
    parley = Parley(folder, {**outside(), **own}).up()
    try:
        yield parley.ready()
    finally:
        try:
            parley.end()
        except subprocess.TimeoutExpired:
            parley.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def running_parley(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parley]:
    """One Parley in minimal mode for all tests that only talk to it."""
    with ready_parley(tmp_path_factory.mktemp("parley"), MINIMAL_MODE="true") as parley:
        yield parley


@dataclass(frozen=True)
class RealVllm:
    """A vLLM server with the bundled SmolLM2."""

    base_url: str
    key: str
    model: str
    log: Path

    def metric(self, name: str) -> float:
        """The sum of one of vLLM's own metrics, e.g. num_requests_running."""
        with urllib.request.urlopen(f"{self.base_url}/metrics", timeout=10) as page:
            text = page.read().decode()
        found = re.findall(rf"^vllm:{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        assert found, f"vLLM tells nothing of {name}"
        return sum(map(float, found))


@pytest.fixture(scope="session")
def vllm_environment() -> "Environment":
    """The checkout's `.venv-vllm`, made when it is not there yet (some 90 s); only for tests that are marked slow."""
    from infra.engines.vllm.hardware import this_machine
    from infra.engines.vllm.installed import Environment
    from infra.engines.vllm.setup import Setup
    from infra.packages import progress

    environment = Environment()
    Setup(environment, this_machine(), "cpu").run(progress)
    return environment


@pytest.fixture(scope="session")
def real_vllm(vllm_environment: "Environment", tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVllm]:
    """The real vLLM with the bundled model, started once for all tests (40 to 60 s); only for tests marked slow."""
    from infra.bus.server import free_port
    from infra.engines.vllm import running
    from infra.engines.vllm.server import VllmServer

    folder = tmp_path_factory.mktemp("vllm")
    server = VllmServer(
        vllm_environment, free_port(), on_cpu=True, max_model_len=VLLM_TOKENS, enforce_eager=True, extra=VLLM_EXTRA
    )
    started = running.start(server, folder, with_this_process=True)
    try:
        with ThreadPoolExecutor(1) as beside:  # the first who asks for it may have an event loop of its own
            beside.submit(asyncio.run, running.until_healthy(started, lambda _: None, within_s=300)).result()
        yield RealVllm(started.base_url, started.key, started.model, started.log)
    finally:
        running.stop(folder)


@pytest.fixture(scope="session")
def gpt4all_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled SmolLM2 as the library gpt4all can read it: a copy that names its way to split text differently.

    The library is older than the name `smollm`; `refact` is the same rule, and as long a word.
    """
    import numpy as np
    from gguf import GGUFReader

    from infra import weights
    from infra.engines.llama_cpp import SMOLLM2

    copy = tmp_path_factory.mktemp("gpt4all") / "smollm2.gguf"
    shutil.copyfile(weights.path_of(SMOLLM2), copy)
    field = GGUFReader(copy, "r+").fields["tokenizer.ggml.pre"]
    assert field.contents() == "smollm"
    field.parts[field.data[0]][:] = np.frombuffer(b"refact", np.uint8)
    return copy


Span = Any  # a protobuf message: its classes are made at run time


class Collector:
    """What a collector received over OTLP/HTTP."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.paths: list[str] = []
        self.requests: list[Any] = []  # ExportTraceServiceRequest

    @staticmethod
    def attributes(span: Span) -> dict[str, Any]:
        """A span's attributes by name."""
        return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector on loopback."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    kept: list[Collector] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request.ParseFromString(body)
            kept[0].paths.append(self.path)
            kept[0].requests.append(request)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.append(Collector(server.server_port))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield kept[0]
    server.shutdown()
    server.server_close()
    thread.join(10)
