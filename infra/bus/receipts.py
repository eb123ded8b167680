"""Publishes into streams and waits for what they say to each message.

A request of nats-py's does the same with an id, three objects and two wake-ups more for each message, which on a hop is
as much time as reading the event. Here one number a message is enough: the answers come to an inbox of this client's
own. Being cancelled while waiting is never lost, as it may be in asyncio.wait_for (infra/tasks.py).
"""

import asyncio
import json
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import APIError, NoStreamResponseError

from infra.bus import pulling

ROUNDS: Final = 2
"""Of the event loop, before whoever published is told. The next event has often come in the same read as the answer,
and somebody waits for what is said because of it: that goes out first, handled in one round and written in another.
What is left of the earlier hop is bookkeeping, done while the server works: a quarter less time over seven hops."""


class Receipts:
    """Of one connection. A message that is published while it is lost goes out when it is back, if that is in time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = ""  # until the first message
        self._beginning = asyncio.Lock()
        self._number = 0
        self._waiting: dict[str, asyncio.Future[Msg]] = {}

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str], timeout_s: float) -> dict[str, Any]:
        """The stream's receipt, as it came: `stream`, `seq`, perhaps `duplicate`.

        Raises what nats-py's own publish raises: APIError when the stream refuses, NoStreamResponseError when no stream
        takes the subject, TimeoutError, and nats-py's Error when the connection is closed.
        """
        if not self._inbox:
            await self._begin()
        self._number += 1
        number = str(self._number)
        loop = asyncio.get_running_loop()
        waiting = self._waiting[number] = loop.create_future()
        timer = loop.call_later(timeout_s, _too_late, waiting)
        try:
            await self._client.publish(subject, payload, reply=self._inbox + number, headers=headers)
            answer = await waiting
            for _ in range(ROUNDS):
                await asyncio.sleep(0)
        finally:
            timer.cancel()
            self._waiting.pop(number, None)
        if pulling.nobody_answered(answer):
            raise NoStreamResponseError
        receipt: dict[str, Any] = json.loads(answer.data.decode())
        if "error" in receipt:
            raise APIError.from_error(receipt["error"])
        return receipt

    async def _begin(self) -> None:
        async with self._beginning:
            if not self._inbox:
                inbox = f"{self._client.new_inbox()}."
                await self._client.subscribe(f"{inbox}*", cb=self._answered)
                self._inbox = inbox

    async def _answered(self, raw: Msg) -> None:
        waiting = self._waiting.get(raw.subject[len(self._inbox) :])
        if waiting is not None and not waiting.done():
            waiting.set_result(raw)


def _too_late(waiting: asyncio.Future[Msg]) -> None:
    if not waiting.done():
        waiting.set_exception(TimeoutError("no answer in time"))
