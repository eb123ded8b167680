"""Many conversations at once, each a turn after the other, with a pause between as people make it.

Half of them speak, half type; all are answered aloud, so that every stage takes part. Knows no promise.
"""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Final

from infra.clock import new_id
from schemas.turns import TurnCompleted, TurnEnd, TurnInterrupted
from scripts.bench.ordeal import talker
from scripts.bench.ordeal.front import Front, Turn

END_WITHIN_S: Final = 180.0
PAUSE_SPREAD: Final = (0.5, 1.5)  # of the mean


@dataclass(slots=True)
class Company:
    """The conversations, until `leave`."""

    front: Front
    rng: random.Random
    pause_s: float  # on average, from the end of a turn to the next one's beginning
    turns: list[Turn] = field(default_factory=list)  # that have ended
    _leaving: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def come(self, conversations: int) -> None:
        """Let them begin, spread over one pause."""
        for number in range(conversations):
            task = asyncio.create_task(self._converse(self.rng.uniform(0, self.pause_s), by_voice=number % 2 == 0))
            self._tasks.append(task)

    async def leave(self) -> None:
        """Let the turns that are under way end, and begin no others."""
        self._leaving = True
        await asyncio.gather(*self._tasks)

    async def _converse(self, first_s: float, *, by_voice: bool) -> None:
        conversation = new_id()
        await asyncio.sleep(first_s)
        while not self._leaving:
            turn = await self.front.ask(talker.SHORT, conversation, by_voice=by_voice)
            await turn.until(TurnEnd, END_WITHIN_S)
            self.turns.append(turn)
            await asyncio.sleep(self.pause_s * self.rng.uniform(*PAUSE_SPREAD))


@dataclass(slots=True)
class SlowOne:
    """One conversation whose every reply takes 20 s, one turn right after the other, until `leave`."""

    front: Front
    turns: list[Turn] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def come(self) -> None:
        """Return when its first reply is being made."""
        begun = asyncio.Event()
        self._task = asyncio.create_task(self._converse(begun))
        await begun.wait()

    async def _converse(self, begun: asyncio.Event) -> None:
        conversation = new_id()
        while True:
            self.turns.append(await self.front.ask(talker.SLOW, conversation))
            begun.set()
            await self.turns[-1].until(TurnEnd, END_WITHIN_S)

    async def leave(self) -> None:
        """Stop its turn."""
        if self._task is not None:
            self._task.cancel()
            await self.front.stop(self.turns[-1])
            await self.turns[-1].until(TurnEnd, END_WITHIN_S)

    @property
    def replies_s(self) -> list[float]:
        """How long its whole replies took; the one that was stopped is none."""
        ended = [turn for turn in self.turns if turn.every(TurnCompleted)]
        return [turn.lasted_s for turn in ended]

    @property
    def stopped(self) -> int:
        return sum(bool(turn.every(TurnInterrupted)) for turn in self.turns)
