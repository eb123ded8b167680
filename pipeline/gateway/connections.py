"""Connections before anything was said on them: how many, how many a minute, and how long one may be silent.

uvicorn keeps a connection that sends nothing, or half a request, for ever, and makes a parser for each. Here an address
that has too many, or makes too many in a minute, is refused with some bytes that were made before, and whoever does not
finish the head of a request in time is hung up on. `options(settings, limits)` are what uvicorn is to be started with.
"""

import asyncio
import ipaddress
import json
from collections import Counter
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from infra.gateway_settings import GatewaySettings
from pipeline.gateway.limiting import NOWHERE, WINDOW_S, Limits, counted_as
from pipeline.gateway.refusals import KIND, MEDIA_TYPE

HEAD_MAX_BYTES: Final = 32 << 10  # of one request: a token has at most 8 kB
KEEP_ALIVE_S: Final = 15  # between two requests on one connection
LINGER_S: Final = 1.0  # for a refusal to be read
RETRY_S: Final = 10


def options(settings: GatewaySettings, limits: Limits) -> dict[str, Any]:
    """For uvicorn.Config(app, **options(...)); host and port, or a socket, are the caller's.

    uvicorn writes no line of its own for a request, since it would show the query; proxies are looked behind in
    guards.install; frames are not compressed, for sound gains nothing and a small frame could become a large one.
    """
    door = Door(settings, limits)
    return {
        "http": door.protocol,
        "ws": _Socket,
        "ws_max_size": settings.frame_max_kb << 10,
        "ws_per_message_deflate": False,
        "h11_max_incomplete_event_size": HEAD_MAX_BYTES,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "log_level": "error",
    }


def _refusal(status: HTTPStatus, detail: str, retry_s: int, kind: str = "too-many") -> bytes:
    problem = {"type": f"{KIND}{kind}", "title": status.phrase, "status": status.value, "detail": detail}
    body = json.dumps(problem).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"Retry-After: {retry_s}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


_TOO_OFTEN: Final = _refusal(
    HTTPStatus.TOO_MANY_REQUESTS, f"more connections a minute than one address may make; wait {WINDOW_S} s", WINDOW_S
)
_TOO_MANY: Final = _refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many connections are open from this address", RETRY_S)
_FULL: Final = _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "all connections of this gateway are taken", RETRY_S)
_SILENT: Final = _refusal(HTTPStatus.REQUEST_TIMEOUT, "no whole request came in time", 1, "silent")


class Door:
    """Counts the connections of one gateway that are no sockets (those are counted by OpenSockets)."""

    def __init__(self, settings: GatewaySettings, limits: Limits) -> None:
        self.silence_s = settings.hello_within_s
        self._settings = settings
        self._limits = limits
        self._proxies = tuple(ipaddress.ip_network(proxy) for proxy in settings.trusted_proxies)
        self._open = 0
        self._of_address: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """How many are open now."""
        return self._open

    def protocol(self, **uvicorns: Any) -> asyncio.Protocol:
        """What listens to a new connection."""
        return _AtTheDoor(self, uvicorns)

    def refusal(self, address: str) -> bytes | None:
        """Count a new connection; what it is told instead when it is one too many."""
        if self._open >= self._settings.sockets_max:
            return _FULL
        if not self._is_proxy(address):  # behind which there are many; their requests are counted each
            if self._of_address[counted_as(address)] >= self._settings.sockets_per_address:
                return _TOO_MANY
            standing = self._limits.of_address(address)
            if standing is not None and standing.refused:
                return _TOO_OFTEN
        self._open += 1
        self._of_address[counted_as(address)] += 1
        return None

    def left(self, address: str) -> None:
        """One is closed, or has become a socket."""
        self._open -= 1
        address = counted_as(address)
        self._of_address[address] -= 1
        if self._of_address[address] <= 0:
            del self._of_address[address]

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)


class _AtTheDoor(asyncio.Protocol):
    """A connection of which nothing is known: it is handed on to uvicorn, or told why not and closed."""

    def __init__(self, door: Door, uvicorns: dict[str, Any]) -> None:
        self._door = door
        self._uvicorns = uvicorns
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple | list) and peer else NOWHERE
        refusal = self._door.refusal(address)
        if refusal is None:
            let_in = _Watched(self._door, address, self._uvicorns)
            transport.set_protocol(let_in)
            let_in.connection_made(transport)
            return
        transport.write(refusal)
        self._transport = transport
        asyncio.get_running_loop().call_later(LINGER_S, transport.close)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002  # a request that comes too late to matter
        if self._transport is not None:
            self._transport.close()  # now that it was read, closing does not take the refusal back


class _Watched(H11Protocol):
    """uvicorn's, which hangs up on who is silent where something has to be said."""

    def __init__(self, door: Door, address: str, uvicorns: dict[str, Any]) -> None:
        super().__init__(**uvicorns)
        self._door = door
        self._address = address
        self._counted = True
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        began = self.conn.their_state is h11.IDLE and self._patience is not None
        super().data_received(data)
        match self.conn.their_state:
            case h11.IDLE if began:  # more of a head, for which the time runs already
                return
            case h11.IDLE | h11.SEND_BODY:
                self._wait()
            case _:
                self._stop_waiting()

    def on_response_complete(self) -> None:
        self._stop_waiting()
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._leave()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        self._stop_waiting()
        if self._counted:
            self._counted = False
            self._door.left(self._address)

    def _wait(self) -> None:
        self._stop_waiting()
        if not self.transport.is_closing() and self._counted:
            self._patience = self.loop.call_later(self._door.silence_s, self._silent)

    def _silent(self) -> None:
        if self.flow.read_paused:  # it is the gateway that does not listen
            self._wait()
            return
        if self.conn.their_state is h11.IDLE and self.conn.our_state is h11.IDLE:
            self.transport.write(_SILENT)
            self.transport.close()
        else:
            self.transport.abort()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class _Socket(WebSocketsSansIOProtocol):
    """uvicorn's, which calls a socket that was refused an error of the application."""

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True
