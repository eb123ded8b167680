"""One client on a gateway's socket, as any program would be one; tells when each message came."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from infra.clock import new_id
from schemas.socket import VERSION

FRAME_S: Final = 0.02
Message = dict[str, Any]


@dataclass(slots=True)
class Came:
    """A message, and when (time.perf_counter)."""

    at_s: float
    message: Message
    sound: bytes = b""  # of an `audio` message


@dataclass(slots=True)
class Client:
    """A connection that has said `hello`."""

    socket: ClientConnection
    conversation: str = ""
    came: list[Came] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def hear(self) -> None:
        """Take in all that comes, for ever."""
        async for frame in self.socket:
            at_s = time.perf_counter()
            async with self._changed:
                if isinstance(frame, bytes):
                    self.came[-1].sound = frame
                else:
                    self.came.append(Came(at_s, json.loads(frame)))
                self._changed.notify_all()

    async def say(self, kind: str, **fields: Any) -> float:
        """Send a message; when it was sent."""
        at_s = time.perf_counter()
        await self.socket.send(json.dumps({"type": kind, **fields}))
        return at_s

    async def first(self, kind: str, after: int = 0, within_s: float = 60.0, **fields: Any) -> Came:
        """The first message of a kind, with such fields, from the `after`-th on. Raises TimeoutError."""
        async with asyncio.timeout(within_s), self._changed:
            while True:
                for came in self.came[after:]:
                    message = came.message
                    if message["type"] == "problem":
                        raise RuntimeError(f"{message['title']}: {message['detail']}")
                    whole = kind != "audio" or not message.get("size_bytes") or came.sound
                    if message["type"] == kind and fields.items() <= message.items() and whole:
                        return came
                await self._changed.wait()

    async def count(self, kind: str, wanted: int, within_s: float) -> None:
        """Return when so many messages of a kind have come. Raises TimeoutError."""
        async with asyncio.timeout(within_s), self._changed:
            while sum(came.message["type"] == kind for came in self.came) < wanted:
                await self._changed.wait()

    async def speak(self, pcm: bytes, rate_hz: int, *, ends_turn: str = "close") -> float:
        """Send sound as a microphone does, in frames at the pace of time; when the last one was sent.

        With `close` the microphone is closed then; otherwise it stays open.
        """
        await self.say("microphone", stream=new_id(), rate_hz=rate_hz, ends_turn=ends_turn)
        size = round(rate_hz * FRAME_S) * 2
        began = time.perf_counter()
        for number, at in enumerate(range(0, len(pcm), size)):
            await asyncio.sleep(max(0.0, began + number * FRAME_S - time.perf_counter()))
            await self.socket.send(pcm[at : at + size])
        return await self.say("close") if ends_turn == "close" else time.perf_counter()

    async def stay_silent(self, rate_hz: int, stop: asyncio.Event) -> None:
        """Send faint noise at the pace of time, as an open microphone in a quiet room does."""
        samples = round(rate_hz * FRAME_S)
        noise = np.random.default_rng(1)
        began, number = time.perf_counter(), 0
        while not stop.is_set():
            await self.socket.send(noise.normal(0, 3, samples).astype("<i2").tobytes())
            number += 1
            await asyncio.sleep(max(0.0, began + number * FRAME_S - time.perf_counter()))


@asynccontextmanager
async def connected_to(address: str, **hello: Any) -> AsyncIterator[Client]:
    """A client of the gateway at `http://...`."""
    async with connect(f"ws{address.removeprefix('http')}/ws", compression=None, max_size=None) as socket:
        client = Client(socket)
        hearing = asyncio.create_task(client.hear())
        try:
            await client.say("hello", version=VERSION, **hello)
            client.conversation = (await client.first("welcome")).message["conversation"]
            await client.first("caught-up")
            yield client
        finally:
            hearing.cancel()
