"""Asks the engines of the role `rank` how well texts answer a question: the first of the list that can.

Knows neither what the texts are nor what is done with the scores.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from infra.clock import Clock
from infra.engines.breakers import HOLD_OFF_S, SILENCE_COUNTS_S, Breakers
from infra.engines.port import DeadlinePassed, EngineError, EngineUnavailable, Priority, ScoringEngine
from infra.engines.roles import at_work
from infra.engines.seats import Seat, deadline_at, summary, use_of
from schemas.chat import EngineUse


class Ranker:
    """The engines that score, best first. Of one event loop."""

    def __init__(self, seats: Sequence[Seat[ScoringEngine]], clock: Clock, hold_off_s: float = HOLD_OFF_S) -> None:
        self.seats = tuple(seats)
        self._clock = clock
        self._breakers = Breakers(hold_off_s)

    async def score(
        self, question: str, texts: Sequence[str], deadline: datetime, within_s: float | None = None
    ) -> tuple[tuple[float, ...], EngineUse]:
        """A number from 0 to 1 for each text, in their order, and who gave them. Raises the last engine's error.

        `within_s`: from now on, where that is sooner than the deadline; each engine leaves some of it for the next.
        """
        if within_s is not None:
            deadline = min(deadline, self._clock.now() + timedelta(seconds=within_s))
        missed: list[EngineError] = []
        for place, seat in enumerate(self.seats):
            until = deadline_at(place, len(self.seats), deadline, self._clock)
            try:
                return await self._scored(seat, question, texts, until), use_of(seat, missed)
            except EngineError as error:
                missed.append(error)
        if not missed:
            raise EngineUnavailable("no engine is configured for the role 'rank'")
        raise summary("rank", missed)

    async def aclose(self) -> None:
        """Close all engines."""
        for engine in {id(seat.engine): seat.engine for seat in self.seats}.values():
            await engine.aclose()

    def at_work(self) -> Mapping[str, tuple[int, int]]:
        """By engine (`backend/model`): requests in flight, and requests that wait for a place."""
        return at_work(self.seats)

    async def _scored(
        self, seat: Seat[ScoringEngine], question: str, texts: Sequence[str], deadline: datetime
    ) -> tuple[float, ...]:
        await self._breakers.refuse(seat)
        left_s = (deadline - self._clock.now()).total_seconds()
        async with seat.admission.place(Priority.CONTRACT, left_s), self._breakers.let_through(seat) as guarded:
            left_s = (deadline - self._clock.now()).total_seconds()
            try:
                async with asyncio.timeout(left_s):
                    scores = await seat.engine.score(question, texts, deadline)
            except TimeoutError:
                late = f"{seat.name}: no answer within {left_s:.1f} s"
                raise (EngineUnavailable(late) if left_s >= SILENCE_COUNTS_S else DeadlinePassed(late)) from None
            except EngineError:
                raise
            except Exception as error:
                raise EngineUnavailable(f"{seat.name}: {type(error).__name__} {error}".rstrip()) from error
            guarded.answered()
            return scores
