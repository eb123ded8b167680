"""Prints what was measured: tables for people, one object for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from scripts.bench.loading.figures import GROWTH_MAX, Growth, Percentiles, Rate, any_broken
from scripts.bench.loading.processes import Memory
from scripts.bench.ordeal.house import House

_MIB = 1 << 20


def rate(found: Rate) -> str:
    """One number of workers."""
    spent_s = sum(found.processor_s.values())
    kinds = sorted(found.processor_s.items(), key=_largest)
    lines = [
        f"{found.workers} of each stage: {found.turns_hz:.1f} turns/s "
        f"over {found.turns} turns in {found.window_s:.1f} s; {spent_s / found.window_s:.2f} cores busy",
        f"  whole turn, ms: {_three(found.whole)} (p50, p95, p99); told busy {found.refused} times",
        f"  processor a turn, ms: {spent_s / found.turns * 1e3:.1f} = "
        + " + ".join(f"{kind} {spent / found.turns * 1e3:.1f}" for kind, spent in kinds),
        f"  {'ms':30}{'handled':>9}  {'queue p50':>10}{'p95':>9}{'p99':>9}  {'work p50':>10}{'p95':>9}{'p99':>9}",
    ]
    for stage in found.stages:
        queue = _three(stage.queue) if stage.queue else f"{'(both:)':>10}{'':18}"
        lines.append(f"  {stage.stage:30}{stage.handled:9}  {queue}  {_three(stage.work)}")
    if found.restarts:
        lines.append(f"  WRONG: ended by themselves: {dict(found.restarts)}")
    return "\n".join([*lines, *wrong(found.broken)])


def rates(found: Sequence[Rate]) -> str:
    """All numbers of workers beside one another."""
    lines = [f"{'workers':>7} {'turns/s':>9} {'ratio':>7} {'p50 ms':>9} {'p95 ms':>9} {'p99 ms':>9}"]
    for each in found:
        ratio = each.turns_hz / found[0].turns_hz
        p50, p95, p99 = each.whole
        lines.append(f"{each.workers:7} {each.turns_hz:9.1f} {ratio:7.2f} {p50:9.0f} {p95:9.0f} {p99:9.0f}")
    return "\n".join(lines)


def memory(how: str, found: Sequence[Growth], before: int, after: int) -> str:
    """Each process at the two moments."""
    head = f"{f'{how}, MiB':18}{f'own at {before}':>14}{f'at {after}':>10}{'ratio':>8}{'bytes a turn':>14}"
    head += f"{f'between, at {before}':>20}{f'at {after}':>14}{f'RSS at {before}':>14}{f'at {after}':>10}"
    return "\n".join([head, *map(_grown, found)])


def _grown(found: Growth) -> str:
    before, after = found.before, found.after
    return (
        f"{found.process:18}{_mib(before.own_bytes, 14)}{_mib(after.own_bytes, 10)}"
        f"{found.ratio:8.3f}{found.bytes_a_turn:14.0f}"
        f"{_between(before):>20}{_between(after):>14}"
        f"{_mib(before.resident_bytes, 14)}{_mib(after.resident_bytes, 10)}"
        f"{f'  more than {GROWTH_MAX:.0%}' if found.too_much else ''}"
    )


def _between(found: Memory) -> str:
    return " to ".join(f"{own / _MIB:.1f}" for own in found.own_between or ())


def _mib(size_bytes: int, width: int) -> str:
    return f"{size_bytes / _MIB:{width}.1f}"


def as_json(
    found: Sequence[Rate],
    grown: Mapping[str, Sequence[Growth]],
    samples: Mapping[int, Any],
    good: bool,
) -> str:
    """Everything."""
    return json.dumps(
        {
            "good": good,
            "rates": [{**asdict(each), "turns_hz": each.turns_hz} for each in found],
            "memory": {how: _growths(each) for how, each in grown.items()},
            "memory_samples": {turns: {n: asdict(m) for n, m in each.items()} for turns, each in samples.items()},
        }
    )


def _growths(found: Sequence[Growth]) -> list[dict[str, Any]]:
    return [{**asdict(each), "ratio": each.ratio, "bytes_a_turn": each.bytes_a_turn} for each in found]


def _three(found: Percentiles) -> str:
    return f"{found.p50:10.1f}{found.p95:9.1f}{found.p99:9.1f}"


def wrong(broken: Mapping[str, Sequence[str]]) -> list[str]:
    """What is not as it must be, or that all is."""
    if not any_broken(broken):
        return ["  every accepted turn completed, and ended once; the log has each event once"]
    return [f"  WRONG: {what}: {', '.join(examples)}" for what, examples in broken.items() if examples]


def _largest(kind_and_s: tuple[str, float]) -> float:
    return -kind_and_s[1]


def restarts(house: House) -> dict[str, int]:
    """Processes that ended by themselves, of which there must be none."""
    return {member.name: member.ended_by_itself for member in house.members if member.ended_by_itself}
