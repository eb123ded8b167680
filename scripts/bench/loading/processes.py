"""Reads from the kernel what a house's processes have cost: processor time and memory. Linux only (/proc)."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.bench.ordeal.house import House

BENCHMARK: Final = "(benchmark)"  # this process, which competes with the house
_TICKS_HZ: Final = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12  # of /proc/PID/stat, counted after the name, see proc(5)


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process.

    `own_bytes` are the pages of no file, in memory or swapped out: all that can leak. The pages of libraries count as
    1/n of the n processes on the machine that have loaded them in `proportional_bytes`, which therefore changes when
    strangers come and go.
    """

    own_bytes: int
    proportional_bytes: int
    resident_bytes: int
    own_between: tuple[int, int] | None = None  # the least and the most, where this is the mean of many looks


def processor_s(house: House) -> dict[str, float]:
    """Seconds since their start, by kind of process."""
    spent = defaultdict(float, {BENCHMARK: _processor_s(os.getpid())})
    for member in house.members:
        if member.process is not None:
            spent[member.name.split("-")[0]] += _processor_s(member.process.pid)
    return spent


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_HZ


def memory(house: House) -> dict[str, Memory]:
    """Of each process, by name."""
    return {m.name: _memory(m.process.pid) for m in house.members if m.process is not None}


def _memory(pid: int) -> Memory:
    kib: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value, *_ = line.split()
        kib[name.rstrip(":")] = int(value)
    return Memory((kib["Pss_Anon"] + kib.get("SwapPss", 0)) << 10, kib["Pss"] << 10, kib["Rss"] << 10)
