"""Pulls messages from a durable consumer many at a time, for whoever writes them down together.

Does not acknowledge: the hearer does.
"""

import asyncio
import contextlib
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
        self._inbox: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._closed = False
        self._owed = 0  # messages that the server may still send for what was asked
        self._is_declared = True  # as far as is known

    async def run(self) -> None:
        """Deliver until `close`. Raises what the hearer raises: the batch then comes again.

        No batch holds messages from before and after a lost connection; in between `declare` is called, since the bus
        may have come back as another.
        """
        reply_to = self._client.new_inbox()
        subscription = await self._client.subscribe(reply_to, cb=self._inbox.put)
        try:
            while not self._closed:
                if not self._is_declared:
                    await self._declare_again()
                    continue
                if self._owed <= 0 and self._inbox.empty():
                    await self._ask(reply_to)
                if batch := await self._gather():
                    await self._hearer(batch)
        finally:
            with contextlib.suppress(Error):
                await subscription.unsubscribe()

    async def _ask(self, reply_to: str) -> None:
        with contextlib.suppress(Error):  # while reconnecting; asked again after it
            await self._client.publish(self._ask_subject, pulling.request(self._batch), reply=reply_to)
            self._owed = self._batch

    async def _declare_again(self) -> None:
        try:
            await self._declare()
        except (Error, OSError):  # it is away or starting
            await asyncio.sleep(AWAY_WAIT_S)
        else:
            self._is_declared = True

    async def _gather(self) -> list[Delivery]:
        """What has come: at least one message waited for, then more for `wait_s` or until the batch is full."""
        found: list[Delivery] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + SILENCE_S
        while len(found) < self._batch:
            try:
                async with asyncio.timeout_at(until):
                    raw = await self._inbox.get()
            except TimeoutError:
                self._owed = self._owed if found else 0  # silent for too long: the request is lost
                break
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
        self._inbox.put_nowait(None)

    def close(self) -> None:
        """Let `run` end after the batch in hand."""
        self._closed = True
        self._inbox.put_nowait(None)
