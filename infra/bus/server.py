"""The embedded nats-server: its configuration, its start, and the wait until it answers.

Loopback only, behind a token. A killed process loses nothing; a power cut may lose up to SYNC_INTERVAL.
"""

import asyncio
import contextlib
import json
import os
import re
import secrets
import socket
import sys
from asyncio.subprocess import Process
from dataclasses import dataclass
from pathlib import Path

from infra import process_logs
from infra.ports import why_taken
from infra.private_files import write_private
from infra.processes import spawn

HOST = "127.0.0.1"
SYNC_INTERVAL = "5s"  # how much an operating system's crash may take; a killed server loses nothing
STORE_MAX = "1TB"  # else it would refuse streams whose limits exceed what is free at its start; intake watches the disk
READY_WITHIN_S = 15.0  # a store of some gigabytes is checked at start
PORT_TRIES = 5
CONFIG_NAME = "nats-server.conf"
STREAMS = "jetstream"  # the folder in its store in which the server keeps all of them
ROOM_TO_WRITE_BYTES = 16 << 20  # for a server that starts anew after its disk was full
NO_ROOM_BYTES = 1 << 20  # so full a disk may have failed a write, and the line in the log that would tell of it
_PORT = re.compile(r'listen: "[^"]*:(\d+)"')
_TOKEN = re.compile(r'token: ("(?:[^"\\]|\\.)*")')
_GAVE_UP = (b"critical write error", b"will be disabled")  # of a stream, of all streams
_WORDS_CHARS = 200
_POLL_S = 0.05
_GREETING_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where a bus is and what opens it."""

    url: str
    token: str | None = None


class BusServerFailed(Exception):
    """The embedded nats-server did not come up; the message says why and what to do."""


def binary() -> Path:
    """The nats-server that came with the environment. Raises BusServerFailed."""
    path = Path(sys.executable).parent / "nats-server"
    if not path.exists():
        raise BusServerFailed(f"{path} is missing; run scripts/demo or scripts/test to install it, or set NATS_URL")
    return path


async def start(store: Path, log: Path, *, port: int | None = None, token: str | None = None) -> tuple[Process, int]:
    """Start a server that keeps its streams under `store`; returns it with its port once it answers.

    A named port must be free; without one a free port is found. Raises BusServerFailed.
    """
    for _ in range(PORT_TRIES):
        chosen = port or free_port()
        configure(store, chosen, token)
        process = await spawn(command(store), log=log, environment={**os.environ, **environment()})
        if await _answers(process, chosen):
            return process, chosen
        if process.returncode is None:
            process.kill()
            await process.wait()
            raise BusServerFailed(f"nats-server did not answer within {READY_WITHIN_S:.0f} s; see {log}")
        if port is not None or "address already in use" not in _tail(log):
            break
    said = (_tail(log).strip().splitlines() or ["it said nothing"])[-1][-300:]
    raise BusServerFailed(f"nats-server ended with status {process.returncode}: {said} (see {log})")


def configure(store: Path, port: int, token: str | None) -> None:
    """Write what a server on this store is started with, and make its folder. Raises OSError."""
    store.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # what else may be there, the server itself complains of
        (store / STREAMS).mkdir()
    path = store / CONFIG_NAME
    lines = [
        f'listen: "{HOST}:{port}"',
        'server_name: "parley"',
        f"jetstream {{ store_dir: {json.dumps(str(store.resolve()))}, max_file_store: {STORE_MAX}, "
        f"sync_interval: {SYNC_INTERVAL} }}",
    ]
    if token:
        lines.append(f"authorization {{ token: {json.dumps(token)} }}")
    wanted = "\n".join(lines) + "\n"
    if not path.exists() or path.read_text(errors="replace") != wanted:  # else a full disk would take it away
        write_private(path, wanted)  # it holds the token


def command(store: Path) -> list[str]:
    """What starts a server on a store that is configured. Raises BusServerFailed."""
    return [str(binary()), "-c", str(store / CONFIG_NAME)]


def environment() -> dict[str, str]:
    """What a server's process is told beyond its configuration: a quarter of the garbage that Go allows by itself."""
    return {"GOGC": os.environ.get("GOGC", "25")}


def free_port() -> int:
    """A port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def as_last_time(store: Path) -> tuple[int | None, str]:
    """The port and secret of the server that ran on this store before; no port where none did or it is taken now."""
    try:
        before = (store / CONFIG_NAME).read_text(errors="replace")
    except OSError:
        return None, new_token()
    port, token = _PORT.search(before), _TOKEN.search(before)
    return (int(port[1]) if port and why_taken(HOST, int(port[1])) is None else None), (
        json.loads(token[1]) if token else new_token()
    )


class WriteErrors:
    """Notices in the server's log that it could not write a stream.

    After one such error (a disk that was full for a moment) it stores nothing in that stream, and answers nothing to
    whoever publishes, until it is started anew; no question that can be asked of it tells.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read_bytes = log.stat().st_size if log.exists() else 0
        self._before = _stamp(process_logs.before(log))

    def found(self) -> str | None:
        """The server's words, when it has happened since the last look."""
        told = b""
        if (before := _stamp(process_logs.before(self._log))) != self._before:  # the log was cut
            told, _ = _from(process_logs.before(self._log), self._read_bytes)
            self._before, self._read_bytes = before, 0
        new, self._read_bytes = _from(self._log, self._read_bytes)
        lines = (told + new).splitlines()
        gave_up = next((line for line in lines if any(words in line.lower() for words in _GAVE_UP)), None)
        return None if gave_up is None else gave_up.decode(errors="replace")[-_WORDS_CHARS:].rpartition("[ERR] ")[2]


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is made anew; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _from(path: Path, place: int) -> tuple[bytes, int]:
    """The bytes of a file from a place on, and where they end; none when it has been moved away.

    A file that is shorter was cut meanwhile, or is only the end of what there was: then all of it.
    """
    try:
        with path.open("rb") as file:
            file.seek(place if place <= os.fstat(file.fileno()).st_size else 0)
            return file.read(), file.tell()
    except OSError:
        return b"", place


def new_token() -> str:
    """A secret for a new server."""
    return secrets.token_urlsafe(24)


async def _answers(process: Process, port: int) -> bool:
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_GREETING_WITHIN_S):  # somebody else may hold the port and say nothing
                reader, writer = await asyncio.open_connection(HOST, port)
                with contextlib.closing(writer):
                    greeting = await reader.readline()
            if greeting.startswith(b"INFO ") and process.returncode is None and _is_jetstream_up(greeting):
                return True
        await asyncio.sleep(_POLL_S)
    return False


def _is_jetstream_up(greeting: bytes) -> bool:
    return bool(json.loads(greeting[5:]).get("jetstream"))


def _tail(log: Path, size: int = 2000) -> str:
    return log.read_bytes()[-size:].decode(errors="replace") if log.exists() else ""
