"""A small run of the load benchmark: it counts every turn once, knows every stage, and says by its exit how it went."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import topology

LOAD = Path(__file__).parents[3] / "scripts" / "bench" / "load"
TURNS, IN_FLIGHT = 24, 6


@pytest.mark.slow
def test_every_turn_ends_once_and_every_stage_is_in_the_table(environment: dict[str, str]) -> None:
    options = ["--workers", "1", "--turns", str(TURNS), "--in-flight", str(IN_FLIGHT), "--speech", "--json"]

    ran = subprocess.run([sys.executable, LOAD, *options], env=environment, capture_output=True, text=True, timeout=200)

    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    told = json.loads(ran.stdout)
    [rate] = told["rates"]
    assert told["good"] is True
    assert not any(rate["broken"].values())
    assert rate["turns"] == TURNS
    assert rate["turns_hz"] == pytest.approx(TURNS / rate["window_s"])
    stages = {stage["stage"]: stage for stage in rate["stages"]}
    assert set(topology.STAGE_NAMES) < set(stages), "and what keeper and log take"
    for stage in stages.values():
        assert stage["handled"] > 0, stage
        for p50, p95, p99 in filter(None, (stage["queue"], stage["work"])):
            assert 0 <= p50 <= p95 <= p99
    assert {*topology.PROCESSES, "bus", "engine"} < set(rate["processor_s"])


@pytest.mark.slow
def test_memory_is_taken_of_every_process_and_growth_decides_the_exit(environment: dict[str, str]) -> None:
    moments = ["--turns-before", "10", "--turns-after", "40", "--turns-looked-at", "10", "--rest-s", "1"]
    options = ["--workers", "0", "--memory", *moments, "--json"]

    ran = subprocess.run([sys.executable, LOAD, *options], env=environment, capture_output=True, text=True, timeout=200)

    told = json.loads(ran.stdout)
    grown = {*topology.PROCESSES, "bus", "engine"}
    for how in ("at work", "at rest"):
        assert {growth["process"] for growth in told["memory"][how]} == {*topology.PROCESSES, "bus", "engine"}
        grown &= {growth["process"] for growth in told["memory"][how] if growth["ratio"] > 1.05}  # so early some may
    assert ran.returncode == (1 if grown else 0), f"{ran.stdout}\n{ran.stderr}"
    assert told["good"] is (not grown)
    assert set(map(int, told["memory_samples"])) == {10, 25, 40}
