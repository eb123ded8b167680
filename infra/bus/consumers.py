"""Pulls messages from a durable consumer, one for each free slot, and hands them to a function.

A thin binding of nats-py. FastStream's pull goes through `fetch`, which waits out its time-out when the server has
restarted; a request with heartbeats, sent again on reconnect, does not, and is as quick as a push (measured in
docs/measurements.md). Does not acknowledge: the hearer does.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from infra.bus.delivery import Delivery

HEARTBEAT_S = 2.0  # the server's sign of life while a pull waits; two missed ones mean that the pull is lost
PULL_EXPIRES_S = 30.0

Hearer = Callable[[Delivery], Awaitable[None]]
BatchHearer = Callable[[list[Delivery]], Awaitable[None]]


class Consumer:
    """`slots` independent pulls of one message each, so that never more is taken than can be worked on at once."""

    def __init__(self, client: Client, stream: str, durable: str, hearer: Hearer, slots: int) -> None:
        self._slots = [_Slot(client, f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}", hearer) for _ in range(slots)]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Let messages come."""
        self._tasks = [asyncio.create_task(slot.run()) for slot in self._slots]

    async def stop(self) -> None:
        """Take no further message; wait for those that are being handled."""
        for slot in self._slots:
            slot.close()
        await asyncio.gather(*self._tasks)
        self._tasks.clear()

    def ask_again(self) -> None:
        """After a reconnect: the server no longer knows what was asked for."""
        for slot in self._slots:
            slot.ask_again()


class _Slot:
    """Asks for one message, handles it, asks for the next."""

    def __init__(self, client: Client, ask_subject: str, hearer: Hearer) -> None:
        self._client = client
        self._ask_subject = ask_subject
        self._hearer = hearer
        self._inbox: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._closed = False
        self._request = json.dumps(
            {"batch": 1, "expires": int(PULL_EXPIRES_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        ).encode()

    async def run(self) -> None:
        reply_to = self._client.new_inbox()
        subscription = await self._client.subscribe(reply_to, cb=self._inbox.put)
        asked = False
        try:
            while not self._closed:
                if not asked and self._inbox.empty():
                    with contextlib.suppress(Error):  # while reconnecting; asked again after it
                        await self._client.publish(self._ask_subject, self._request, reply=reply_to)
                raw = await self._next()
                asked = raw is not None and _is_heartbeat(raw)
                if raw is not None and raw.reply and not self._closed:
                    await self._hearer(Delivery.of(raw))
        finally:
            with contextlib.suppress(Error):
                await subscription.unsubscribe()

    async def _next(self) -> Msg | None:
        """The next message or status; None when the server has been silent for too long or something has changed."""
        if not self._inbox.empty():
            return self._inbox.get_nowait()
        try:
            async with asyncio.timeout(2.5 * HEARTBEAT_S):
                return await self._inbox.get()
        except TimeoutError:
            return None

    def ask_again(self) -> None:
        self._inbox.put_nowait(None)

    def close(self) -> None:
        self._closed = True
        self._inbox.put_nowait(None)


def _is_heartbeat(raw: Msg) -> bool:
    return not raw.reply and (raw.headers or {}).get("Status") == "100"


class BatchConsumer:
    """One pull of up to `batch` messages after another, handed on together; acknowledged as a whole by the last."""

    def __init__(
        self, client: Client, stream: str, durable: str, hearer: BatchHearer, *, batch: int, wait_s: float
    ) -> None:
        self._client = client
        self._ask_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._hearer = hearer
        self._batch = batch
        self._wait_s = wait_s
        self._inbox: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._closed = False
        self._owed = 0  # messages that the server may still send for what was asked

    async def run(self) -> None:
        """Deliver until `close`. Raises what the hearer raises: the batch then comes again."""
        reply_to = self._client.new_inbox()
        subscription = await self._client.subscribe(reply_to, cb=self._inbox.put)
        try:
            while not self._closed:
                if self._owed <= 0 and self._inbox.empty():
                    await self._ask(reply_to)
                if batch := await self._gather():
                    await self._hearer(batch)
        finally:
            with contextlib.suppress(Error):
                await subscription.unsubscribe()

    async def _ask(self, reply_to: str) -> None:
        request = {"batch": self._batch, "expires": int(PULL_EXPIRES_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        with contextlib.suppress(Error):  # while reconnecting; asked again after it
            await self._client.publish(self._ask_subject, json.dumps(request).encode(), reply=reply_to)
            self._owed = self._batch

    async def _gather(self) -> list[Delivery]:
        """What has come: at least one message waited for, then more for `wait_s` or until the batch is full."""
        found: list[Delivery] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + 2.5 * HEARTBEAT_S
        while len(found) < self._batch:
            try:
                async with asyncio.timeout_at(until):
                    raw = await self._inbox.get()
            except TimeoutError:
                self._owed = self._owed if found else 0  # silent for too long: the request is lost
                break
            if raw is None or (not raw.reply and not _is_heartbeat(raw)):
                self._owed = 0  # used up, expired or lost: ask again
                break
            if raw.reply:
                self._owed -= 1
                if not found:
                    until = loop.time() + self._wait_s
                found.append(Delivery.of(raw))
            elif not found:
                until = loop.time() + 2.5 * HEARTBEAT_S
        return found

    def ask_again(self) -> None:
        """After a reconnect: the server no longer knows what was asked for."""
        self._inbox.put_nowait(None)

    def close(self) -> None:
        """Let `run` end after the batch in hand."""
        self._closed = True
        self._inbox.put_nowait(None)
