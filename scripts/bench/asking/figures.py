"""What answers have come to: rates, percentiles, and what a client adds. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


def median(values: Sequence[float]) -> float:
    """Raises statistics.StatisticsError for no values."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie, between the two nearest; of one value, itself."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@dataclass(frozen=True, slots=True)
class Wave:
    """So many requests that were sent at one moment. Times in s, of the answered ones; `failed` were not."""

    streams: int
    tokens: int
    taken_s: float
    firsts_s: tuple[float, ...]
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """All waves of one size on one backend."""

    streams: int
    waves: tuple[Wave, ...]

    @property
    def rates_hz(self) -> tuple[float, ...]:
        """Tokens a second of each wave, all its streams together."""
        return tuple(wave.tokens / wave.taken_s for wave in self.waves)

    @property
    def tokens_hz(self) -> float:
        return median(self.rates_hz)

    @property
    def firsts_s(self) -> list[float]:
        return [first for wave in self.waves for first in wave.firsts_s]

    @property
    def failed(self) -> int:
        return sum(wave.failed for wave in self.waves)


@dataclass(frozen=True, slots=True)
class Cost:
    """One request in ms: by the clock, and of this process's processor, which a busy machine does not stretch."""

    wall_ms: float
    cpu_ms: float


def typical(costs: Sequence[Cost]) -> Cost:
    return Cost(median([cost.wall_ms for cost in costs]), median([cost.cpu_ms for cost in costs]))


def added(costs: Sequence[Cost], bare: Sequence[Cost]) -> Cost:
    """What one way adds to another, round by round, so that what the machine did in a round is in both."""
    return typical(
        [Cost(one.wall_ms - other.wall_ms, one.cpu_ms - other.cpu_ms) for one, other in zip(costs, bare, strict=True)]
    )
