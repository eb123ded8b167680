"""Runs one stage on the bus: decodes what it hears, publishes what it yields, and acknowledges when all is published.

Nothing happens twice because ids are the same on every try, because a message that comes again is first compared with
what was already said for it, and because a reply that is continued is fenced, so that two workers cannot splice one.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from infra.bus.connection import Bus
from infra.bus.consumers import Consumer
from infra.bus.delivery import TRACEPARENT, TYPE, Delivery, Hop
from infra.bus.errors import BusUnavailable, Overtaken
from infra.bus.streams import Durable, tokens_of
from infra.clock import Clock, ms_between
from infra.state.errors import StateCorrupt, TurnOver
from infra.telemetry import Telemetry
from pipeline import dead_letters, retry
from pipeline.counts import Counts
from pipeline.ended_turns import EndedTurns, Work
from pipeline.heartbeat import Heartbeat
from pipeline.metrics import Metrics
from pipeline.patience import PASSING, patiently
from schemas import subjects
from schemas.catalogue import arrived
from schemas.chat import EngineUse
from schemas.errors import SchemaError
from schemas.event import Event, Fact, Meta
from schemas.speech import ModelUse
from schemas.stage import Stage

LISTENED_MS = 1_000.0  # an event that has waited for longer may have waited while nobody listened for its turn's end

log = logging.getLogger("parley.worker")
G = TypeVar("G")


@dataclass(slots=True)
class Earlier:
    """What was already said for an event before it was delivered again."""

    facts: tuple[Fact, ...] = ()
    ids: frozenset[str] = frozenset()
    last_seq: dict[str, int] = field(default_factory=dict)  # by subject: the fence


class Worker(Generic[G]):
    """One process's share of a stage."""

    def __init__(self, stage: Stage[G], given: G, bus: Bus, clock: Clock, telemetry: Telemetry) -> None:
        self.stage = stage
        self.counts = Counts()
        self._given = given
        self._bus = bus
        self._clock = clock
        self._telemetry = telemetry
        self._ended = EndedTurns()
        self._at_work: dict[str, Meta] = {}
        self._looking: set[asyncio.Task[None]] = set()
        self._leaving = asyncio.Event()
        self.broke = asyncio.Event()  # the state is damaged, `broken` says how: nothing more can be done here
        self.broken: StateCorrupt | None = None
        self.metrics = Metrics(stage.name, str(os.getpid()), lambda: asdict(self.counts))

    async def start(self) -> Consumer:
        """Begin to hear. To end, call `leave` and stop the consumer that is returned."""
        await self._bus.listen(subjects.every(subjects.TURN_END), self._hear_end)
        self._bus.on_reconnect(self._look_for_ends)
        durable = Durable(self.stage.name, subjects.EVENT_STREAM, tokens_of(self.stage.hears))
        return await self._bus.hear(durable, self.handle, slots=self.stage.slots)

    def leave(self) -> None:
        """Wait no longer for a bus or a state that is away: what is in hand then is left to another worker."""
        self._leaving.set()

    def break_off(self, error: StateCorrupt) -> None:
        """Nothing more can be done here: the process ends, and finds the state mended when it is started again."""
        log.critical("%s: %s", self.stage.name, error)
        self.broken = error
        self.broke.set()

    async def handle(self, delivery: Delivery) -> None:
        """One message from delivery to acknowledgement. Never raises: what cannot be answered comes again."""
        self.counts.in_flight += 1
        try:
            with Heartbeat(delivery):
                await patiently(lambda again: self._handle(delivery, again), self._leaving, self._wait_out)
        except PASSING as error:
            log.warning("%s: %s; the message will come again", self.stage.name, error)
            await self._again(delivery)
        except StateCorrupt as error:
            self.break_off(error)
        except Exception:
            self.counts.failed += 1
            log.exception("%s: a message was not answered; it will come again", self.stage.name)
        finally:
            self.counts.in_flight -= 1

    def _wait_out(self, trouble: Exception, wait_s: float) -> None:
        self.counts.retried += 1
        log.warning("%s: %s; again in %.2f s", self.stage.name, trouble, wait_s)

    async def _handle(self, delivery: Delivery, again: bool) -> None:
        received = self._clock.now()
        try:
            event = arrived(delivery.subject, delivery.payload, delivery.headers.get(TYPE))
        except SchemaError as error:
            self.counts.failed += 1
            await self._give_up(delivery, error, None)
            return
        meta = event.meta
        left_s = (meta.deadline - received).total_seconds() if meta.deadline else None
        ends_with_turn = not event.fact.after_end
        if ends_with_turn and ms_between(meta.time, received) > LISTENED_MS and await self._ended_unheard(meta):
            self._ended.end(meta.turn)
        if (ends_with_turn and meta.turn in self._ended) or (left_s is not None and left_s <= 0):
            self.counts.dropped += 1  # the keeper ends it; nobody waits for this any more
            await delivery.ack()
            return
        try:
            self._at_work[meta.id] = meta
            async with self._ended.working(meta.turn if ends_with_turn else meta.id, left_s) as work:
                await self._work(event, delivery, received, again, work)
        except Overtaken as rival:
            log.info("%s: another worker has taken over %s: %s", self.stage.name, meta.turn, rival)
            return  # not acknowledged: the other one does that, or it comes again
        except TurnOver:
            self.counts.dropped += 1  # as above, but the state knew it first
            await delivery.ack()
            return
        except (*PASSING, StateCorrupt):
            raise
        except Exception as error:  # noqa: BLE001  # the policy below decides by kind and attempt
            await self._failed(delivery, error, meta)
            return
        finally:
            self._at_work.pop(meta.id, None)
        if work.stopped:
            self.counts.dropped += 1
        else:
            self.counts.handled += 1
            now = self._clock.now()
            self.metrics.handled(ms_between(meta.time, received), ms_between(received, now))
        await delivery.ack()

    async def _work(self, event: Event[Any], delivery: Delivery, received: datetime, again: bool, work: Work) -> None:
        stage, meta = self.stage, event.meta
        earlier = await self._said_before(meta) if again or delivery.attempt > 1 else Earlier()
        queue_ms = ms_between(meta.time, received)
        attributes: dict[str, str | int | float] = {
            "parley.queue_ms": queue_ms,
            "parley.attempt": delivery.attempt,
            "parley.event": meta.type,
        }
        incoming = delivery.headers.get(TRACEPARENT)
        with self._telemetry.hop(stage.name, meta.turn, incoming, attributes) as span:
            told: AsyncIterator[Fact | Event[Fact]] = stage.handle(
                event, self._given, earlier.facts if stage.resumes else ()
            )
            index = len(earlier.facts) if stage.resumes else 0
            try:
                async with contextlib.aclosing(told):  # type: ignore[type-var]  # handlers are async generators
                    async for fact in told:
                        if work.stopped:
                            return  # the cancellation got lost on its way: see infra/tasks.py
                        now = self._clock.now()
                        said = fact if isinstance(fact, Event) else event.following(stage.name, index, fact, now)
                        index += 1
                        work_ms = ms_between(received, now)
                        if span.recording:
                            span.attributes |= {"parley.work_ms": work_ms, **_used(said.fact)}
                        await self._say(
                            said, Hop(stage.name, queue_ms, work_ms, delivery.attempt, span.traceparent), earlier
                        )
            except Exception as error:
                span.error = error
                raise

    async def _say(self, event: Event[Fact], hop: Hop, earlier: Earlier) -> None:
        if event.meta.id in earlier.ids:
            return
        if not self.stage.resumes:
            await self._bus.say(event, hop)
            return
        receipt = await self._bus.say(event, hop, expect_last=earlier.last_seq.get(event.subject, 0))
        if receipt.seq and not receipt.again:
            earlier.last_seq[event.subject] = receipt.seq

    def _look_for_ends(self) -> None:
        """The connection is back: stop what is done for turns that ended meanwhile."""
        for meta in tuple(self._at_work.values()):
            looking = asyncio.create_task(self._end_if_over(meta))
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)

    async def _end_if_over(self, meta: Meta) -> None:
        with contextlib.suppress(BusUnavailable):  # it is away again: looked for again when it is back
            if await self._ended_unheard(meta):
                self._ended.end(meta.turn)

    async def _ended_unheard(self, meta: Meta) -> bool:
        """Whether the turn ended while this worker was away, or was not there yet, and so did not hear of it."""
        if meta.turn in self._ended:
            return True
        end = subjects.subject_of(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id, subjects.TURN_END)
        return await self._bus.has(subjects.stream_of(subjects.partition_of(meta.conversation_id)), end)

    async def _said_before(self, meta: Meta) -> Earlier:
        """What this stage has said because of this very event, from the stream."""
        found = await self._bus.turn_events(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id)
        mine = [
            (seq, e)
            for seq, e in found
            # What its worker said for it (StageFailed) is no part of what the stage itself has said.
            if e.meta.cause == meta.id and e.meta.stage == self.stage.name and isinstance(e.fact, self.stage.says)
        ]
        return Earlier(
            facts=tuple(event.fact for _, event in mine),
            ids=frozenset(event.meta.id for _, event in mine),
            last_seq={event.subject: seq for seq, event in mine},
        )

    async def _failed(self, delivery: Delivery, error: Exception, meta: Meta) -> None:
        self.counts.failed += 1
        if isinstance(error, SchemaError) or retry.is_last(delivery.attempt):
            await self._give_up(delivery, error, meta)
            return
        wait_s = retry.delay_s(delivery.attempt)
        log.warning(
            "%s: try %d of turn %s failed, again in %.2f s: %s: %s",
            *(self.stage.name, delivery.attempt, meta.turn, wait_s, type(error).__name__, error),
        )
        await self._again(delivery)

    async def _again(self, delivery: Delivery) -> None:
        self.counts.retried += 1
        await retry.give_back(delivery)

    async def _give_up(self, delivery: Delivery, error: Exception, meta: Meta | None) -> None:
        log.error("%s: gave up on %s: %s: %s", self.stage.name, delivery.subject, type(error).__name__, error)
        self.counts.dead += 1
        await dead_letters.give_up(self._bus, self._clock, delivery, self.stage.name, error, meta)

    async def _hear_end(self, subject: str, _: bytes) -> None:
        with contextlib.suppress(SchemaError):
            self._ended.end(subjects.parse_subject(subject).turn)


def _used(fact: Fact) -> dict[str, str]:
    """The engine, recogniser or voice that a fact names, as a span's attributes."""
    uses = [value for _, value in fact if isinstance(value, EngineUse | ModelUse)]
    return {"parley.engine": uses[0].backend, "parley.model": uses[0].model} if uses else {}
