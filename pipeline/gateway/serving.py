"""A gateway as one process: the socket it listens at, and uvicorn on the process's own loop."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from infra.gateway_settings import USUAL_PORT
from infra.private_files import write_private
from infra.settings import Settings, SettingsError
from pipeline.gateway import connections

BACKLOG: Final = 512
SWITCH_S: Final = 0.0005  # so long a model's thread may hold up the loop; with Python's 5 ms fifty sockets feel it
FINISH_WITHIN_S: Final = 4.0  # requests that are in hand when it is stopped; sockets are told to come again
PING_EVERY_S: Final = 20.0  # on a socket; a client that is gone without a word is found out by the next one


class Server(uvicorn.Server):
    """uvicorn without its own handling of signals: the process has that."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening_socket(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say.

    With any free port the one of last time is taken when it is free, so that a page finds its gateway again. Without a
    configured port: that one, else USUAL_PORT, else any. Raises SettingsError when the configured one cannot be used.
    """
    gateway = settings.gateway
    if gateway.port:
        return _bound_or_refused(gateway.host, gateway.port)
    last = _last_time(settings.data_dir)
    for port in (last, None if gateway.port == 0 else USUAL_PORT):
        if port is not None:
            with contextlib.suppress(OSError):
                bound = _bound(gateway.host, port)
                _remember(settings.data_dir, port)
                return bound
    bound = _bound_or_refused(gateway.host, 0)
    if last is None:  # else another gateway of this folder has it
        _remember(settings.data_dir, bound.getsockname()[1])
    return bound


async def serve(app: FastAPI, bound: socket.socket, settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; what is in hand then is finished."""
    config = uvicorn.Config(
        app,
        **connections.options(settings.gateway, app.state.guard.limits),
        ws_ping_interval=PING_EVERY_S,
        ws_ping_timeout=PING_EVERY_S,
        lifespan="off",
        backlog=BACKLOG,
        timeout_graceful_shutdown=int(FINISH_WITHIN_S),
    )
    sys.setswitchinterval(SWITCH_S)
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving


def _bound_or_refused(host: str, port: int) -> socket.socket:
    try:
        return _bound(host, port)
    except OSError as error:
        said = error.strerror or str(error)
        expected = "a free port, 0 for any, or gateway.enabled: false" if port else "an address of this machine"
        key, value = ("port", f"{port} on {host}") if port else ("host", host)
        raise SettingsError(f"gateway.{key}: {value} cannot be used ({said}); expected {expected}") from None


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)  # who connects from now on waits until it is served
    except BaseException:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def _port_file(data_dir: Path) -> Path:
    return data_dir / "run" / "gateway-port"


def _last_time(data_dir: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        port = int(_port_file(data_dir).read_text())
        return port if 0 < port < 65_536 else None
    return None


def _remember(data_dir: Path, port: int) -> None:
    with contextlib.suppress(OSError):
        _port_file(data_dir).parent.mkdir(parents=True, exist_ok=True)
        write_private(_port_file(data_dir), str(port))
