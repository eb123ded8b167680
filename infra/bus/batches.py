"""Pulls messages from a durable consumer many at a time, for whoever writes them down together.

While one batch is being heard the next one is already on its way. Does not acknowledge: the hearer does.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from infra.bus import pulling
from infra.bus.delivery import Delivery
from infra.bus.pulling import AWAY_WAIT_S, SILENCE_S, Declare

BatchHearer = Callable[[list[Delivery]], Awaitable[None]]


class BatchConsumer:
    """One pull of up to `batch` messages after another, handed on together.

    Each is acknowledged for itself: an acknowledgement for all up to it would also stand for those that a killed
    worker had in hand, or that a lost connection swallowed, since newer messages are delivered before they come again.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        durable: str,
        hearer: BatchHearer,
        declare: Declare,
        *,
        batch: int,
        wait_s: float,
    ) -> None:
        self._client = client
        self._ask_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._hearer = hearer
        self._declare = declare
        self._batch = batch
        self._wait_s = wait_s
        self._inbox: deque[Msg | None] = deque()  # None: look whether it is closed, or the connection was lost
        self._filled = asyncio.Event()
        self._closed = False
        self._owed = 0  # messages that the server may still send for what was asked
        self._is_declared = True  # as far as is known

    async def run(self) -> None:
        """Deliver until `close`. Raises what the hearer raises: the batch then comes again.

        No batch holds messages from before and after a lost connection; in between `declare` is called, since the bus
        may have come back as another.
        """
        reply_to = self._client.new_inbox()
        subscription = await self._client.subscribe(reply_to, cb=self._arrived)
        try:
            while not self._closed:
                if not self._is_declared:
                    await self._declare_again()
                    continue
                if not self._inbox:
                    await self._ask(reply_to)
                if batch := await self._gather():
                    await self._ask(reply_to)
                    await self._hearer(batch)
        finally:
            with contextlib.suppress(Error):
                await subscription.unsubscribe()

    async def _ask(self, reply_to: str) -> None:
        """See that at least half a batch is owed. Not while the connection is lost: it may come back to another bus."""
        missing = self._batch - max(0, self._owed)
        if 2 * missing < self._batch or self._closed or not self._is_declared or not self._client.is_connected:
            return
        with contextlib.suppress(Error):  # it was lost just now; asked again after it
            await self._client.publish(self._ask_subject, pulling.request(missing), reply=reply_to)
            self._owed = self._batch

    async def _declare_again(self) -> None:
        try:
            await self._declare()
        except (Error, OSError):  # it is away or starting
            await asyncio.sleep(AWAY_WAIT_S)
        else:
            self._is_declared = True

    async def _arrived(self, raw: Msg) -> None:
        self._inbox.append(raw)
        self._filled.set()

    async def _gather(self) -> list[Delivery]:
        """What has come: at least one message waited for, then more for `wait_s` or until the batch is full."""
        found: list[Delivery] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + SILENCE_S
        while len(found) < self._batch:
            if not self._inbox:
                self._filled.clear()
                try:
                    async with asyncio.timeout_at(until):
                        await self._filled.wait()
                except TimeoutError:
                    self._owed = self._owed if found else 0  # silent for too long: the request is lost
                    break
            raw = self._inbox.popleft()
            if raw is None or (not raw.reply and not pulling.is_heartbeat(raw)):
                if raw is None or pulling.nobody_answered(raw):
                    self._is_declared = False
                self._owed = 0  # used up, expired or lost: ask again
                break
            if raw.reply:
                self._owed -= 1
                if not found:
                    until = loop.time() + self._wait_s
                found.append(Delivery.of(raw))
            elif not found:
                until = loop.time() + SILENCE_S
        return found

    def ask_again(self) -> None:
        """After a reconnect: the server no longer knows what was asked for."""
        self._wake()

    def close(self) -> None:
        """Let `run` end after the batch in hand."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._inbox.append(None)
        self._filled.set()
