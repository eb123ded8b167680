"""A writer that is killed in the middle of an append or of archiving, and what comes again afterwards."""

import asyncio
import json
import os
import random
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from infra.clock import SetClock
from infra.event_log.log import open_log
from infra.event_log.port import Batch
from schemas.event import Event, Fact

KILLS = 4
TURNS = 400
ROOT = Path(__file__).parents[3]


async def killed_after(lines: int, program: str, *arguments: object, wait_s: float = 0) -> None:
    """Start a program of this folder and kill it with SIGKILL in what it does after having said so many lines."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name(program)),
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert writer.stdout is not None
    for _ in range(lines + 1):
        assert await writer.stdout.readline(), "the writer ended before it could be killed"
    await asyncio.sleep(wait_s)
    writer.kill()
    assert await writer.wait() == -9


async def test_after_kills_in_mid_append_and_redelivery_each_event_stands_once(
    path: Path, tmp_path: Path, typed: Callable[..., list[Event[Fact]]], batch: Callable[..., Batch]
) -> None:
    events = [event for _ in range(TURNS) for event in typed()]
    whole = batch(events)
    messages = tmp_path / "messages.jsonl"
    lines = [json.dumps([row.stream_seq, row.subject, row.payload.decode()]) for row in whole.rows]
    messages.write_text("\n".join([json.dumps(whole.stream.created.isoformat()), *lines]))
    chance = random.Random(5)

    for _ in range(KILLS):
        await killed_after(chance.randrange(1, 8), "writer_that_is_killed.py", path, messages)

    async with await open_log(path) as log:
        position = log.position(whole.stream)
        [(count, ids, highest)] = (
            await log.ask("SELECT count(*), count(DISTINCT id), max(stream_seq) FROM events")
        ).rows
        assert 0 < position < len(events), "killed in the middle"
        assert count == ids == highest == position, "a batch is there as a whole, with its position, or not at all"
        # Redelivery after a kill: newer messages first, then those that were under way, some of which are on record.
        assert (await log.append(Batch(whole.stream, whole.rows[position + 100 :]))).redelivered == 0
        again = await log.append(Batch(whole.stream, whole.rows[max(0, position - 50) :]))
        assert again.recorded == 100
        assert again.redelivered == 50 + len(events) - position - 100
        found = await log.ask("SELECT id FROM events ORDER BY stream_seq")
    assert [id_ for (id_,) in found.rows] == [event.meta.id for event in events]


async def test_after_kills_in_the_middle_of_archiving_each_event_stands_once(
    path: Path, clock: SetClock, typed: Callable[..., list[Event[Fact]]], batch: Callable[..., Batch]
) -> None:
    events = [event for _ in range(TURNS) for event in typed()]
    async with await open_log(path, clock=clock) as log:
        await log.append(batch(events))
    tomorrow = clock.at.date() + timedelta(days=1)
    chance = random.Random(7)

    for _ in range(KILLS):
        within_a_piece = chance.uniform(0, 0.03)
        await killed_after(chance.randrange(1, 12), "archiver_that_is_killed.py", path, tomorrow, wait_s=within_a_piece)
        async with await open_log(path) as log:
            found = (await log.ask("SELECT id FROM events ORDER BY log_seq")).rows
            [(archived,)] = (await log.ask("SELECT count(*) FROM archived_events")).rows
            lying = {str(file.relative_to(path.with_suffix(""))) for file in path.with_suffix("").glob("*/*")}
            known = {name for (name,) in (await log.ask("SELECT path FROM archived_files")).rows}

        assert [id_ for (id_,) in found] == [event.meta.id for event in events]
        assert isinstance(archived, int) and 0 < archived < len(events), "killed in the middle"
        assert lying == known, "nothing is left of the piece that was being moved"
