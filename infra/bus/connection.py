"""The connection to the bus: saying events, submitting turns, hearing streams, asking over core NATS.

Reconnects for ever. Knows events and subjects, but neither stages nor what should happen when one fails.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import nats.errors
from faststream import AckPolicy
from faststream.nats import NatsBroker, NatsMessage
from faststream.nats.security import NatsToken
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from infra.bus import streams
from infra.bus.batches import BatchConsumer, BatchHearer
from infra.bus.consumers import Consumer, Hearer
from infra.bus.errors import BusUnavailable, NotAnswered, reaching
from infra.bus.following import Following
from infra.bus.publishing import PUBLISH_TIMEOUT_S, Publishing
from infra.bus.reading import Reading
from infra.bus.receipts import Receipts
from infra.bus.server import BusAddress
from infra.bus.streams import Durable

RECONNECT_WAIT_S = 0.25
CONNECT_TIMEOUT_S = 3
PING_EVERY_S = 5  # a connection whose other end is gone without a word is given up after two that were not answered
PINGS_MAX = 2

_UNUSED = "-"  # else FastStream makes a UUID for each message

log = logging.getLogger("parley.bus")


StreamHearer = Callable[[datetime], None]
Listener = Callable[[str, bytes], Awaitable[None]]
Answerer = Callable[[bytes], Awaitable[bytes]]


class Bus(Publishing, Reading):
    """One connection. Use as an async context manager."""

    def __init__(self, address: BusAddress, *, name: str) -> None:
        self._address = address
        self._broker = NatsBroker(
            address.url,
            security=NatsToken(address.token) if address.token else None,
            name=name,
            logger=None,
            apply_types=False,  # the handler takes the message as it is; FastStream's injection is not needed
            ack_policy=AckPolicy.MANUAL,  # nothing is acknowledged but by pipeline's worker, after it has published
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # typed as whole seconds, taken as any
            connect_timeout=CONNECT_TIMEOUT_S,
            allow_reconnect=True,
            ping_interval=PING_EVERY_S,
            max_outstanding_pings=PINGS_MAX,
            error_cb=_quiet,
            reconnected_cb=self._reconnected,
            inbox_prefix="_INBOX",
        )
        self._on_reconnect: list[Callable[[], None]] = []
        self._client: Client | None = None
        self._js: JetStreamContext | None = None
        self._receipts: Receipts | None = None

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S * 2):
                self._client = await self._broker.connect()
        except (TimeoutError, OSError, nats.errors.Error) as error:
            await self._broker.stop()
            reason = str(error) or type(error).__name__
            raise BusUnavailable(f"no bus at {self._address.url}: {reason}") from error
        self._js = self._client.jetstream(timeout=PUBLISH_TIMEOUT_S)
        self._receipts = Receipts(self._client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._broker.stop()  # drains: what is being published still gets out
        except nats.errors.Error:  # the bus is away: there is nothing to drain to
            with contextlib.suppress(nats.errors.Error, OSError):  # nor to send what is left
                await self.client.close()

    @property
    def client(self) -> Client:
        """The nats-py client, connected."""
        if self._client is None:
            raise RuntimeError("the bus is used outside its `async with`")
        return self._client

    @property
    def js(self) -> JetStreamContext:
        """JetStream through nats-py."""
        if self._js is None:
            raise RuntimeError("the bus is used outside its `async with`")
        return self._js

    @property
    def receipts(self) -> Receipts:
        """What publishes and waits for the stream's word."""
        if self._receipts is None:
            raise RuntimeError("the bus is used outside its `async with`")
        return self._receipts

    async def _reconnected(self) -> None:
        for look_again in self._on_reconnect:
            look_again()

    def on_reconnect(self, look_again: Callable[[], None]) -> None:
        """Call this whenever the connection is back: what passed meanwhile over core NATS has not been heard."""
        self._on_reconnect.append(look_again)

    @property
    def url(self) -> str:
        """Where the bus is."""
        return self._address.url

    @property
    def version(self) -> str:
        """The nats-server's version."""
        found = self.client.connected_server_version
        return f"{found.major}.{found.minor}.{found.patch}"

    async def declare(self, duplicate_window: timedelta = streams.DUPLICATE_WINDOW) -> None:
        """Make the streams, or bring them up to date: see streams.declare_streams. Raises BusUnavailable."""
        with reaching("the streams"):
            await streams.declare_streams(self.js, duplicate_window)

    # Hearing

    async def hear(self, durable: Durable, hearer: Hearer, *, slots: int = 1) -> Consumer:
        """Let a durable's messages come to `hearer`, `slots` at once, until the returned consumer is stopped.

        Raises BusUnavailable when it cannot begin; once begun it goes on by itself whenever the bus comes back.
        """

        async def declare() -> None:
            await streams.declare_durable(self.js, durable)

        with reaching(durable.stream):
            await declare()
        consumer = Consumer(self.client, durable.stream, durable.name, hearer, slots, declare)
        self._on_reconnect.append(consumer.ask_again)
        await consumer.start()
        return consumer

    async def hear_in_batches(
        self, durable: Durable, hearer: BatchHearer, *, batch: int, wait_s: float, renewed: StreamHearer | None = None
    ) -> BatchConsumer:
        """Take a durable's messages many at a time; the caller runs and closes the consumer that is returned.

        `renewed` is told when the stream was made, before its first batch and after each lost connection: a bus may
        come back with another stream of the same name.
        """

        async def declare() -> None:
            await streams.declare_durable(self.js, durable)
            if renewed is not None:
                renewed((await self.js.stream_info(durable.stream)).created or datetime.fromtimestamp(0, UTC))

        with reaching(durable.stream):
            await declare()
        consumer = BatchConsumer(self.client, durable.stream, durable.name, hearer, declare, batch=batch, wait_s=wait_s)
        self._on_reconnect.append(consumer.ask_again)
        return consumer

    @asynccontextmanager
    async def follow(
        self, stream: str, subject: str, hearer: Hearer, *, from_now: bool = False, after: int = 0
    ) -> AsyncIterator[None]:
        """Every message that a stream has and gets on a subject, in order, once, also over a lost connection.

        `from_now`: only those that come from now on; `after`: only those beyond this place. Raises BusUnavailable when
        it cannot begin.
        """
        following = Following(self.js, stream, subject, hearer)
        with reaching(stream):
            await following.begin(from_now=from_now, after=after)
        self._on_reconnect.append(following.look_again)
        try:
            yield
        finally:
            self._on_reconnect.remove(following.look_again)
            await following.end()

    async def listen(self, subject: str, listener: Listener) -> None:
        """Hear what passes on a subject from now on, over core NATS: at most once, and nothing while disconnected."""

        async def heard(raw: Msg) -> None:
            await listener(raw.subject, raw.data)

        await self.client.subscribe(subject, cb=heard)

    async def answer_polls(self, subject: str, answer: Callable[[], bytes]) -> None:
        """Answer each `poll` of a subject from now on, besides all others who do."""

        async def polled(raw: Msg) -> None:
            await raw.respond(answer())

        await self.client.subscribe(subject, cb=polled)

    async def poll(self, subject: str, *, wait_s: float) -> list[bytes]:
        """The answers of all who `answer_polls` of a subject, as they came within `wait_s`."""
        answers: list[bytes] = []

        async def answered(raw: Msg) -> None:
            if raw.data:  # else the server says that there is nobody
                answers.append(raw.data)

        inbox = self.client.new_inbox()
        subscription = await self.client.subscribe(inbox, cb=answered)
        await self.client.publish(subject, b"", reply=inbox)
        await asyncio.sleep(wait_s)
        await subscription.unsubscribe()
        return answers

    def answer(self, subject: str, answerer: Answerer, *, at_once: int = 1) -> None:
        """Answer requests on a core NATS subject (FastStream's request and reply); begins with `start_answering`.

        Several processes that answer the same subject share the requests. Beyond `at_once` of them the next one waits.
        """
        subscriber = self._broker.subscriber(
            subject, queue="answer", parser=_as_it_is, decoder=_body, max_workers=at_once
        )
        subscriber(answerer)

    async def start_answering(self) -> None:
        """Let requests come to what `answer` registered."""
        await self._broker.start()

    async def ask(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        """Request an answer over core NATS. Raises BusUnavailable: NotAnswered when it does not come in time."""
        try:
            return bytes((await self.client.request(subject, payload, timeout=timeout_s)).data)
        except (nats.errors.TimeoutError, TimeoutError) as error:
            raise NotAnswered(f"{subject}: no answer within {timeout_s:.0f} s") from error
        except nats.errors.Error as error:
            raise BusUnavailable(f"{subject}: {str(error) or 'no answer'} within {timeout_s:.0f} s") from error


async def _quiet(error: Exception) -> None:
    log.debug("bus: %s: %s", type(error).__name__, error)


async def _as_it_is(raw: Any) -> NatsMessage:
    return NatsMessage(raw_message=raw, body=raw.data, reply_to=raw.reply, correlation_id=_UNUSED)


async def _body(message: NatsMessage) -> Any:
    return message.body
