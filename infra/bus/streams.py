"""The streams and durable consumers, declared once and brought up to date on each start.

Nobody else declares one: a subscriber that names a stream with other settings would overwrite it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, NotFoundError

from schemas import subjects
from schemas.catalogue import FACTS, REQUESTS, TURN_SUBMISSIONS
from schemas.event import PAYLOAD_MAX_BYTES, Fact

DUPLICATE_WINDOW = timedelta(seconds=30)  # the bus drops copies by id; beyond it the fences and sinks do
INTAKE_MAX_MSGS = 1_000  # submissions that wait for a keeper: beyond it the front-end is told "busy"
EVENTS_MAX_BYTES = 8 << 30  # a named end: publishing is refused there, nothing is discarded
MESSAGE_MAX_BYTES = 2 * PAYLOAD_MAX_BYTES  # with headers; so that whatever is accepted also fits a dead letter
DEAD_MAX_BYTES = 256 << 20
DEAD_MAX_AGE = timedelta(days=30)
AUDIT_MAX_BYTES = 1 << 30  # some two million records; beyond it the oldest go
AUDIT_RECORD_MAX_BYTES = 16 << 10
AUDIT_MAX_AGE = timedelta(days=400)  # a year, and time to look back on it
MAX_DELIVER = 5
# A worker that neither finishes nor says "still working" (each second) for so long has died. Not shorter: on a machine
# with far more to do than it can a process may have to wait for a second or two.
ACK_WAIT_S = 4.0
MAX_ACK_PENDING = 1_000

DEAD_SUBJECT = "parley.dead"
AUDIT_SUBJECT = "parley.audit"
CLOSED = "closed: "  # how the description of a closed stream begins; the reason follows
_CANNOT_BE_UPDATED = frozenset({10012})  # JetStream: the consumer exists and one of its settings is fixed for ever
_ADVISORIES = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"


@dataclass(frozen=True, slots=True)
class Durable:
    """A durable consumer: who hears what. Several processes of one name compete for its messages."""

    name: str
    stream: str
    tokens: tuple[str, ...]  # the last tokens of the subjects that it hears; none: all of the stream
    in_order: bool = False  # one message at a time, in the order of the stream
    max_deliver: int = MAX_DELIVER
    max_ack_pending: int = MAX_ACK_PENDING
    ack_wait_s: float = ACK_WAIT_S


def tokens_of(facts: Iterable[type[Fact]]) -> tuple[str, ...]:
    """The distinct last subject tokens of these facts, in order."""
    return tuple(dict.fromkeys(fact.token for fact in facts))


async def declare_streams(js: JetStreamContext, duplicate_window: timedelta = DUPLICATE_WINDOW) -> None:
    """Make the streams, or bring their settings up to date.

    A stream that is there keeps its `duplicate_window`: nothing rests on its length, which tests make short.
    """
    window_s = duplicate_window.total_seconds()
    wanted = [
        _work_queue(subjects.INTAKE_STREAM, tokens_of(TURN_SUBMISSIONS), window_s),
        _work_queue(subjects.REQUEST_STREAM, tokens_of(REQUESTS), window_s),
        StreamConfig(
            name=subjects.EVENT_STREAM,
            subjects=[subjects.every(token) for token in tokens_of(FACTS)],
            discard=DiscardPolicy.NEW,
            max_bytes=EVENTS_MAX_BYTES,
            max_msg_size=MESSAGE_MAX_BYTES,
            duplicate_window=window_s,
            storage=StorageType.FILE,
            allow_direct=True,
        ),
        StreamConfig(
            name=subjects.DEAD_STREAM,
            subjects=[f"{DEAD_SUBJECT}.>"],
            discard=DiscardPolicy.OLD,
            max_bytes=DEAD_MAX_BYTES,
            max_age=DEAD_MAX_AGE.total_seconds(),
            duplicate_window=window_s,
            storage=StorageType.FILE,
        ),
        StreamConfig(
            name=subjects.AUDIT_STREAM,
            subjects=[f"{AUDIT_SUBJECT}.>"],
            discard=DiscardPolicy.OLD,
            max_bytes=AUDIT_MAX_BYTES,
            max_age=AUDIT_MAX_AGE.total_seconds(),
            max_msg_size=AUDIT_RECORD_MAX_BYTES,
            duplicate_window=window_s,
            storage=StorageType.FILE,
            deny_delete=True,  # nobody takes a record back
            deny_purge=True,
        ),
        StreamConfig(
            name=subjects.ADVISORY_STREAM,
            subjects=[_ADVISORIES],
            discard=DiscardPolicy.OLD,
            max_msgs=10_000,
            storage=StorageType.FILE,
        ),
    ]
    for config in wanted:
        try:
            present = (await js.stream_info(config.name or "")).config
        except NotFoundError:
            await js.add_stream(config)
            continue
        if _is_closed(present):  # by the keeper, who opens it again
            config.max_bytes, config.description = present.max_bytes, present.description
        config.duplicate_window = present.duplicate_window
        await js.update_stream(config)


def _work_queue(name: str, tokens: tuple[str, ...], window_s: float) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=[subjects.every(token) for token in tokens],
        retention=RetentionPolicy.WORK_QUEUE,
        discard=DiscardPolicy.NEW,
        max_msgs=INTAKE_MAX_MSGS,
        max_msg_size=MESSAGE_MAX_BYTES,
        duplicate_window=window_s,
        storage=StorageType.FILE,
    )


async def close_intake(js: JetStreamContext, reason: str) -> None:
    """Let the bus refuse new turns, whoever submits them; those that wait in the stream stay there."""
    config = (await js.stream_info(subjects.INTAKE_STREAM)).config
    if config.description != f"{CLOSED}{reason}":
        config.max_bytes, config.description = 1, f"{CLOSED}{reason}"
        await js.update_stream(config)


async def open_intake(js: JetStreamContext) -> None:
    """Let the bus take turns again, if intake was closed."""
    config = (await js.stream_info(subjects.INTAKE_STREAM)).config
    if _is_closed(config):
        config.max_bytes, config.description = -1, ""
        await js.update_stream(config)


async def why_closed(js: JetStreamContext) -> str | None:
    """Why intake is closed; None when it is open."""
    config = (await js.stream_info(subjects.INTAKE_STREAM)).config
    return (config.description or "").removeprefix(CLOSED) if _is_closed(config) else None


def _is_closed(config: StreamConfig) -> bool:
    return (config.description or "").startswith(CLOSED)


async def declare_durable(js: JetStreamContext, durable: Durable) -> None:
    """Make a durable consumer, or bring an existing one up to date, which subscribing alone would not do.

    One with settings that cannot be changed is made anew and hears all of the stream again, which changes nothing:
    whoever hears an event twice says and does nothing new.
    """
    config = ConsumerConfig(
        durable_name=durable.name,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=min(durable.ack_wait_s, ACK_WAIT_S),
        max_deliver=durable.max_deliver,
        max_ack_pending=1 if durable.in_order else durable.max_ack_pending,
        filter_subjects=[subjects.every(token) for token in durable.tokens] or None,
    )
    try:
        await js.add_consumer(durable.stream, config)  # creates, or updates where only these settings differ
    except NotFoundError:  # a bus that has come back without its data
        await declare_streams(js)
        await js.add_consumer(durable.stream, config)
    except APIError as error:
        if error.err_code not in _CANNOT_BE_UPDATED:
            raise
        await js.delete_consumer(durable.stream, durable.name)
        await js.add_consumer(durable.stream, config)
