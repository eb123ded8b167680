"""The archive's benchmark, run small, as a person runs it."""

import asyncio
import os
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
async def test_it_moves_all_days_and_asks_before_and_after() -> None:
    command = [str(ROOT / "scripts/bench/archive"), "--events", "1000", "--days", "3"]

    run = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=dict(os.environ))
    said, complained = await run.communicate()

    assert run.returncode == 0, complained.decode()
    assert "3,000 events of 3 days" in said.decode()
    assert "moved 3,000 events into 3 files" in said.decode()
    assert "report turns" in said.decode()
