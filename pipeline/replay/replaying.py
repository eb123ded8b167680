"""Runs the chosen turns again, several at once or as far apart as they were, and puts what comes of it into the log."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from infra.blobs.port import BlobStore
from pipeline import wiring
from pipeline.log_files import Ask
from pipeline.replay.choosing import PARALLEL, Chosen
from pipeline.replay.folding import Folding
from pipeline.replay.logged import LoggedEvents
from pipeline.replay.run_log import RunLog
from pipeline.replay.stages import ROUTER, STT, Stages
from pipeline.replay.turn import ReplayedTurn, Run
from pipeline.replay.works import Left, Work, with_state, without_state
from schemas.event import Blob
from schemas.turns import SpeechTurnOpened, TurnCompleted

USERS_AT_ONCE: Final = 200  # whose states are in memory, some 250 kB each
PARALLEL_PACED: Final = 64  # of a replay that keeps the distances: as many as overlap

Progress = Callable[[int, int], None]
"""(turns done, turns chosen)"""


@dataclass(slots=True)
class Outcome:
    """What came of a replay."""

    run: str
    completed: int = 0
    failed: int = 0
    left: Counter[str] = field(default_factory=Counter)  # turns that could not be run again, by why
    unfinished: int = 0  # turns that had not ended when the replay began
    otherwise: int = 0  # turns before, of which today's skills make something else than the log tells
    troubles: list[str] = field(default_factory=list)
    events: int = 0
    took_s: float = 0.0

    @property
    def turns(self) -> int:
        """That were run again."""
        return self.completed + self.failed

    @property
    def turns_a_second(self) -> float:
        return self.turns / self.took_s if self.took_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How far apart turns begin. `times`: as fast as they came, times this; None: as fast as it goes."""

    times: float | None = None
    parallel: int = PARALLEL

    def begins_after_s(self, first: datetime | None, turn: datetime | None) -> float:
        """Seconds from the replay's beginning to the turn's."""
        if self.times is None or first is None or turn is None:
            return 0.0
        return max((turn - first).total_seconds(), 0.0) / self.times


async def replay(
    run: Run, chosen: Chosen, ask: Ask, log: RunLog, stages: Stages, pace: Pace, tell: Progress
) -> Outcome:
    """Run the chosen turns again. Turns that were run are in the log, also when this is broken off.

    Raises what keeps the stages from working at all (weights, settings) and what the log raises.
    """
    await stages.prepare(spoken=chosen.spoken > 0, sounded=chosen.sounded > 0)
    outcome, began = Outcome(run.name, unfinished=chosen.unfinished), time.monotonic()
    total = len(chosen.ids)
    places = asyncio.Semaphore(pace.parallel if pace.times is None else PARALLEL_PACED)
    blobs = await wiring.blobs_of(stages.settings, stages.bus) if STT in stages.names and chosen.spoken else None

    async def one(work: Work) -> None:
        try:
            turn = ReplayedTurn(work, run, stages)
            await turn.run()
            await log.add(turn.recorded)
            if isinstance(turn.recorded[-1].event.fact, TurnCompleted):
                outcome.completed += 1
            else:
                outcome.failed += 1
            tell(outcome.turns + outcome.left.total(), total)
        finally:
            places.release()

    try:
        async with asyncio.TaskGroup() as group:
            async for work in _works(await LoggedEvents.opened(ask, run.of), chosen, run, stages, pace, outcome):
                if isinstance(work, Left) or (why := await _gone(work, blobs)) is not None:
                    outcome.left[work.why if isinstance(work, Left) else str(why)] += 1
                    continue
                opened_at = work.opened.meta.time if work.opened is not None else None
                begins = pace.begins_after_s(chosen.first_at, opened_at)
                await asyncio.sleep(max(begins - (time.monotonic() - began), 0.0))
                await places.acquire()
                group.create_task(one(work))
    except BaseExceptionGroup as several:
        raise _leaf(several) from several
    finally:
        await log.close()
        outcome.events, outcome.took_s = log.events, time.monotonic() - began
    return outcome


async def _works(
    logged: LoggedEvents, chosen: Chosen, run: Run, stages: Stages, pace: Pace, outcome: Outcome
) -> AsyncIterator[Work | Left]:
    """The turns with what they need. States are kept for some users at a time; with a pace, for all: in one order."""
    if ROUTER not in stages.names:
        async for work in without_state(logged, frozenset(chosen.ids)):
            yield work
        return
    users = sorted(chosen.by_user)
    at_once = USERS_AT_ONCE if pace.times is None else max(len(users), 1)
    for first in range(0, len(users), at_once):
        some = users[first : first + at_once]
        ids = frozenset(turn for user in some for turn in chosen.by_user[user])
        async with Folding(run.name, stages.settings.currency) as folding:
            async for work in with_state(logged, some, ids, folding):
                yield work
            outcome.otherwise += folding.otherwise
            outcome.troubles += folding.troubles


async def _gone(work: Work, blobs: BlobStore | None) -> str | None:
    """Why a spoken turn cannot be heard again; None when it can, or was typed."""
    opened = work.opened
    if blobs is None or opened is None or not isinstance(opened.fact, SpeechTurnOpened):
        return None
    audio: Blob = opened.fact.audio
    return None if await blobs.exists(audio) else "its recording is not kept any more; --from intent does without it"


def _leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found = group.exceptions[0]
    return _leaf(found) if isinstance(found, BaseExceptionGroup) else found
