"""Runs one turn again: repeats what was said before the first stage, hands it on, and ends it as the keeper would.

Nobody is spoken to and no state but the turn's own copy is touched. Times go on from where the logged turn stood; what
a stage hears carries the time at which it heard it then, so that "now" is what it was, however long the replay takes.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from infra.bus.delivery import Hop
from infra.clock import Clock, SystemClock
from infra.state.sqlite import open_in_memory
from infra.telemetry import root
from pipeline import retry
from pipeline.dead_letters import FAILED_INDEX, failure_of
from pipeline.replay.stages import ROUTER, Bench, Stages
from pipeline.replay.works import Work
from pipeline.topology import KEEPER, STAGE_NAMES
from pipeline.turn_ends import failed
from schemas.chat import ReplyChosen
from schemas.errors import SchemaError
from schemas.event import SCHEMA_VERSION, Event, Fact, Meta
from schemas.ids import EventId, event_id
from schemas.replay import TurnReplayed
from schemas.speech import ApologySpoken, SpeechReady
from schemas.tasks import ReminderDue, TaskCompleted
from schemas.turns import OPENINGS, StageFailed, TurnCompleted, TurnEnd
from stages.router.stage import RouterGiven

NAME: Final = "replay"
_AFTERWARDS: Final = (StageFailed, ReminderDue, ApologySpoken)
_END_INDEX: Final = 1  # of the end among what the keeper says because of a turn's beginning


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event of the new run."""

    event: Event[Fact]
    hop: Hop | None  # None: repeated from the log


@dataclass(frozen=True, slots=True)
class Run:
    """What all turns of a replay share."""

    name: str
    of: str
    start: str
    changed: Mapping[str, str]
    timeout: timedelta

    @property
    def terms(self) -> str:
        """What of it must be the same when it goes on, in words."""
        changed = ", ".join(f"{name}={value}" for name, value in sorted(self.changed.items()))
        return f"{self.of} from {self.start} on with {changed or 'nothing set'}"


class ShiftedClock:
    """A clock that goes on from another moment."""

    def __init__(self, at: datetime) -> None:
        self._at, self._began = at, time.monotonic()

    def now(self) -> datetime:
        return self._at + timedelta(seconds=time.monotonic() - self._began)


class _Failed(Exception):
    """A stage gave up; the turn ends."""

    def __init__(self, failure: StageFailed) -> None:
        self.failure = failure


@dataclass(slots=True)
class ReplayedTurn:
    """One turn, while it is run again. `recorded` holds all of it once `run` has returned."""

    work: Work
    shared: Run
    stages: Stages
    recorded: list[Recorded] = field(default_factory=list)
    _clock: Clock = field(init=False)
    _limit: asyncio.Timeout = field(init=False)
    _until: datetime = field(init=False)  # by the real clock: what engines go by
    _deadline: datetime = field(init=False)
    _then: dict[str, datetime] = field(default_factory=dict)  # type -> when it was said in the logged turn
    _router: RouterGiven | None = None

    async def run(self) -> None:
        """Run it to its end. Raises nothing that a stage raises: the turn then fails, and its events tell why."""
        repeated = self._repeated()
        self._clock = ShiftedClock(max(event.meta.time for event in repeated))
        self._until = SystemClock().now() + self.shared.timeout
        self._deadline = self._clock.now() + self.shared.timeout
        for event in self.work.events:
            self._then.setdefault(event.meta.type, event.meta.time)
        async with AsyncExitStack() as stack:
            if self.work.image is not None:
                state = await stack.enter_async_context(open_in_memory(self._clock, self.work.image))
                self._router = RouterGiven(state, currency=self.stages.settings.currency)
            await self._ended(repeated)

    # What was said before

    def _repeated(self) -> list[Event[Fact]]:
        """That the turn is run again, and what the log has of it from before the first stage, in the new run's name."""
        before = STAGE_NAMES[: STAGE_NAMES.index(self.shared.start)]
        kept = [
            event
            for event in self.work.events
            if isinstance(event.fact, OPENINGS)
            or (event.meta.stage in before and not isinstance(event.fact, _AFTERWARDS))
        ]
        opened = self.work.opened or kept[0]
        fact = TurnReplayed(of=self.shared.of, start=self.shared.start, changed=dict(self.shared.changed))
        first = self._renamed(opened.meta, None).model_copy(
            update={
                "id": self._id(opened.meta.id, NAME),
                "type": TurnReplayed.__name__,
                "schema_version": SCHEMA_VERSION,
                "stage": NAME,
            }
        )
        repeated = [Event[Fact].first(fact, first)]
        ids: dict[str, str] = {}
        for event in kept:
            meta = self._renamed(event.meta, ids.get(event.meta.cause or "", first.id))
            ids[event.meta.id] = meta.id
            repeated.append(Event[Fact].first(event.fact, meta))
        self.recorded += (Recorded(event, None) for event in repeated)
        return repeated

    def _renamed(self, meta: Meta, cause: str | None) -> Meta:
        return meta.model_copy(
            update={"run": self.shared.name, "id": self._id(meta.id, meta.stage), "cause": cause, "deadline": None}
        )

    def _id(self, cause: str, stage: str) -> EventId:
        turn = (self.work.opened or self.work.events[0]).meta.turn_id
        return event_id(turn, self.shared.name, cause, f"{NAME}.{stage}", 0)  # type: ignore[arg-type]  # a checked token

    # What is done anew

    async def _ended(self, repeated: list[Event[Fact]]) -> None:
        failure: StageFailed | None = None
        late = False
        try:
            async with (
                asyncio.timeout(self.shared.timeout.total_seconds()) as self._limit,
                asyncio.TaskGroup() as group,
            ):
                for event in repeated:
                    self._hand_on(event, group)
        except TimeoutError:
            late = True
        except BaseExceptionGroup as several:
            failures, others = several.split(_Failed)
            if others is not None:
                raise others from None
            assert failures is not None  # there was at least one of either kind
            failure = _first(failures).failure
        self._end(repeated[0], failure, late=late)

    def _hand_on(self, event: Event[Fact], group: asyncio.TaskGroup) -> None:
        for name in self.stages.hearing(event):
            group.create_task(self._handled(name, event, group))

    async def _handled(self, name: str, event: Event[Fact], group: asyncio.TaskGroup) -> None:
        bench = await self.stages.bench(name)
        asked = time.monotonic()
        async with bench.slots:
            received = time.monotonic()
            self._grant(received - asked)
            hop = Hop(name, queue_ms=(received - asked) * 1e3, traceparent=root(event.meta.turn))
            said: list[Event[Fact]] = []
            attempt = 0
            while True:
                attempt += 1
                try:
                    await self._attempt(bench, event, said, received, hop, attempt, group)
                    return
                except Exception as error:  # as for a worker: tried again, unless it cannot help
                    if isinstance(error, SchemaError) or retry.is_last(attempt):
                        failure = failure_of(name, error, attempt)
                        self._record(
                            event.following(name, FAILED_INDEX, failure, self._clock.now()), hop, attempt, received
                        )
                        raise _Failed(failure) from error
                    await asyncio.sleep(retry.delay_s(attempt))

    def _grant(self, waited_s: float) -> None:
        """Add the wait for a stage to the turn's time: it comes of the turns beside it."""
        self._until += timedelta(seconds=waited_s)
        self._deadline += timedelta(seconds=waited_s)
        until_s = self._limit.when()
        if until_s is not None and not self._limit.expired():
            self._limit.reschedule(until_s + waited_s)

    async def _attempt(
        self,
        bench: Bench,
        event: Event[Fact],
        said: list[Event[Fact]],
        received: float,
        hop: Hop,
        attempt: int,
        group: asyncio.TaskGroup,
    ) -> None:
        """Have the stage handle the event; what it has said at earlier attempts is not said again."""
        stage = bench.stage
        known = {each.meta.id for each in said}
        earlier = tuple(each.fact for each in said) if stage.resumes else ()
        given = self._router if stage.name == ROUTER else bench.given
        index = len(earlier)
        told: AsyncIterator[Fact | Event[Fact]] = stage.handle(self._as_heard(event), given, earlier)
        async with aclosing(told):  # type: ignore[type-var]  # handlers are async generators
            async for fact in told:
                made = (
                    fact.model_copy(update={"meta": fact.meta.model_copy(update={"deadline": self._deadline})})
                    if isinstance(fact, Event)
                    else event.following(stage.name, index, fact, self._clock.now(), deadline=self._deadline)
                )
                index += 1
                if made.meta.id in known:
                    continue
                said.append(made)
                self._record(made, hop, attempt, received)
                self._hand_on(made, group)

    def _as_heard(self, event: Event[Fact]) -> Event[Fact]:
        """The event as the stage shall hear it: with the time of its logged twin, and until when there is time now."""
        told = {"time": self._then.get(event.meta.type, event.meta.time), "deadline": self._until}
        return event.model_copy(update={"meta": event.meta.model_copy(update=told)})

    def _record(self, event: Event[Fact], hop: Hop, attempt: int, received: float) -> None:
        work_ms = (time.monotonic() - received) * 1e3
        told = Hop(hop.stage, queue_ms=hop.queue_ms, work_ms=work_ms, attempt=attempt, traceparent=hop.traceparent)
        self.recorded.append(Recorded(event, told))

    def _end(self, first: Event[Fact], failure: StageFailed | None, *, late: bool) -> None:
        facts: list[Any] = [each.event.fact for each in self.recorded]
        reply = next((fact for fact in facts if isinstance(fact, ReplyChosen)), None)
        spoken = [fact.audio_s for fact in facts if isinstance(fact, SpeechReady)]
        if (
            failure is None
            and not late
            and reply is not None
            and (not first.meta.speech or len(spoken) >= reply.sentences)
        ):
            audio_s = sum(spoken) if first.meta.speech else None
            end: TurnEnd = TurnCompleted(reply=reply.text, sentences=reply.sentences, audio_s=audio_s)
        else:
            done = [fact.outcome.message for fact in facts if isinstance(fact, TaskCompleted) and fact.outcome.success]
            code = failure.code if failure is not None else "deadline" if late else "stage-failed"
            end = failed(code, failure, done)
        ended = first.following(KEEPER, _END_INDEX, end, self._clock.now(), deadline=self._deadline)
        self.recorded.append(Recorded(ended, Hop(KEEPER, traceparent=root(first.meta.turn))))


def _first(group: BaseExceptionGroup[_Failed]) -> _Failed:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
