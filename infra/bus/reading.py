"""Reading back what streams hold: a turn's events, whatever lies on a subject, one message by its place."""

import contextlib
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import APIError, NotFoundError

from infra.bus import delivery
from infra.bus.errors import BusUnavailable, reaching
from schemas import subjects
from schemas.catalogue import arrived
from schemas.errors import SchemaError
from schemas.event import Event, Fact
from schemas.ids import ConversationId, RunId, Tenant, TurnId

READ_BATCH = 256
READ_TIMEOUT_S = 5.0
WAITING_TIMEOUT_S = 1.0
NO_PLACE = 2**63 - 1  # beyond any message

_NO_SUCH_MESSAGE = 10057


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as a stream holds it."""

    subject: str
    data: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a stream holds."""

    messages: int
    size_bytes: int
    first_seq: int
    last_seq: int


class Reading:
    """Part of a Bus."""

    @property
    @abstractmethod
    def js(self) -> JetStreamContext:
        """JetStream through nats-py."""

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

    async def messages(
        self, stream: str, subject: str, limit: int | None = None, *, since: datetime | None = None
    ) -> list[tuple[int, Stored]]:
        """What a stream holds now on a subject (wildcards allowed), with each message's place, oldest first.

        `since`: only what it has got from then on.
        """
        with reaching(stream):
            return await self._read(stream, subject, limit, since)

    async def _read(
        self, stream: str, subject: str, limit: int | None, since: datetime | None
    ) -> list[tuple[int, Stored]]:
        # Up to the last message by its place: a new consumer's own count may leave out what was stored just before.
        try:
            newest = await self.js.get_last_msg(stream, subject)
        except NotFoundError:
            return []
        last = newest.seq or 0
        if since is not None and newest.time is not None and newest.time < since:
            return []
        found: list[tuple[int, Stored]] = []
        async with self._reader(stream, subject, since) as pull:
            while (limit is None or len(found) < limit) and (not found or found[-1][0] < last):
                wanted = READ_BATCH if limit is None else min(READ_BATCH, limit - len(found))
                found += [
                    (raw.metadata.sequence.stream, Stored(raw.subject, raw.data, raw.headers or {}))
                    for raw in await pull.fetch(batch=wanted, timeout=READ_TIMEOUT_S)
                ]
        return found

    async def stored(self, stream: str, seq: int) -> Stored | None:
        """One message of a stream by its place; None when it is there no longer."""
        with reaching(stream):
            try:
                raw = await self.js.get_msg(stream, seq)
            except NotFoundError:
                return None
        return Stored(raw.subject or "", raw.data or b"", raw.headers or {})

    async def has(self, stream: str, subject: str) -> bool:
        """Whether a stream holds a message on this very subject: one question to the bus."""
        with reaching(stream):
            try:
                await self.js.get_last_msg(stream, subject, direct=True)
            except NotFoundError:
                return False
        return True

    async def newest(self, stream: str, subject: str) -> int:
        """The place of the last message on a subject, which may hold wildcards; 0 when there is none."""
        with reaching(stream):
            try:
                return int((await self.js.get_last_msg(stream, subject)).seq or 0)
            except NotFoundError:
                return 0

    async def last(self, stream: str, subject: str) -> Stored | None:
        """The last message on a subject, which may hold wildcards; None when there is none."""
        with reaching(stream):
            try:
                raw = await self.js.get_last_msg(stream, subject)
            except NotFoundError:
                return None
        return Stored(raw.subject or "", raw.data or b"", raw.headers or {})

    async def began(self, stream: str) -> datetime:
        """When a stream was made: places in it mean nothing in one that was made at another time."""
        with reaching(stream):
            created = (await self.js.stream_info(stream)).created
        assert created is not None  # the server tells it of each stream
        return created

    async def extent(self, stream: str) -> Extent:
        """How much a stream holds now."""
        with reaching(stream):
            state = (await self.js.stream_info(stream)).state
        return Extent(state.messages, state.bytes, state.first_seq, state.last_seq)

    async def _standing(self, stream: str, durable: str) -> ConsumerInfo | None:
        """How a durable stands; None when there is none of this name."""
        with reaching(stream):
            try:
                info: ConsumerInfo = await self.js.consumer_info(stream, durable)
            except NotFoundError:
                return None
        return info

    async def backlog(self, stream: str, durable: str) -> tuple[int, int]:
        """How many messages a durable has not taken yet, and how many it has taken and not acknowledged."""
        info = await self._standing(stream, durable)
        return (info.num_pending or 0, info.num_ack_pending or 0) if info is not None else (0, 0)

    async def handled_up_to(self, stream: str, durable: str) -> int | None:
        """The place up to which a durable has acknowledged all that it hears; NO_PLACE when it has nothing left to do.

        None when there is no such durable.
        """
        info = await self._standing(stream, durable)
        if info is None:
            return None
        if not info.num_pending and not info.num_ack_pending:
            return NO_PLACE
        return info.ack_floor.stream_seq if info.ack_floor else 0

    async def waiting_since(self, stream: str, durable: str) -> datetime | None:
        """When the oldest message was stored that nobody has taken from a durable yet; None when there is none."""
        info = await self._standing(stream, durable)
        if info is None or not info.num_pending:
            return None
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=(info.delivered.stream_seq if info.delivered else 0) + 1,
            ack_policy=AckPolicy.NONE,
            mem_storage=True,
            inactive_threshold=30.0,
            filter_subject=info.config.filter_subject,
            filter_subjects=info.config.filter_subjects,
        )
        with reaching(stream):
            async with self._reading(stream, config) as pull:
                try:
                    [raw] = await pull.fetch(batch=1, timeout=WAITING_TIMEOUT_S)
                except TimeoutError:  # it was taken meanwhile
                    return None
        return raw.metadata.timestamp

    async def forget_before(self, stream: str, seq: int) -> int:
        """Delete all messages of a stream before the place `seq`; how many went."""
        with reaching(stream):
            before = (await self.js.stream_info(stream)).state.messages
            await self.js.purge_stream(stream, seq=seq)
            return before - (await self.js.stream_info(stream)).state.messages

    async def forget(self, stream: str, seq: int) -> None:
        """Delete one message of a stream, if it is still there."""
        try:
            await self.js.delete_msg(stream, seq)
        except APIError as error:
            if error.err_code != _NO_SUCH_MESSAGE:
                raise BusUnavailable(f"{stream}: {error.description}") from error

    def _reader(
        self, stream: str, subject: str, since: datetime | None
    ) -> AbstractAsyncContextManager[JetStreamContext.PullSubscription]:
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.ALL if since is None else DeliverPolicy.BY_START_TIME,
            opt_start_time=since,
            ack_policy=AckPolicy.NONE,
            mem_storage=True,
            inactive_threshold=30.0,
            filter_subject=subject,
        )
        return self._reading(stream, config)

    @asynccontextmanager
    async def _reading(self, stream: str, config: ConsumerConfig) -> AsyncIterator[JetStreamContext.PullSubscription]:
        """A consumer that lives as long as the block."""
        info = await self.js.add_consumer(stream, config)
        pull = await self.js.pull_subscribe_bind(consumer=info.name, stream=stream)
        try:
            yield pull
        finally:
            await pull.unsubscribe()
            await self.js.delete_consumer(stream, info.name)
