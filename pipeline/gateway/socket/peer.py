"""The other end of a socket: frames as messages, and a queue before it that a client who does not read cannot fill.

Messages go out in the order in which they were told. Sound is fetched when its turn comes, so that a slow client holds
references and not bytes.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pydantic
from fastapi import WebSocket, WebSocketDisconnect

from infra.blobs.port import BlobError, BlobStore
from infra.tasks import cancelled
from schemas import socket as protocol
from schemas.catalogue import first_mistake
from schemas.errors import InvalidField
from schemas.event import Blob, Frozen
from schemas.socket import said, told

WAITING_MAX: Final = 512  # messages that a client has not taken yet
SECRET: Final = ("hello.token", "token")  # fields whose values are repeated to nobody
READ_WITHIN_S: Final = 15.0  # the client's system takes nothing for so long: it does not read

log = logging.getLogger("parley.gateway.socket")


class Ending(Exception):
    """The socket is to be closed, with this code and reason; the client's own going is CLOSED."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


CLOSED: Final = 0
_Waiting = tuple[Frozen, Blob | None, Callable[[], None] | None]  # with its sound, and whom to tell that it is out


class Peer:
    """One accepted socket. `run` sends; `hear` receives; `tell` queues."""

    def __init__(self, socket: WebSocket, blobs: BlobStore) -> None:
        self._socket = socket
        self._blobs = blobs
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(WAITING_MAX)

    async def hear(self, within_s: float) -> Any:
        """The next message, or a binary frame. Raises InvalidField (none of the protocol), Ending."""
        try:
            async with asyncio.timeout(within_s):
                frame = await self._socket.receive()
        except TimeoutError:
            raise Ending(protocol.CLOSE_PROTOCOL, f"nothing was said for {within_s:.0f} s") from None
        except WebSocketDisconnect as gone:
            raise Ending(CLOSED, str(gone.code)) from None
        if frame["type"] == "websocket.disconnect":
            raise Ending(CLOSED, str(frame.get("code")))
        if (sound := frame.get("bytes")) is not None:
            return sound
        return message_of(frame.get("text") or "")

    async def tell(self, message: Frozen, sound: Blob | None = None, sent: Callable[[], None] | None = None) -> None:
        """Queue a message, with the sound that follows it; `sent` is called when it is out. Raises Ending."""
        try:
            self._waiting.put_nowait((message, sound, sent))
        except asyncio.QueueFull:
            async with self._patience():
                await self._waiting.put((message, sound, sent))

    async def run(self) -> None:
        """Send what is told, for ever. Raises Ending."""
        while True:
            message, sound, sent = await self._waiting.get()
            await self._send(message, sound)
            if sent is not None:
                sent()

    async def say_farewell(self, ending: Ending, problem: told.Problem | None) -> None:
        """Close the socket, with a last message that says why; a client that is gone, or takes nothing, is left."""
        if ending.code == CLOSED:
            return

        async def farewell() -> None:
            if problem is not None:
                await self._socket.send_text(problem.model_dump_json())
            await self._socket.close(ending.code, ending.reason[:120])

        task = asyncio.create_task(farewell())
        await asyncio.wait({task}, timeout=1.0)
        if not task.done():
            await cancelled(task)
        elif task.exception() is not None:
            log.debug("a socket was gone before its farewell: %s", task.exception())

    async def _send(self, message: Frozen, sound: Blob | None) -> None:
        data = await self._fetched(sound) if sound is not None else None
        if isinstance(message, told.Audio) and data is None:
            message = message.model_copy(update={"size_bytes": 0})
        async with self._patience():
            await self._out(self._socket.send_text, message.model_dump_json())
            if data is not None:
                await self._out(self._socket.send_bytes, data)

    async def _out(self, send: Callable[[Any], Awaitable[None]], data: Any) -> None:
        try:
            await send(data)
        except (WebSocketDisconnect, RuntimeError) as gone:  # starlette's word for a socket that is closed
            raise Ending(CLOSED, str(gone)) from None

    async def _fetched(self, sound: Blob) -> bytes | None:
        try:
            return await self._blobs.get(sound)
        except BlobError as error:
            log.info("sound is not told: %s", error)
            return None

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """A time limit whose passing means that the client does not read. Raises Ending."""
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                yield
        except TimeoutError:
            raise Ending(protocol.CLOSE_SLOW, f"nothing was read for {READ_WITHIN_S:.0f} s") from None


def message_of(text: str) -> Any:
    """One text frame as a message. Raises InvalidField."""
    try:
        return said.SAID.validate_json(text)
    except pydantic.ValidationError as refused:
        mistake = first_mistake(refused, "message", "a message")
    if mistake.field in SECRET or mistake.field == "message":
        raise InvalidField(mistake.field, f"({len(text)} characters)", mistake.expected)
    raise mistake
