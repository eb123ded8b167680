"""What was measured, what was promised of it, and the table. Knows the carriers by name only; measures nothing."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

RAW: Final = "raw nats-py, pull"
RAW_PUSH: Final = "raw nats-py, push"
RAW_WRITES: Final = "raw nats-py, pull, SQLite on one hop"
BARE: Final = "Parley, no traces, no metrics"
SHIPPED: Final = "Parley, traces and metrics"
EXPORTED: Final = "Parley, spans sent to a collector"
INBOX: Final = "Parley, inbox on one hop"
SEPARATE: Final = "Parley, a process a stage"
OVOS: Final = "OVOS newest, a process a stage"
OVOS_RELEASE: Final = "OVOS release, a process a stage"
OVOS_THREADS: Final = "OVOS newest, seven clients, one process"
OVOS_NODELAY: Final = "OVOS newest, a process a stage, TCP_NODELAY"


@dataclass(slots=True)
class Figures:
    """All that was measured of one carrier."""

    serial_ms: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)  # messages a second, of the bursts
    cpu_us: list[float] = field(default_factory=list)  # of this process, a hop

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.serial_ms)

    @property
    def p95_ms(self) -> float:
        return statistics.quantiles(self.serial_ms, n=20, method="inclusive")[-1]


@dataclass(frozen=True, slots=True)
class Promise:
    """A ratio of two carriers' p50: `over` by `under`, and what it may be at most or must be at least."""

    text: str
    over: str
    under: str
    at_most: float | None = None
    at_least: float | None = None

    def kept(self, ratio: float) -> bool:
        """Whether a ratio is as promised; one that only informs always is."""
        return (self.at_most is None or ratio <= self.at_most) and (self.at_least is None or ratio >= self.at_least)


PROMISES: Final = (
    Promise("with traces and metrics, by raw nats-py", SHIPPED, RAW, at_most=1.5),
    Promise("with the inbox too, by raw nats-py with the same transaction", INBOX, RAW_WRITES, at_most=1.5),
    Promise("with the inbox too, by raw nats-py without a transaction", INBOX, RAW),
    Promise("what traces and metrics cost", SHIPPED, BARE, at_most=1.2),
    Promise("what they cost when spans are sent", EXPORTED, BARE, at_most=1.2),
    Promise("OVOS by Parley", OVOS, SHIPPED, at_least=10.0),
    Promise("OVOS by Parley with the inbox too", OVOS, INBOX, at_least=10.0),
    Promise("OVOS by Parley, a process a stage both", OVOS, SEPARATE),
    Promise("OVOS's last release by Parley", OVOS_RELEASE, SHIPPED, at_least=10.0),
    Promise("OVOS with a setting that it does not make, by Parley", OVOS_NODELAY, SHIPPED),
    Promise("the same, a process a stage both", OVOS_NODELAY, SEPARATE),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A promise with the ratio that was found."""

    promise: Promise
    ratio: float

    @property
    def kept(self) -> bool:
        return self.promise.kept(self.ratio)


def judged(p50_ms: Mapping[str, float], promises: Iterable[Promise] = PROMISES) -> list[Found]:
    """Each promise whose two carriers were measured, with its ratio."""
    return [
        Found(promise, p50_ms[promise.over] / p50_ms[promise.under])
        for promise in promises
        if promise.over in p50_ms and promise.under in p50_ms
    ]


def exit_status(found: Iterable[Found]) -> int:
    """0 when all that was promised is kept, else 1."""
    return 0 if all(one.kept for one in found) else 1


def table(measured: Mapping[str, Figures]) -> str:
    """One line a carrier."""
    lines = [f"{'seven hops':44} {'p50 ms':>8} {'p95 ms':>8} {'by raw':>7} {'a second':>9} {'CPU µs a hop':>13}"]
    base = measured[RAW].p50_ms
    for name, one in measured.items():
        cpu = f"{statistics.median(one.cpu_us):13.0f}" if one.cpu_us else f"{'':>13}"
        rate = statistics.median(one.rates)
        lines.append(f"{name:44} {one.p50_ms:8.2f} {one.p95_ms:8.2f} {one.p50_ms / base:7.2f} {rate:9.0f} {cpu}")
    return "\n".join(lines)


def verdicts(found: Iterable[Found]) -> str:
    """One line a ratio: what was promised of it, and whether it is kept."""
    lines = []
    for one in found:
        most, least = one.promise.at_most, one.promise.at_least
        limit = f"at most {most:g}" if most is not None else f"at least {least:g}" if least is not None else ""
        word = ("kept" if one.kept else "BROKEN") if limit else ""
        lines.append(f"{one.promise.text:62} {one.ratio:7.2f}  {limit:12} {word}".rstrip())
    return "\n".join(lines)
