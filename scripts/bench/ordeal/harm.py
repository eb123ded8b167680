"""What is done to the house: processes killed and paused, at times and for lengths that a seed decides.

The seed fixes the plan: when, what, for how long, and how far along the list of healthy processes the victim stands.
Which one that is then depends on who is healthy at that moment.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from scripts.bench.ordeal.house import House, Member

KILL_SHARE: Final = 0.65
RESTART_S: Final = (0.1, 4.0)  # how long a killed process stays away
PAUSE_SHORT_S: Final = (0.2, 4.0)
PAUSE_LONG_S: Final = (8.0, 15.0)  # the bus waits 4 s for an acknowledgement
PAUSE_LONG_SHARE: Final = 0.4
WEIGHTS: Final = {"bus": 2, "engine": 2, "keeper": 2}  # how often, against 1 of each other process


@dataclass(frozen=True, slots=True)
class Blow:
    """One thing that is done."""

    wait_s: float  # after the one before
    kills: bool
    length_s: float  # of the pause, or until the restart
    aim: float  # 0 to 1: how far along the list


@dataclass(slots=True)
class Harm:
    """All that was done."""

    kills: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)
    longest_pause_s: float = 0.0


def blows(seed: int, every_s: float) -> "list[Blow]":
    """Enough for any run, one each `every_s` on average."""
    rng = random.Random(f"harm {seed}")
    made = []
    for _ in range(10_000):
        kills = rng.random() < KILL_SHARE
        long = rng.random() < PAUSE_LONG_SHARE
        length_s = rng.uniform(*(RESTART_S if kills else PAUSE_LONG_S if long else PAUSE_SHORT_S))
        made.append(Blow(rng.uniform(0.3, 1.7) * every_s, kills, length_s, rng.random()))
    return made


async def harm_for_ever(house: House, seed: int, every_s: float, done: Harm) -> None:
    """Strike until cancelled; then nothing stays paused."""
    async with asyncio.TaskGroup() as pauses:
        for blow in blows(seed, every_s):
            await asyncio.sleep(blow.wait_s)
            healthy = [member for member in house.members if member.healthy for _ in range(_weight(member))]
            if not healthy:
                continue
            victim = healthy[int(blow.aim * len(healthy))]
            kind = victim.name.split("-")[0]
            if blow.kills:
                house.kill(victim, blow.length_s)
                done.kills[kind] += 1
            else:
                pauses.create_task(house.pause(victim, blow.length_s))
                done.pauses[kind] += 1
                done.longest_pause_s = max(done.longest_pause_s, blow.length_s)


def _weight(member: Member) -> int:
    return WEIGHTS.get(member.name.split("-")[0], 1)
