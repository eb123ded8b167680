"""Asks the engines of the role `rank` how well texts answer a question: the first of the list that can.

Knows neither what the texts are nor what is done with the scores.
"""

from collections.abc import Sequence
from datetime import datetime

from infra.clock import Clock
from infra.engines.port import EngineError, EngineUnavailable, Priority, ScoringEngine
from infra.engines.seats import HOLD_OFF_S, Breakers, OpenedState, Seat, deadline_at, held_off, summary, use_of
from schemas.chat import EngineUse


class Ranker:
    """The engines that score, best first. Of one event loop."""

    def __init__(self, seats: Sequence[Seat[ScoringEngine]], clock: Clock, hold_off_s: float = HOLD_OFF_S) -> None:
        self.seats = tuple(seats)
        self._clock = clock
        self._breakers = Breakers(hold_off_s)

    async def score(
        self, question: str, texts: Sequence[str], deadline: datetime, priority: Priority = Priority.CONTRACT
    ) -> tuple[tuple[float, ...], EngineUse]:
        """A number from 0 to 1 for each text, in their order, and who gave them. Raises the last engine's error."""
        missed: list[EngineError] = []
        for place, seat in enumerate(self.seats):
            until = deadline_at(place, len(self.seats), deadline, self._clock)
            try:
                return await self._scored(seat, question, texts, until, priority), use_of(seat, missed)
            except EngineError as error:
                missed.append(error)
        if not missed:
            raise EngineUnavailable("no engine is configured for the role 'rank'")
        raise summary("rank", missed)

    async def aclose(self) -> None:
        """Close all engines."""
        for engine in {id(seat.engine): seat.engine for seat in self.seats}.values():
            await engine.aclose()

    async def _scored(
        self, seat: Seat[ScoringEngine], question: str, texts: Sequence[str], deadline: datetime, priority: Priority
    ) -> tuple[float, ...]:
        left_s = (deadline - self._clock.now()).total_seconds()
        async with seat.admission.place(priority, left_s):
            try:
                async with await self._breakers.of(seat):
                    return await seat.engine.score(question, texts, deadline)
            except OpenedState:
                raise held_off(seat) from None
