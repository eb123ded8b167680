"""The hops' benchmark, run small, as a person runs it."""

import asyncio
import json
import os
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from scripts.bench.carriers import figures
from scripts.bench.carriers.figures import judged

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
async def test_it_measures_every_variant_and_ends_as_its_ratios_say() -> None:
    command = [str(ROOT / "scripts/bench/hops"), "--rounds", "1", "--block", "4", "--without-ovos", "--json"]

    run = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=dict(os.environ))
    said, complained = await run.communicate()

    told = json.loads(said or complained)
    carriers = told["carriers"]
    assert set(carriers) == {
        *(figures.RAW, figures.RAW_PUSH, figures.RAW_WRITES, figures.BARE, figures.SHIPPED),
        *(figures.EXPORTED, figures.INBOX, figures.SEPARATE),
    }
    assert all(0 < one["p50_ms"] <= one["p95_ms"] and one["rate"] > 0 for one in carriers.values())
    found = judged({name: one["p50_ms"] for name, one in carriers.items()})
    assert told["ratios"] == [{"what": f.promise.text, "ratio": f.ratio, "kept": f.kept} for f in found]
    assert run.returncode == (0 if all(one["kept"] for one in told["ratios"]) else 1)
