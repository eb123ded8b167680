"""When days of the log are archived and removed, by itself and when somebody asks over the bus."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.bus.connection import Bus
from infra.clock import SetClock
from infra.event_log import archiving
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import Batch, EventLogError, Row, StreamIdentity
from infra.settings import LogSettings
from pipeline.log_archiving import ArchiveKeeping, checked_before, tell_to_check, tell_to_move
from schemas.errors import InvalidField
from schemas.turns import TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent, OwnServer

FIRST = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
DAYS = 10


@pytest.fixture
def clock() -> SetClock:
    return SetClock(FIRST)


@pytest.fixture
async def log(tmp_path: Path, clock: SetClock, new_event: "NewEvent") -> AsyncIterator[EventLog]:
    """A log with an event on each of DAYS days; the clock stands at noon of the day after them."""
    async with await open_log(tmp_path / "log.duckdb", clock=clock) as opened:
        for number in range(1, DAYS + 1):
            event = new_event(TextTurnOpened(text=f"number {number}"))
            row = Row(number, event.subject, {}, event.encoded())
            await opened.append(Batch(StreamIdentity("S", FIRST), (row,)))
            clock.at += timedelta(days=1)
        yield opened


async def places(log: EventLog) -> list[str]:
    return [str(place) for (place,) in (await log.ask("SELECT place FROM days ORDER BY day")).rows]


async def test_days_move_when_they_have_been_over_for_so_many(log: EventLog, clock: SetClock) -> None:
    await ArchiveKeeping(log.archiving, LogSettings(archive_after_days=7), clock).look()

    # It is the 11th: the 4th has been over for six days and a half, the 3rd for seven.
    assert await places(log) == ["archived"] * 3 + ["recent"] * 7


async def test_as_it_comes_nothing_is_ever_removed(log: EventLog, clock: SetClock) -> None:
    clock.at += timedelta(days=10_000)

    await ArchiveKeeping(log.archiving, LogSettings(), clock).look()

    assert await places(log) == ["archived"] * DAYS


async def test_nothing_moves_when_that_is_wanted(log: EventLog, clock: SetClock) -> None:
    clock.at += timedelta(days=10_000)

    await ArchiveKeeping(log.archiving, LogSettings(archive_after_days=None), clock).look()

    assert await places(log) == ["recent"] * DAYS


async def test_days_go_by_age_with_a_line_each(
    log: EventLog, clock: SetClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "parley.log")
    keeping = ArchiveKeeping(log.archiving, LogSettings(archive_after_days=0, keep_days=8), clock)

    await keeping.look()

    assert await places(log) == ["removed"] * 2 + ["archived"] * 8
    assert [told.split(",")[0] for told in caplog.messages] == [
        "archived 2026-11-01 to 2026-11-10: 10 events in 0.0 MB",
        "removed 2026-11-01 from the log: 1 events",
        "removed 2026-11-02 from the log: 1 events",
    ]
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == [f"day=2026-11-{d:02}" for d in range(3, 11)]


async def test_days_go_by_size_oldest_first(
    log: EventLog, clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ArchiveKeeping(log.archiving, LogSettings(archive_after_days=0), clock).look()
    sizes = [path.stat().st_size for path in sorted((tmp_path / "log").rglob("*.parquet"))]
    monkeypatch.setattr(archiving, "MB", 1)
    most = (tmp_path / "log.duckdb").stat().st_size + sum(sizes[3:]) + 1

    await ArchiveKeeping(log.archiving, LogSettings(archive_after_days=0, keep_mb=most), clock).look()

    assert await places(log) == ["removed"] * 3 + ["archived"] * 7


async def test_a_clock_that_jumps_ahead_while_it_runs_removes_nothing(log: EventLog, clock: SetClock) -> None:
    keeping = ArchiveKeeping(log.archiving, LogSettings(archive_after_days=0, keep_days=100), clock)
    clock.at += timedelta(days=10_000)

    await keeping.look()

    assert await places(log) == ["archived"] * DAYS


async def test_what_cannot_be_done_is_told_once_and_done_later(
    log: EventLog, clock: SetClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    keeping = ArchiveKeeping(log.archiving, LogSettings(archive_after_days=0), clock)
    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_sync", full)
        await keeping.look()
        await keeping.look()
    [told] = caplog.messages
    assert "its events stay in the database; try again later ([Errno 28] No space left on device)" in told
    assert await places(log) == ["recent"] * DAYS

    await keeping.look()

    assert await places(log) == ["archived"] * DAYS


@pytest.mark.parametrize("text", ["yesterday", "2026-11-12", ""])
def test_a_day_that_is_not_over_or_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match=r"today at the latest \(2026-11-11 in UTC\)"):
        checked_before("--before", text, date(2026, 11, 11))


@pytest.mark.slow
async def test_others_ask_the_owner_over_the_bus(
    log: EventLog, clock: SetClock, own_server: "OwnServer", tmp_path: Path
) -> None:
    async with Bus(own_server.address, name="logger") as bus:
        ArchiveKeeping(log.archiving, LogSettings(), clock).answer_on(bus)
        await bus.start_answering()
        async with Bus(own_server.address, name="cli") as asking:
            moved = await tell_to_move(asking, date(2026, 11, 2))
            assert moved is not None
            assert (moved.day, moved.rows) == ("2026-11-01", 1)
            assert await tell_to_move(asking, date(2026, 11, 2)) is None
            assert await tell_to_check(asking) == []
            file = tmp_path / "log" / moved.path
            await asyncio.to_thread(file.unlink)
            [missing] = await tell_to_check(asking)
            assert asdict(missing) == {**asdict(moved), "why": "No such file or directory"}
            with pytest.raises(InvalidField, match="today at the latest"):
                await tell_to_move(asking, date(2027, 1, 1))
            for nonsense in (b"", b"[]", b"{}", b'{"before": 1}', b"\xff"):
                answer = json.loads(await asking.ask("parley.archive.log", nonsense, timeout_s=5))
                assert "error" in answer
            await log.aclose()
            with pytest.raises(EventLogError, match="being closed"):
                await tell_to_move(asking, date(2026, 11, 5))
