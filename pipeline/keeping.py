"""Binds the keeper to the bus: intake in its order, what stages tell, deadlines, messages that ran out of tries.

Several may run; they share the state, and the bus refuses a second end of a turn.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from infra.bus.connection import Bus
from infra.bus.delivery import TYPE, Delivery, Hop
from infra.bus.streams import Durable, tokens_of
from infra.clock import AgeingClock, Clock
from infra.settings import checked_zone
from infra.state import outbox, pruning, turns
from infra.state.errors import StateCorrupt
from infra.state.port import State
from infra.tasks import cancelled
from infra.telemetry import Telemetry, root
from pipeline import dead_letters, keeper, retry
from pipeline.books import Words
from pipeline.counts import Counts
from pipeline.handling import Handling
from pipeline.heartbeat import Heartbeat
from pipeline.keeper import Keeper
from pipeline.last_told import last_told
from pipeline.patience import PASSING, patiently
from schemas import subjects
from schemas.catalogue import OPEN_NO_TURN, REQUESTS, TURN_SUBMISSIONS, arrived, decode
from schemas.errors import SchemaError
from schemas.event import Event, Fact, Meta
from schemas.intake import InterruptRequested, Submission
from schemas.turns import TurnEnd

SLOTS = 4
SWEEP_EVERY_S = 0.25
STALE_AFTER = timedelta(seconds=2)  # an outbox row that its keeper has not published by then is published by any
HELD_UP_S = 10.0  # well within what the stream remembers of a turn that is over (pipeline/trimming.py)
RELAY_BATCH = 100
PRUNE_EVERY_S = 600.0

# What a keeper holds that was stopped or has died waits so long for another one: all new turns behind a submission, the
# end of its turn behind an event. A keeper needs milliseconds, says so in time while it waits for the state, and what
# is worked on twice changes nothing.
ACK_WAIT_S: Final = 1.5
BEAT_S: Final = ACK_WAIT_S / 4
INTAKE: Final = Durable(
    keeper.NAME, subjects.INTAKE_STREAM, tokens_of(TURN_SUBMISSIONS), in_order=True, ack_wait_s=ACK_WAIT_S
)
REQUESTED: Final = Durable(keeper.NAME, subjects.REQUEST_STREAM, tokens_of(REQUESTS), ack_wait_s=ACK_WAIT_S)
EVENTS: Final = Durable(keeper.NAME, subjects.EVENT_STREAM, tokens_of(keeper.HEARS), ack_wait_s=ACK_WAIT_S)
ADVISORIES: Final = Durable(keeper.NAME, subjects.ADVISORY_STREAM, ())

log = logging.getLogger("parley.keeper")


class Chore(Protocol):
    """What is looked after beside the turns, from time to time."""

    async def look(self) -> object:
        """Look, if it is time to. Raises what the bus raises."""


class Keeping:
    """One keeper at work."""

    def __init__(
        self,
        rules: Keeper,
        state: State,
        bus: Bus,
        clock: Clock,
        telemetry: Telemetry,
        chores: Sequence[Chore] = (),
    ) -> None:
        self._rules = rules
        self._state = state
        self._bus = bus
        self._clock = clock
        self._ages = AgeingClock(clock)
        self._telemetry = telemetry
        self._chores = chores
        self._published: list[str] = []  # noted in the outbox by the next sweep
        self._leaving = asyncio.Event()
        self._broken: StateCorrupt | None = None
        self.counts = Counts()
        self.timed: Callable[[float, float], None] = lambda _queue_ms, _work_ms: None  # of each event that was heard

    async def run(self, stop: asyncio.Event) -> None:
        """Keep until `stop` is set; what is in hand then is finished. Raises StateCorrupt when the state is damaged."""
        consumers = [
            await self._bus.hear(INTAKE, self._take_in),
            await self._bus.hear(REQUESTED, self._take_in),
            await self._bus.hear(EVENTS, self._take_in, slots=SLOTS),
            await self._bus.hear(ADVISORIES, self._take_over),
        ]
        sweeper = asyncio.create_task(self._sweep_for_ever())
        stopped, broke = asyncio.create_task(stop.wait()), asyncio.create_task(self._leaving.wait())
        try:
            await asyncio.wait({stopped, broke}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._leaving.set()
            for task in (stopped, broke):
                task.cancel()
            for consumer in consumers:
                await consumer.stop()
            await cancelled(sweeper)
        if self._broken is not None:
            raise self._broken
        await self._settle()

    async def _take_in(self, delivery: Delivery) -> None:
        await self._answered(delivery, self._event)

    async def _take_over(self, delivery: Delivery) -> None:
        await self._answered(delivery, self._ran_out)

    async def _answered(self, delivery: Delivery, work: Callable[[Delivery], Awaitable[None]]) -> None:
        self.counts.in_flight += 1
        try:
            with Heartbeat(delivery, BEAT_S):
                await patiently(lambda _again: work(delivery), self._leaving, self._wait_out)
            await delivery.ack()
            self.counts.handled += 1
        except PASSING as error:
            log.warning("keeper: %s; the message will come again", error)
            await self._again(delivery)
        except StateCorrupt as error:
            self.break_off(error)
        except Exception:
            self.counts.failed += 1
            log.exception("keeper: %s was not answered; it will come again", delivery.subject)
            await self._again(delivery)
        finally:
            self.counts.in_flight -= 1

    async def _again(self, delivery: Delivery) -> None:
        self.counts.retried += 1
        await retry.give_back(delivery)

    def _wait_out(self, trouble: Exception, wait_s: float) -> None:
        self.counts.retried += 1
        log.warning("keeper: %s; again in %.2f s", trouble, wait_s)

    def break_off(self, error: StateCorrupt) -> None:
        """Nothing more can be done here: the process ends, and finds the state mended when it is started again."""
        log.critical("keeper: %s", error)
        self._broken = error
        self._leaving.set()

    async def _event(self, delivery: Delivery) -> None:
        with self._handling(delivery) as handling:
            await self._handle(delivery, handling)

    def _handling(self, delivery: Delivery) -> Handling:
        return Handling(self._telemetry, self._clock, keeper.NAME, delivery)

    async def _handle(self, delivery: Delivery, handling: Handling) -> None:
        try:
            event = arrived(delivery.subject, delivery.payload, delivery.headers.get(TYPE))
        except SchemaError as error:
            await self._refuse(delivery, handling, error)
            return
        handling.hears(event.meta)
        try:
            _refuse_unknown_zone(event)
        except SchemaError as error:
            await self._refuse(delivery, handling, error, event.meta)
            return
        if _may_interrupt(event) and (meta := await self._rules.about_to_stop(event)) is not None:
            told = await self._bus.turn_events(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id)
            await self._publish(await self._rules.catch_up([said for _, said in told]), handling)
        try:
            words = await self._rules.handle(event)
        except SchemaError as error:  # feedback that is not its user's to give
            await self._refuse(delivery, handling, error)
            return
        await self._publish(words, handling)
        self.timed(handling.queue_ms, handling.work_ms)

    async def _refuse(self, delivery: Delivery, handling: Handling, error: Exception, meta: Meta | None = None) -> None:
        """What cannot be taken is kept as a dead letter, and its turn, if the subject names one, fails.

        Of what opens no turn, such as feedback, none fails. `meta`: the submission's own, when it can be read.
        """
        self.counts.dead += 1
        handling.error = error
        failure = dead_letters.failure_of(keeper.NAME, error, delivery.attempt)
        await dead_letters.bury(self._bus, delivery, failure, error)
        if _opens_no_turn(delivery.subject):
            return
        with contextlib.suppress(SchemaError):
            meta = meta or dead_letters.meta_of_subject(delivery, self._clock)
            handling.hears(meta)
            await self._publish(await self._rules.refuse(meta, failure), handling)

    async def _ran_out(self, delivery: Delivery) -> None:
        """A message whose every handler died: the bus has stopped delivering it and says so once."""
        told = json.loads(delivery.payload)
        stream, stage, seq = told["stream"], told["consumer"], int(told["stream_seq"])
        raw = await self._bus.stored(stream, seq)
        if raw is None:
            return
        self.counts.dead += 1
        error = RuntimeError(f"every worker that took it ended or fell silent, {told['deliveries']} times")
        lost = Delivery(delivery.raw, raw.subject, raw.data, raw.headers)
        failure = dead_letters.failure_of(stage, error, int(told["deliveries"]))
        await dead_letters.bury(self._bus, lost, failure, error)
        with contextlib.suppress(SchemaError):
            meta = dead_letters.meta_of_subject(lost, self._clock)
            if stream in (subjects.INTAKE_STREAM, subjects.REQUEST_STREAM):
                if not _opens_no_turn(lost.subject):
                    with self._handling(lost) as handling:
                        handling.error = error
                        handling.hears(meta)
                        await self._publish(await self._rules.refuse(meta, failure), handling)
                await self._bus.forget(stream, seq)
            else:
                await dead_letters.tell_keeper(self._bus, self._clock, meta, failure)

    async def _publish(self, words: Words, handling: Handling | None = None) -> None:
        """At once, and in the order in which it was written; what fails here is published from the outbox.

        Before it, what may be unpublished of the same conversations: another keeper may have died, or still be busy,
        between writing and publishing, and no turn shall be seen to open before the one before it has ended.

        A keeper that was held up since it wrote says nothing: the next sweep, whosever, finds what is unpublished.
        By then the stream may have forgotten the turn, and would not refuse its second end.
        """
        if time.monotonic() - words.since_s > HELD_UP_S:
            return
        new = {event.meta.id for event in words.said}
        for event in self._with_earlier(words):
            if handling is not None and event.meta.id in new:
                hop = handling.hop(event, words.accepted.get(event.meta.turn))
            else:  # written by somebody else, or because time is up
                hop = Hop(event.meta.stage, traceparent=root(event.meta.turn))
            receipt = await self._bus.say(event, hop)
            self._published.append(event.meta.id)
            if isinstance(event.fact, TurnEnd) and not receipt.again:
                about: dict[str, str | int | float] = {
                    "parley.end": event.meta.type,
                    "parley.number": event.meta.number,
                }
                self._telemetry.turn_ended(event.meta.turn, about)

    def _with_earlier(self, words: Words) -> list[Event[Fact]]:
        new = {event.meta.id: event for event in words.said}
        known = set(self._published)
        in_order = [new.get(row.id) or decode(row.payload) for row in words.unpublished if row.id not in known]
        in_order = [event for event in in_order if event.fact.once or event.meta.id in new]
        told = {event.meta.id for event in in_order}
        return [*in_order, *(event for event in words.said if event.meta.id not in told)]

    # In the background

    async def _sweep_for_ever(self) -> None:
        pruned = time.monotonic()
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                await self._settle()
                got_to = await last_told(self._bus, await self._rules.overdue())
                await self._publish(await self._rules.sweep(got_to))
                await self._relay(self._clock.now())
                for chore in self._chores:
                    await chore.look()
                if time.monotonic() - pruned >= PRUNE_EVERY_S:
                    pruned = time.monotonic()
                    await self._prune(self._ages.now())
            except PASSING as error:
                log.warning("keeper: %s", error)
            except StateCorrupt as error:
                self.break_off(error)
            except Exception:
                log.exception("keeper: a sweep failed; the next one follows")

    async def _settle(self) -> None:
        """Note what has been published; a crash before it only means that it is published again, and refused."""
        ids, self._published = self._published, []
        if ids:
            async with self._state.transaction() as tx:
                await outbox.published(tx, ids, self._clock.now())

    async def _relay(self, now: datetime) -> None:
        """Publish what was written long ago, or, by a clock that has been put back since, in the future."""
        async with self._state.transaction() as tx:
            left = [row for row in await outbox.pending(tx, RELAY_BATCH) if abs(now - row.created_at) > STALE_AFTER]
            words = Words([decode(row.payload) for row in left])
            await words.read_unpublished(tx)
        said, words.said = words.said, []
        for event in said:
            if await self._was_published(event):
                self._published.append(event.meta.id)
            else:
                words.said.append(event)
        await self._publish(words)

    async def _was_published(self, event: Event[Fact]) -> bool:
        """Whether whoever wrote it has said it too, and only not noted that: longer ago than the bus drops copies.

        Of what may stand once in a turn the bus refuses a second copy anyway.
        """
        if event.fact.once:
            return False
        at, token = event.meta, event.fact.token
        found = await self._bus.turn_events(at.tenant_id, at.run_id, at.conversation_id, at.turn_id, token)
        return any(each.meta.id == at.id for _, each in found)

    async def _prune(self, now: datetime) -> None:
        await pruning.prune(self._state, now)
        async with self._state.transaction() as tx:
            await turns.prune(tx, now)


def _may_interrupt(event: Event[Fact]) -> bool:
    return isinstance(event.fact, InterruptRequested) or (isinstance(event.fact, Submission) and event.fact.interrupts)


def _refuse_unknown_zone(event: Event[Fact]) -> None:
    """Of what opens a turn: each stage would fail at it later. Raises InvalidField.

    Not a rule of the schemas, which cannot know what zones there are, and read what was said where others were known.
    """
    if isinstance(event.fact, Submission):
        checked_zone("meta.time_zone", event.meta.time_zone)


def _opens_no_turn(subject: str) -> bool:
    return subject.rpartition(".")[2] in {fact.token for fact in OPEN_NO_TURN}
