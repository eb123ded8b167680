"""Stops one of two workers of a kind with SIGSTOP while turns come, and counts the turns that are late because of it.

Each turn is a conversation of its own, so that none waits for another by rights. A turn is late when it took more than
LATE_S longer than 95 of 100 did before. What a stopped worker holds comes again only when the bus has waited in vain
for its acknowledgement: 4 s, so that it is late, and 1.5 s from a keeper, so that what it holds once is not.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from infra.clock import new_id
from pipeline import keeping, topology
from schemas.turns import TurnCompleted, TurnEnd
from scripts.bench.ordeal import evidence, talker
from scripts.bench.ordeal.figures import Spread
from scripts.bench.ordeal.front import Front, Turn
from scripts.bench.ordeal.house import House

LATE_S: Final = 2.0
END_WITHIN_S: Final = 120.0
WARM_TURNS: Final = 4
INTAKE_SLOTS: Final = 2  # a keeper takes one submission and one request at a time, besides what stages say


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one worker's stop did."""

    stage: str
    slots: int
    quiet: Spread  # ms, before
    stopped: Spread  # ms, with the worker stopped
    late: int
    again: int  # turns of which a message of this stage was handled at a second try
    ends: Counter[str]
    ended_not_once: int
    unread: int  # messages that nobody has acknowledged after the worker went on

    @property
    def good(self) -> bool:
        whole = set(self.ends) == {TurnCompleted.__name__}
        return self.late <= self.slots and whole and not self.ended_not_once and not self.unread


def slots_of(name: str) -> int:
    """How many messages one worker takes at once."""
    return keeping.SLOTS + INTAKE_SLOTS if name == topology.KEEPER else topology.stage(name).slots


async def stop_one(house: House, front: Front, stage: str, turns: int, rate_hz: float) -> Outcome:
    """`turns` as a measure, then as many of which the last three quarters come after one of the workers was stopped."""
    victim = house.member(f"{stage}-0")
    for turn in await _asked(front, WARM_TURNS, rate_hz):
        await turn.until(TurnEnd, END_WITHIN_S)
    before = await _asked(front, turns, rate_hz)
    await _all_ended(before)
    first = await _asked(front, turns // 4, rate_hz)
    victim.paused = True
    victim.signal(signal.SIGSTOP)
    try:
        rest = await _asked(front, turns - len(first), rate_hz)
        await _all_ended([*first, *rest])
    finally:
        victim.signal(signal.SIGCONT)
        victim.paused = False
    unread = await evidence.quiet(front.bus)
    quiet, disturbed = _times(before), _times([*first, *rest])
    border_ms = quiet.quantile(0.95) + LATE_S * 1e3
    every = [*before, *first, *rest]
    return Outcome(
        stage,
        slots_of(stage),
        quiet,
        disturbed,
        late=sum(ms > border_ms for ms in disturbed.values),
        again=sum(_again(turn, stage) for turn in [*first, *rest]),
        ends=Counter(type(turn.every(TurnEnd)[0].event.fact).__name__ for turn in every),
        ended_not_once=sum(len(turn.every(TurnEnd)) != 1 for turn in every),
        unread=unread,
    )


async def _asked(front: Front, turns: int, rate_hz: float) -> list[Turn]:
    """Submit so many at an even pace, each in a conversation of its own, every second one spoken."""
    loop = asyncio.get_running_loop()
    began, asked = loop.time(), list[Turn]()
    for number in range(turns):
        await asyncio.sleep(began + number / rate_hz - loop.time())
        asked.append(await front.ask(talker.SHORT, new_id(), by_voice=number % 2 == 0))
    return asked


def _again(turn: Turn, stage: str) -> bool:
    return any(heard.hop.attempt > 1 for heard in turn.heard if heard.event.meta.stage == stage)


async def _all_ended(turns: Sequence[Turn]) -> None:
    for turn in turns:
        await turn.until(TurnEnd, END_WITHIN_S)


def _times(turns: Sequence[Turn]) -> Spread:
    return Spread([turn.lasted_s * 1e3 for turn in turns])
