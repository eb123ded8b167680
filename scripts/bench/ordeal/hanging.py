"""Lets turns hang, and measures how soon after its deadline each is cut and the next one of its conversation opens."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from infra.clock import new_id
from schemas.turns import TextTurnOpened, TurnCompleted, TurnEnd, TurnFailed
from scripts.bench.ordeal import talker
from scripts.bench.ordeal.figures import Spread
from scripts.bench.ordeal.front import Front, Turn

END_WITHIN_S: Final = 60.0


@dataclass(slots=True)
class Hung:
    """What came of the turns that hung."""

    cut_ms: Spread = field(default_factory=Spread)  # from the deadline to the turn's end
    next_ms: Spread = field(default_factory=Spread)  # from the deadline to the opening of the next
    ends: Counter[str] = field(default_factory=Counter)
    next_ends: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> bool:
        """All were cut by their deadline, and every next one was answered."""
        return set(self.ends) == {"deadline"} and set(self.next_ends) == {TurnCompleted.__name__}


async def hang(front: Front, question: str, turns: int) -> Hung:
    """So many conversations at once, in each a question to which the engine gives no end, and one that it answers."""
    found = Hung()

    async def one() -> None:
        conversation = new_id()
        hanging = await front.ask(question, conversation)
        following = await front.ask(talker.SHORT, conversation)
        ended = await hanging.until(TurnEnd, END_WITHIN_S)
        opened = await following.until(TextTurnOpened, END_WITHIN_S)
        last = await following.until(TurnEnd, END_WITHIN_S)
        fact = ended.event.fact
        found.ends[fact.code if isinstance(fact, TurnFailed) else type(fact).__name__] += 1
        found.next_ends[type(last.event.fact).__name__] += 1
        deadline_s = _deadline_s(hanging)
        found.cut_ms.add((ended.stored_s - deadline_s) * 1e3)
        found.next_ms.add((opened.stored_s - deadline_s) * 1e3)

    async with asyncio.TaskGroup() as conversations:
        for _ in range(turns):
            conversations.create_task(one())
    return found


def _deadline_s(turn: Turn) -> float:
    deadline = turn.every(TextTurnOpened)[0].event.meta.deadline
    assert deadline is not None  # the keeper sets one at the opening
    return deadline.timestamp()
