"""The exports' benchmark, run small, as a person runs it."""

import asyncio
import os
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
async def test_it_exports_the_turns_that_it_wrote() -> None:
    command = [str(ROOT / "scripts/bench/export"), "--turns", "300", "--kinds", "sft", "--format", "both"]

    run = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=dict(os.environ))
    said, complained = await run.communicate()

    assert run.returncode == 0, complained.decode()
    assert "300 turns, 1,815 events" in said.decode()
    assert "of 300 turns" in said.decode()
