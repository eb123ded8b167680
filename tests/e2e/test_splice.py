"""A short run of the splice benchmark: a reply whose chat process was killed between two sentences is one reply."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SPLICE = Path(__file__).parents[2] / "scripts" / "bench" / "splice"
KILLS = 8


@pytest.mark.slow
def test_a_reply_is_continued_by_whoever_comes_after_a_kill(environment: dict[str, str]) -> None:
    options = ["--kills", str(KILLS), "--duplicate-window-ms", "100", "--json"]

    ran = subprocess.run(
        [sys.executable, SPLICE, *options], env=environment, capture_output=True, text=True, timeout=500
    )

    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    told = json.loads(ran.stdout)
    assert told["kills"] == KILLS
    assert told["replies continued"] > 0
    assert set(told["broken"].values()) == {0}
