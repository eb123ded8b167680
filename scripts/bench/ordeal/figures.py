"""Figures as the tables of the benchmarks have them: quantiles of a sample, and how busy the machine was."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

_TICK_S = os.sysconf("SC_CLK_TCK") ** -1


@dataclass(slots=True)
class Spread:
    """A sample."""

    values: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        self.values.append(value)

    def quantile(self, share: float) -> float:
        """The smallest value that at least `share` of the sample do not exceed."""
        ordered = sorted(self.values)
        return ordered[max(math.ceil(round(share * len(ordered), 6)) - 1, 0)]

    def row(self, limit: float) -> dict[str, float]:
        """Count, p50, p95, maximum, and how many are beyond `limit`."""
        n, beyond = len(self.values), sum(value > limit for value in self.values)
        return {
            "n": n,
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "max": max(self.values),
            "beyond": beyond,
        }


def load() -> str:
    """The machine's load average over a minute."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def cpu_busy_s() -> float:
    """Processor seconds that all processes of the machine have used since it started, on all cores."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) * _TICK_S
