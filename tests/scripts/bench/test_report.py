"""The report's benchmark, run small, as a person runs it."""

import asyncio
import os
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from pipeline.report.asking import USED

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
async def test_it_times_each_question_of_the_report() -> None:
    command = [str(ROOT / "scripts/bench/report"), "--events", "10000"]

    run = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=dict(os.environ))
    said, complained = await run.communicate()

    assert run.returncode == 0, complained.decode()
    lines = said.decode().splitlines()
    assert 9_000 < int(lines[0].split(" ")[0].replace(",", "")) < 11_000
    assert {line.split()[0] for line in lines if line} >= {"count(*)", *USED}
