"""Seven hops over OVOS's message bus (ovos-messagebus and ovos-bus-client from the registry), as its users run it.

What it does NOT do: keep a message (a service that is away never gets it), acknowledge, deliver again, drop copies, let
workers compete, trace. Its server hands each message to every client, the sender too, and each client parses all of
them; a service is a process (listener, core, audio, …) with one connection, so that is how the seven run here. Both
versions of it are measured: the last release, and the newest, a pre-release, which is quicker in bursts.

Most of its time on a hop is waiting: its server (tornado) leaves TCP_NODELAY off, so a message to a client waits until
that client's kernel has acknowledged the one before, up to 40 ms. `nodelay` shows it without, which nobody ships.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import venv
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from infra import processes
from infra.bus.server import HOST, free_port
from scripts.bench.carriers.carrier import Block

ROOT: Final = Path(__file__).resolve().parents[3]
SERVICES: Final = Path(__file__).with_name("ovos_services.py")
LOCKS: Final = {"newest": "requirements-ovos.lock", "release": "requirements-ovos-release.lock"}
FEWER: Final = 4  # it is that much slower that a fourth of the messages takes as long as all of ours
UP_WITHIN_S: Final = 30.0
ANSWER_WITHIN_S: Final = 300.0


class OvosUnavailable(Exception):
    """OVOS's packages cannot be installed, or do not run; the message says what happened."""


class Ovos:
    """A carrier behind a pipe: the driver sends and measures in OVOS's own environment."""

    def __init__(self, name: str, driver: Process) -> None:
        self.name = name
        self._driver = driver

    async def serial(self, messages: int) -> Block:
        """See Carrier; a fourth of the messages."""
        answer = await _asked(self._driver, {"serial": max(messages // FEWER, 1)})
        return Block([float(one) for one in answer["took_ms"]], None)

    async def burst(self, messages: int, in_flight: int) -> float:
        """See Carrier; a fourth of the messages."""
        answer = await _asked(self._driver, {"burst": max(messages // FEWER, 1), "in_flight": in_flight})
        return float(answer["rate"])


@asynccontextmanager
async def running(
    name: str, python: Path, folder: Path, *, how: str = "processes", nodelay: bool = False
) -> AsyncIterator[Ovos]:
    """Bus, services and driver. `how`: processes or threads; `nodelay`: with a setting that the bus does not make.

    Raises OvosUnavailable.
    """
    port, environment = free_port(), _at_home_in(folder)
    (folder / "config" / "mycroft").mkdir(parents=True)
    settings = {"websocket": {"host": HOST, "port": port}}
    (folder / "config" / "mycroft" / "mycroft.conf").write_text(json.dumps(settings))
    bus = [str(python), str(SERVICES), "bus"] if nodelay else [str(python.with_name("ovos-messagebus"))]
    async with AsyncExitStack() as stack:
        server = await processes.spawn(bus, log=folder / "bus.log", environment=environment)
        stack.push_async_callback(processes.stop, server, grace_s=3.0)
        await _answers(server, port, folder / "bus.log")
        with (folder / "services.log").open("wb") as log:
            driver = await asyncio.create_subprocess_exec(
                *(str(python), str(SERVICES), "drive", str(port), how),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=environment,
                limit=1 << 24,
            )
        stack.push_async_callback(_ended, driver)
        try:
            await _answer(driver)
        except OvosUnavailable as error:
            raise OvosUnavailable(f"{error}: {_tail(folder / 'services.log')}") from None
        yield Ovos(name, driver)


async def _asked(driver: Process, command: dict[str, int]) -> dict[str, Any]:
    assert driver.stdin is not None  # a pipe
    driver.stdin.write(json.dumps(command).encode() + b"\n")
    return await _answer(driver)


async def _answer(driver: Process) -> dict[str, Any]:
    assert driver.stdout is not None  # a pipe
    async with asyncio.timeout(ANSWER_WITHIN_S):
        line = await driver.stdout.readline()
    if not line:
        raise OvosUnavailable("OVOS's services ended")
    answer: dict[str, Any] = json.loads(line)
    return answer


async def _ended(driver: Process) -> None:
    assert driver.stdin is not None  # a pipe
    driver.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5.0):
            await driver.wait()
    await processes.stop(driver, grace_s=1.0)


async def _answers(server: Process, port: int, log: Path) -> None:
    until = asyncio.get_running_loop().time() + UP_WITHIN_S
    while asyncio.get_running_loop().time() < until and server.returncode is None:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            return
        await asyncio.sleep(0.1)
    raise OvosUnavailable(f"ovos-messagebus did not come up: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text()[-500:]


def _at_home_in(folder: Path) -> dict[str, str]:
    """An environment in which OVOS finds and writes its files in `folder`, and nothing in the person's home."""
    places = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "CACHE", "STATE")}
    return {**os.environ, "HOME": str(folder), **places}


def installed(version: str) -> Path:
    """The Python of an environment that holds what the version's lock names; made when it is not there.

    Raises OvosUnavailable.
    """
    lock, place = ROOT / LOCKS[version], ROOT / f".venv-ovos-{version}"
    python, stamp = place / "bin" / "python", place / "installed"
    wanted = hashlib.sha256(lock.read_bytes() + str(place).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    sys.stderr.write(f"installing OVOS's bus ({version}) into {place.name} …\n")
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", "--quiet"]
    try:
        venv.create(place, with_pip=True, clear=True)
        subprocess.run(
            [*command, "--require-hashes", "--no-deps", "-r", str(lock)], check=True, capture_output=True, text=True
        )
    except (subprocess.CalledProcessError, OSError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()[-500:]
        raise OvosUnavailable(f"OVOS's bus could not be installed; go without it (--without-ovos)?\n{said}") from error
    stamp.write_text(wanted)
    return python
