"""What a load has come to: rates, percentiles, what was not as it must be, and whether memory has grown. Pure."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schemas.turns import TurnCompleted
from scripts.bench.loading.processes import Memory

GROWTH_MAX: Final = 0.05  # the promise: between the two moments, of each process
GONE: Final = "(gone)"
_EXAMPLES: Final = 3


class Percentiles(NamedTuple):
    """In milliseconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values_ms: Sequence[float]) -> "Percentiles":
        """Of at least two values, inclusive: no value that was not between two that were measured."""
        cut = statistics.quantiles(values_ms, n=100, method="inclusive")
        return cls(cut[49], cut[94], cut[98])


@dataclass(frozen=True, slots=True)
class StageTimes:
    """One row of the table. `queue` is None where waiting and working cannot be told apart: `work` is both then."""

    stage: str
    handled: int
    queue: Percentiles | None
    work: Percentiles


@dataclass(frozen=True, slots=True)
class Left:
    """What is found when all is over: how each turn ended, and what stands in the log of what the stream holds."""

    ends: Sequence[tuple[str, str]]  # (turn, kind of its end) in the order of the stream
    in_stream: int = 0  # events
    in_log: int = 0  # rows
    events_in_log: int = 0  # different ids among them
    dead_letters: int = 0
    unread: int = 0  # messages that somebody has not acknowledged


@dataclass(frozen=True, slots=True)
class Rate:
    """What was sustained with so many workers of each stage."""

    workers: int
    turns: int  # that ended in the window
    window_s: float
    processor_s: Mapping[str, float]  # by kind of process, in the window
    whole: Percentiles  # from a submission to the hearing of its end
    stages: Sequence[StageTimes]
    refused: int
    restarts: Mapping[str, int] = field(default_factory=dict)  # processes that ended by themselves
    broken: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def turns_hz(self) -> float:
        return self.turns / self.window_s


@dataclass(frozen=True, slots=True)
class Growth:
    """One process's memory at two moments."""

    process: str
    before: Memory
    after: Memory
    turns: int  # between them

    @property
    def ratio(self) -> float:
        return self.after.own_bytes / self.before.own_bytes

    @property
    def bytes_a_turn(self) -> float:
        return (self.after.own_bytes - self.before.own_bytes) / self.turns

    @property
    def too_much(self) -> bool:
        return self.ratio > 1 + GROWTH_MAX


def mean_of(looks: Sequence[Mapping[str, Memory]]) -> dict[str, Memory]:
    """The mean of each process that was there each time, with the least and the most that was its own."""
    names = sorted(set.intersection(*(set(look) for look in looks)))
    return {name: _mean([look[name] for look in looks]) for name in names}


def _mean(looks: Sequence[Memory]) -> Memory:
    own = [look.own_bytes for look in looks]
    return Memory(
        round(statistics.fmean(own)),
        round(statistics.fmean(look.proportional_bytes for look in looks)),
        round(statistics.fmean(look.resident_bytes for look in looks)),
        (min(own), max(own)),
    )


def growths(before: Mapping[str, Memory], after: Mapping[str, Memory], turns: int) -> list[Growth]:
    """Of each process that was there at both moments, largest growth first."""
    found = [Growth(name, before[name], after[name], turns) for name in before if name in after]
    return sorted(found, key=lambda growth: -growth.ratio)


def grew(*ways: Sequence[Growth]) -> list[str]:
    """The processes that have grown by too much in whatever way they were looked at; all that one way leaves out."""
    seen = Counter(growth.process for found in ways for growth in found)
    too_much = Counter(growth.process for found in ways for growth in found if growth.too_much)
    gone = [f"{name} {GONE}" for name, times in sorted(seen.items()) if times < len(ways)]
    return [name for name, times in sorted(too_much.items()) if times == len(ways)] + gone


def broken(accepted: Sequence[str], unheard: Sequence[str], left: Left) -> dict[str, list[str]]:
    """What is not as it must be after a load in which nobody was harmed: each with some examples, all empty if good."""
    ends = Counter(turn for turn, _ in left.ends)
    wrong = {
        "accepted twice": [turn for turn, times in Counter(accepted).items() if times > 1],
        "not ended": [turn for turn in accepted if not ends[turn]],
        "ended twice": [turn for turn, times in ends.items() if times > 1],
        "ended, never accepted": sorted(set(ends) - set(accepted)),
        "not completed": [f"{turn}: {kind}" for turn, kind in left.ends if kind != TurnCompleted.__name__],
        "end not heard": list(unheard),
        "dead letters": [f"{left.dead_letters}"] if left.dead_letters else [],
        "left unread": [f"{left.unread} messages"] if left.unread else [],
        "log differs": _log_differs(left),
    }
    return {what: examples[:_EXAMPLES] + _more(examples) for what, examples in wrong.items()}


def _log_differs(left: Left) -> list[str]:
    if left.in_stream == left.in_log == left.events_in_log:
        return []
    return [
        f"{left.in_stream} events in the stream, {left.in_log} rows in the log, {left.events_in_log} of them differ"
    ]


def _more(examples: Sequence[str]) -> list[str]:
    return [f"and {len(examples) - _EXAMPLES} more"] if len(examples) > _EXAMPLES else []


def any_broken(found: Mapping[str, Iterable[str]]) -> bool:
    return any(tuple(examples) for examples in found.values())
