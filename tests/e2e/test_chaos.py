"""A short run of the chaos benchmark: whatever is killed or paused, nothing is lost, done twice or out of order."""

import subprocess
import sys
from pathlib import Path

import pytest

CHAOS = Path(__file__).parents[2] / "scripts" / "bench" / "chaos"


@pytest.mark.slow
@pytest.mark.parametrize("window", [[], ["--duplicate-window-ms", "100"]], ids=["as shipped", "no memory of ids"])
def test_every_turn_ends_once_while_everything_is_killed(window: list[str], environment: dict[str, str]) -> None:
    options = ["--seed", "1", "--turns", "40", "--rate", "2", "--harm-every", "1", *window]

    ran = subprocess.run(
        [sys.executable, CHAOS, *options], env=environment, capture_output=True, text=True, timeout=500
    )

    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert "accepted                        40" in ran.stdout
    kills = next(line for line in ran.stdout.splitlines() if line.startswith("kills")).split()[1]
    assert int(kills) > 0
