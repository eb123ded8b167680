"""Answers every error of the gateway with problem details (RFC 9457), on requests and on sockets.

`install(app)` is for what endpoints raise; the middleware `Problems` for what nobody expected: that becomes 500, and is
told in the log by its name and place only, since its message may hold what somebody said.
"""

import logging
import traceback
from typing import Final

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from pipeline.gateway.refusals import EXPECTED, MEDIA_TYPE, Problem, Refused, TooLarge, problem_of, title

_POLICY, _UNEXPECTED, _LATER = 1008, 1011, 1013  # close codes of a socket (RFC 6455, 7.4.1, and IANA)

log = logging.getLogger("parley.gateway")


def install(app: FastAPI) -> None:
    """Let every error that is expected be told as a problem. guards.install adds `Problems` for all others."""
    for kind in EXPECTED:
        app.add_exception_handler(kind, _told)  # type: ignore[arg-type]  # of requests and sockets alike


def _logged(error: Exception, scope: Scope) -> None:
    """By its name and where it was raised: no message, no path, no value."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else "an unknown place"
    log.error("unexpected %s at %s (%s)", type(error).__name__, place, scope.get("method", scope["type"]))


async def _told(connection: HTTPConnection, error: Exception) -> Response | None:
    """FastAPI's handler of all errors that are expected, of requests and sockets."""
    problem = problem_of(error)
    if problem is None:
        raise error
    if isinstance(connection, WebSocket):
        return await _told_on_socket(connection, problem)
    return problem.response()


async def _told_on_socket(socket: WebSocket, problem: Problem) -> Response | None:
    """Before it is accepted, an answer like to any request; later, a code to close it with."""
    if socket.application_state is WebSocketState.DISCONNECTED or socket.client_state is WebSocketState.DISCONNECTED:
        return None
    before = socket.application_state is WebSocketState.CONNECTING
    if before and "websocket.http.response" in socket.scope.get("extensions", {}):
        return problem.response()
    await socket.close(_close_code(problem.status), title(problem.status))
    return None


def _close_code(status: int) -> int:
    if status in (429, 503, 504):
        return _LATER
    return _POLICY if status < 500 else _UNEXPECTED


class Problems:
    """Pure ASGI: what nobody expected becomes 500, and a framework's plain refusal of a body a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        begun = replaced = False

        async def watched(message: Message) -> None:
            nonlocal begun, replaced
            if message["type"] == "http.response.start" and _is_plain_413(message):
                begun = replaced = True
                await answer(TooLarge(), scope, receive, send)
                return
            begun = begun or message["type"] in _BEGINNINGS
            if not replaced:
                await send(message)

        try:
            await self._app(scope, receive, watched)
        except (ClientDisconnect, WebSocketDisconnect):  # nobody is there to be told
            return
        except Exception as error:  # noqa: BLE001  # the last one who can answer
            problem = problem_of(error)
            if problem is None:
                _logged(error, scope)
                problem = Problem(500, "unexpected", "something went wrong within; it is in the log")
            if not begun:
                await _answered(problem, scope, receive, send)
            elif scope["type"] == "websocket":
                await _hung_up(problem, send)
            else:
                raise _Cut from None


class _Cut(Exception):
    """An answer broke off after it had begun; the server closes the connection, so that the client sees it."""


_BEGINNINGS: Final = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


def _is_plain_413(message: Message) -> bool:
    kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return message["status"] == 413 and not any(kind.startswith(MEDIA_TYPE.encode()) for kind in kinds)


async def answer(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a request or a socket that is not accepted yet, from within any ASGI application."""
    await _answered(refused.problem(), scope, receive, send)


async def _answered(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await problem.response()(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": _close_code(problem.status), "reason": title(problem.status)})


async def _hung_up(problem: Problem, send: Send) -> None:
    try:
        await send({"type": "websocket.close", "code": _close_code(problem.status), "reason": title(problem.status)})
    except (RuntimeError, OSError):  # it is closed already
        return
