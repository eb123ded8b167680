"""The connection to the bus: saying events, submitting turns, hearing streams, asking over core NATS.

Reconnects for ever. Knows events and subjects, but neither stages nor what should happen when one fails.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
from nats.js.api import AckPolicy as JsAckPolicy
from nats.js.api import ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from infra.bus import delivery, streams
from infra.bus.consumers import BatchConsumer, BatchHearer, Consumer, Hearer
from infra.bus.delivery import Hop
from infra.bus.following import Following
from infra.bus.server import BusAddress
from infra.bus.streams import Durable
from schemas import subjects
from schemas.catalogue import arrived
from schemas.errors import InvalidField, SchemaError
from schemas.event import Event, Fact
from schemas.ids import ConversationId, RunId, Tenant, TurnId

PUBLISH_TIMEOUT_S = 5.0
RECONNECT_WAIT_S = 0.25
CONNECT_TIMEOUT_S = 3
PING_EVERY_S = 5  # a connection whose other end is gone without a word is given up after two that were not answered
PINGS_MAX = 2
READ_BATCH = 256

_WRONG_LAST_SEQUENCE = 10071  # JetStream: "wrong last sequence"
_STREAM_FULL = frozenset({10077, 10047, 10122})  # maximum messages, bytes or messages per subject exceeded
_TOO_LARGE = 10054  # message size exceeds maximum allowed
_NO_SUCH_MESSAGE = 10057

_UNUSED = "-"  # else FastStream makes a UUID for each message

log = logging.getLogger("parley.bus")


class BusUnavailable(Exception):
    """The bus did not take the message in time; it may be tried again."""


class BusFull(Exception):
    """The stream's limit is reached: nothing was accepted."""


class Overtaken(Exception):
    """Somebody else has said something on this subject since: this worker's work is no longer wanted."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The bus has it. `again`: it had it before."""

    seq: int
    again: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as a stream holds it."""

    subject: str
    data: bytes
    headers: Mapping[str, str]


StreamHearer = Callable[[datetime], None]
Listener = Callable[[str, bytes], Awaitable[None]]
Answerer = Callable[[bytes], Awaitable[bytes]]


class Bus:
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
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
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

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S * 2):
                self._client = await self._broker.connect()
        except (TimeoutError, OSError, nats.errors.Error) as error:
            await self._broker.stop()
            reason = str(error) or type(error).__name__
            raise BusUnavailable(f"no bus at {self._address.url}: {reason}") from error
        self._js = self._client.jetstream(timeout=PUBLISH_TIMEOUT_S)
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

    async def _reconnected(self) -> None:
        for ask_again in self._on_reconnect:
            ask_again()

    @property
    def url(self) -> str:
        """Where the bus is."""
        return self._address.url

    @property
    def version(self) -> str:
        """The nats-server's version."""
        found = self.client.connected_server_version
        return f"{found.major}.{found.minor}.{found.patch}"

    async def backlog(self, stream: str, durable: str) -> tuple[int, int]:
        """How many messages a durable has not taken yet, and how many it has taken and not acknowledged."""
        with _reaching(stream):
            try:
                info = await self.js.consumer_info(stream, durable)
            except NotFoundError:
                return 0, 0
        return info.num_pending or 0, info.num_ack_pending or 0

    # Saying

    async def say(self, event: Event[Fact], hop: Hop, *, expect_last: int | None = None) -> Receipt:
        """Publish an event to its stream and wait until the stream has it.

        An event that may stand only once in a turn is refused by the bus when it is there already, which counts as
        said. `expect_last` demands that the subject's last message is this one (0: none yet).
        Raises Overtaken when it is not, BusFull at the stream's limit, BusUnavailable otherwise.
        """
        headers = {
            **hop.headers(),
            "Nats-Msg-Id": event.meta.id,
            delivery.TYPE: event.meta.type,
            "content-type": "application/json",
        }
        if event.meta.deadline is not None:
            headers[delivery.DEADLINE] = f"{event.meta.deadline.timestamp():.3f}"  # seconds since 1970
        expected = 0 if event.fact.once else expect_last
        if expected is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(expected)
        try:
            return await self.put(event.subject, event.encoded(), headers)
        except Overtaken:
            if event.fact.once:
                return Receipt(0, again=True)
            raise

    async def put(self, subject: str, payload: bytes, headers: dict[str, str]) -> Receipt:
        """Publish bytes to whatever stream takes `subject`. Raises like `say`; InvalidField when there are too many."""
        try:
            ack = await self.js.publish(subject, payload, timeout=PUBLISH_TIMEOUT_S, headers=headers)
        except APIError as refused:
            if refused.err_code == _WRONG_LAST_SEQUENCE:
                raise Overtaken(f"{subject}: {refused.description}") from None
            if refused.err_code in _STREAM_FULL:
                raise BusFull(await self._why_full(refused)) from None
            if refused.err_code == _TOO_LARGE:
                size = f"{len(payload)} bytes"
                raise InvalidField(
                    "event", size, f"at most {streams.MESSAGE_MAX_BYTES} bytes, headers included"
                ) from None
            raise BusUnavailable(f"{subject}: {refused.description}") from refused
        except (nats.errors.Error, NoStreamResponseError, TimeoutError, OSError) as error:
            raise BusUnavailable(f"{subject}: {str(error) or type(error).__name__}") from error
        return Receipt(ack.seq, bool(ack.duplicate))

    async def _why_full(self, refused: APIError) -> str:
        """The keeper's reason when it has closed intake, else the bus's own."""
        try:
            closed = await streams.why_closed(self.js)
        except (nats.errors.Error, APIError, TimeoutError, OSError):
            closed = None
        return closed or str(refused.description)

    async def declare(self, duplicate_window: timedelta = streams.DUPLICATE_WINDOW) -> None:
        """Make the streams, or bring them up to date: see streams.declare_streams. Raises BusUnavailable."""
        with _reaching("the streams"):
            await streams.declare_streams(self.js, duplicate_window)

    # Hearing

    async def hear(self, durable: Durable, hearer: Hearer, *, slots: int = 1) -> Consumer:
        """Let a durable's messages come to `hearer`, `slots` at once, until the returned consumer is stopped.

        Raises BusUnavailable when it cannot begin; once begun it goes on by itself whenever the bus comes back.
        """

        async def declare() -> None:
            await streams.declare_durable(self.js, durable)

        with _reaching(durable.stream):
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

        with _reaching(durable.stream):
            await declare()
        consumer = BatchConsumer(self.client, durable.stream, durable.name, hearer, declare, batch=batch, wait_s=wait_s)
        self._on_reconnect.append(consumer.ask_again)
        return consumer

    @asynccontextmanager
    async def follow(self, stream: str, subject: str, hearer: Hearer, *, from_now: bool = False) -> AsyncIterator[None]:
        """Every message that a stream has and gets on a subject, in order, once, also over a lost connection.

        `from_now`: only those that come from now on.
        """
        following = Following(self.js, stream, subject, hearer)
        await following.begin(from_now=from_now)
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

    def answer(self, subject: str, answerer: Answerer) -> None:
        """Answer requests on a core NATS subject (FastStream's request and reply); begins with `start_answering`.

        Several processes that answer the same subject share the requests.
        """
        subscriber = self._broker.subscriber(subject, queue="answer", parser=_as_it_is, decoder=_body)
        subscriber(answerer)

    async def start_answering(self) -> None:
        """Let requests come to what `answer` registered."""
        await self._broker.start()

    async def ask(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        """Request an answer over core NATS. Raises BusUnavailable when nobody answers in time."""
        try:
            return bytes((await self.client.request(subject, payload, timeout=timeout_s)).data)
        except (nats.errors.Error, TimeoutError) as error:
            raise BusUnavailable(f"{subject}: {str(error) or 'no answer'} within {timeout_s:.0f} s") from error

    # Reading back

    async def turn_events(
        self, tenant: Tenant, run: RunId, conversation: ConversationId, turn: TurnId, token: str = "*"
    ) -> list[tuple[int, Event[Fact]]]:
        """All events of a turn that the stream holds now, with their places in it, oldest first."""
        subject = subjects.subject_of(tenant, run, conversation, turn, token)
        found: list[tuple[int, Event[Fact]]] = []
        for seq, message in await self.messages(subjects.stream_of(subjects.partition_of(conversation)), subject):
            with contextlib.suppress(SchemaError):  # what somebody else has put there is no event of the turn
                found.append((seq, arrived(message.subject, message.data, message.headers.get(delivery.TYPE))))
        return found

    async def messages(self, stream: str, subject: str, limit: int | None = None) -> list[tuple[int, Stored]]:
        """What a stream holds now on a subject (wildcards allowed), with each message's place, oldest first."""
        with _reaching(stream):
            return await self._read(stream, subject, limit)

    async def _read(self, stream: str, subject: str, limit: int | None) -> list[tuple[int, Stored]]:
        async with self._reader(stream, subject) as (info, pull):
            left = min(info.num_pending or 0, limit if limit is not None else info.num_pending or 0)
            found: list[tuple[int, Stored]] = []
            while left > 0:
                batch = await pull.fetch(batch=min(left, READ_BATCH), timeout=PUBLISH_TIMEOUT_S)
                left -= len(batch)
                found += [
                    (raw.metadata.sequence.stream, Stored(raw.subject, raw.data, raw.headers or {})) for raw in batch
                ]
            return found

    async def stored(self, stream: str, seq: int) -> Stored | None:
        """One message of a stream by its place; None when it is there no longer."""
        with _reaching(stream):
            try:
                raw = await self.js.get_msg(stream, seq)
            except NotFoundError:
                return None
        return Stored(raw.subject or "", raw.data or b"", raw.headers or {})

    async def has(self, stream: str, subject: str) -> bool:
        """Whether a stream holds a message on this very subject: one question to the bus."""
        with _reaching(stream):
            try:
                await self.js.get_last_msg(stream, subject, direct=True)
            except NotFoundError:
                return False
        return True

    async def forget(self, stream: str, seq: int) -> None:
        """Delete one message of a stream, if it is still there."""
        try:
            await self.js.delete_msg(stream, seq)
        except APIError as error:
            if error.err_code != _NO_SUCH_MESSAGE:
                raise BusUnavailable(f"{stream}: {error.description}") from error

    @asynccontextmanager
    async def _reader(
        self, stream: str, subject: str
    ) -> AsyncIterator[tuple[ConsumerInfo, JetStreamContext.PullSubscription]]:
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=JsAckPolicy.NONE,
            mem_storage=True,
            inactive_threshold=30.0,
            filter_subject=subject,
        )
        info = await self.js.add_consumer(stream, config)
        pull = await self.js.pull_subscribe_bind(consumer=info.name, stream=stream)
        try:
            yield info, pull
        finally:
            await pull.unsubscribe()
            await self.js.delete_consumer(stream, info.name)


@contextlib.contextmanager
def _reaching(what: str) -> Iterator[None]:
    """A block whose errors of the bus mean that it is away or starting: they may be gone at the next try."""
    try:
        yield
    except (nats.errors.Error, OSError) as error:
        raise BusUnavailable(f"{what}: {str(error) or type(error).__name__}") from error


async def _quiet(error: Exception) -> None:
    log.debug("bus: %s: %s", type(error).__name__, error)


async def _as_it_is(raw: Any) -> NatsMessage:
    return NatsMessage(raw_message=raw, body=raw.data, reply_to=raw.reply, correlation_id=_UNUSED)


async def _body(message: NatsMessage) -> Any:
    return message.body
