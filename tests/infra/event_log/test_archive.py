"""Closed days lie in Parquet files and are seen where they always were."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from infra.clock import SetClock
from infra.event_log import archiving, duck, migrations, reports
from infra.event_log.archive import Archive, part_of
from infra.event_log.lines import imported
from infra.event_log.log import EventLog, LogReader, open_log, open_read_only
from infra.event_log.port import ArchiveFailed, Batch, LogLimits, LogUnreadable, QueryRefused, StreamIdentity, Table
from pipeline import log_files
from pipeline.log_files import Wanted
from schemas.event import Event, Fact

Said = list[Event[Fact]]
Typed = Callable[..., Said]
AsBatch = Callable[..., Batch]
Moved = Callable[[], Awaitable[int]]

FIRST_DAY = date(2026, 11, 20)
VIEWS = ("events", "turns", "transcripts", "intents", "tasks", "replies", "feedback", "latency", "engines", "failures")


async def seen(log: LogReader) -> dict[str, Table]:
    """Everything that people look at."""
    questions = {view: f"FROM {view} ORDER BY ALL" for view in VIEWS}
    questions["in order"] = "SELECT log_seq, id FROM events ORDER BY log_seq"
    tables = {name: await log.ask(sql) for name, sql in questions.items()}
    for name in reports.names():
        report = reports.report(name)
        tables[f"report {name}"] = await log.ask(report.sql, report.parameters())
    return tables


def rows_of(tables: dict[str, Table]) -> dict[str, tuple[object, ...]]:
    """What can be compared: some reports leave the order of equals open."""
    return {
        name: (table.columns, table.types, sorted(table.rows, key=str) if "report" in name else table.rows)
        for name, table in tables.items()
    }


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def dump(log: LogReader) -> list[str]:
    return [line async for line in log_files.dumped(lambda sql, given: log.ask(sql, given), Wanted())]


async def moved(log: EventLog, clock: SetClock, before: date | None = None) -> int:
    """Archive all that was recorded before a day, today if none is told; how many files."""
    files = 0
    while await log.archiving.archive_piece(before or clock.now().date(), clock.now()) is not None:
        files += 1
    return files


@pytest.fixture
def folder(path: Path) -> Path:
    return path.with_suffix("")


@pytest.fixture
async def three_days(
    path: Path, clock: SetClock, typed: Typed, spoken: Typed, batch: AsBatch
) -> AsyncIterator[tuple[EventLog, Said]]:
    """A log with 4, 11 and 4 events of three days; the clock stands in the third."""
    events: Said = []
    async with await open_log(path, clock=clock) as log:
        for turns in ([typed()], [spoken(), typed()], [typed()]):
            said = [event for turn in turns for event in turn]
            await log.append(batch(said, first=len(events) + 1))
            events += said
            clock.at += timedelta(days=1)
        clock.at -= timedelta(days=1)
        yield log, events


async def test_what_people_see_is_the_same_before_and_after(
    three_days: tuple[EventLog, Said], clock: SetClock, folder: Path, path: Path
) -> None:
    log, events = three_days
    before, lines = rows_of(await seen(log)), await dump(log)

    assert await moved(log, clock) == 2

    assert rows_of(await seen(log)) == before
    assert await dump(log) == lines
    assert [id_ for _, id_ in (await log.ask("SELECT log_seq, id FROM events")).rows] == [e.meta.id for e in events]
    files = [str(file.relative_to(folder)) for file in files_in(folder)]
    assert files == [
        "day=2026-11-20/000000000001-000000000004.parquet",
        "day=2026-11-21/000000000005-000000000015.parquet",
    ]
    assert (await log.ask("SELECT day, place, files, rows FROM days")).rows == (
        ("2026-11-20", "archived", 1, 4),
        ("2026-11-21", "archived", 1, 11),
        ("2026-11-22", "recent", 0, 4),
    )
    await log.aclose()
    async with await open_read_only(path) as reader:
        assert rows_of(await seen(reader)) == before


async def test_days_that_are_not_over_long_enough_stay(three_days: tuple[EventLog, Said], clock: SetClock) -> None:
    log, _ = three_days

    assert await moved(log, clock, before=FIRST_DAY + timedelta(days=1)) == 1
    assert await moved(log, clock, before=FIRST_DAY + timedelta(days=1)) == 0

    assert (await log.ask("SELECT place, rows FROM days")).rows == (("archived", 4), ("recent", 11), ("recent", 4))


async def test_a_large_day_moves_in_bounded_pieces(
    three_days: tuple[EventLog, Said], clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = three_days
    before = rows_of(await seen(log))
    monkeypatch.setattr(archiving, "PIECE_ROWS", 4)

    assert await moved(log, clock) == 1 + 3
    assert rows_of(await seen(log)) == before
    assert (await log.ask("SELECT files, rows FROM days")).rows == ((1, 4), (3, 11), (0, 4))


async def test_a_piece_is_bounded_in_bytes_and_holds_at_least_one_row(
    three_days: tuple[EventLog, Said], clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = three_days
    monkeypatch.setattr(archiving, "PIECE_BYTES", 1)

    assert await moved(log, clock, before=FIRST_DAY + timedelta(days=1)) == 4


async def test_messages_that_come_again_are_known_though_their_rows_are_archived(
    three_days: tuple[EventLog, Said], clock: SetClock, batch: AsBatch, path: Path
) -> None:
    log, events = three_days
    await moved(log, clock)

    again = await log.append(batch(events))
    as_copies = await log.append(batch(events, first=1000))
    await log.aclose()
    async with await open_log(path, clock=clock) as opened:
        after_a_start = await opened.append(batch(events))
        mixed = await opened.append(batch(events[:2], first=1))
        found = (await opened.ask("SELECT count(*), count(DISTINCT id), max(log_seq) FROM events")).rows

    assert (again.recorded, again.redelivered) == (0, 19)
    assert (as_copies.recorded, as_copies.copies) == (0, 19)
    assert (after_a_start.recorded, after_a_start.redelivered) == (0, 19)
    assert (mixed.recorded, mixed.redelivered) == (0, 2)
    assert found == ((19, 19, 19),)


async def test_a_message_below_the_position_that_was_never_recorded_still_comes_in(
    log: EventLog, clock: SetClock, typed: Typed, batch: AsBatch
) -> None:
    early, late = typed(), typed()
    await log.append(batch(late, first=5))
    clock.at += timedelta(days=1)
    await moved(log, clock)

    done = await log.append(batch(early + late))

    assert (done.recorded, done.redelivered) == (4, 4)


async def test_places_of_the_stream_that_come_with_other_events_are_noticed_in_the_archive(
    three_days: tuple[EventLog, Said], clock: SetClock, typed: Typed, batch: AsBatch
) -> None:
    log, _ = three_days
    await moved(log, clock)

    with pytest.raises(Exception, match="message 1 is on record as another event"):
        await log.append(batch(typed()))


async def test_late_rows_of_an_archived_day_become_a_second_file(
    three_days: tuple[EventLog, Said], clock: SetClock, typed: Typed, batch: AsBatch, folder: Path
) -> None:
    log, events = three_days
    await moved(log, clock)
    clock.at -= timedelta(days=1)  # a clock that was put right
    await log.append(batch(typed(), first=len(events) + 1))
    clock.at += timedelta(days=1)
    before = rows_of(await seen(log))

    assert await moved(log, clock) == 1

    assert rows_of(await seen(log)) == before
    assert len(list((folder / "day=2026-11-21").iterdir())) == 2


async def test_a_dump_of_archived_days_adds_nothing_when_it_is_taken_in(
    three_days: tuple[EventLog, Said], clock: SetClock, tmp_path: Path
) -> None:
    log, _ = three_days
    lines = await dump(log)
    await moved(log, clock)
    done = await log.take_in([imported(line.encode()) for line in lines])
    async with await open_log(tmp_path / "other" / "log.duckdb", clock=clock) as other:
        taken = await other.take_in([imported(line.encode()) for line in lines])
        assert await moved(other, clock) == 2, "each to the day on which it was recorded"
        assert await dump(other) == lines
        once_more = await other.take_in([imported(line.encode()) for line in lines])

    assert (done.recorded, done.known) == (0, 19)
    assert (taken.recorded, once_more.recorded, once_more.known) == (19, 0, 19)


async def test_ingest_goes_on_while_days_move_and_renewals_happen(
    path: Path, clock: SetClock, typed: Typed, batch: AsBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "PIECE_ROWS", 10)
    old, new = ([event for _ in range(20) for event in typed()] for _ in range(2))
    async with await open_log(path, LogLimits(renew_rows=8), clock=clock) as log:
        await log.append(batch(old))
        clock.at += timedelta(days=1)
        moving = asyncio.create_task(moved(log, clock))
        counts = []
        for first in range(0, 80, 4):
            await log.append(batch(new[first : first + 4], first=81 + first))
            counts.append((await log.ask("SELECT count(*), count(DISTINCT id), max(log_seq) FROM events")).rows[0])
        assert await moving == 8
        found = [id_ for (id_,) in (await log.ask("SELECT id FROM events ORDER BY log_seq")).rows]

    assert counts == [(84 + first, 84 + first, 84 + first) for first in range(0, 80, 4)]
    assert found == [event.meta.id for event in old + new]


# What goes wrong


def dies_in(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die, as far as files and database can tell, at a stage of the move."""

    class Died(BaseException):
        """Nothing may handle it."""

    def die(*_: object, **__: object) -> None:
        raise Died

    def die_after(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def and_die(*given: object, **named: object) -> None:
            real(*given, **named)
            die()

        monkeypatch.setattr(owner, name, and_die)

    match stage:
        case "noted":
            die_after(Archive, "begin")
        case "written":
            monkeypatch.setattr(archiving, "_sync", die)
        case "renamed":
            monkeypatch.setattr(archiving, "sha256_of", die)
        case "rows deleted, not committed":
            monkeypatch.setattr(Archive, "_look", die)
        case "committed":
            die_after(Archive, "commit")


@pytest.mark.parametrize("stage", ["noted", "written", "renamed", "rows deleted, not committed", "committed"])
async def test_killed_at_any_stage_each_event_is_seen_once_and_nothing_is_left_lying(
    stage: str,
    three_days: tuple[EventLog, Said],
    clock: SetClock,
    path: Path,
    folder: Path,
    tmp_path: Path,
) -> None:
    log, _ = three_days
    before, lines = rows_of(await seen(log)), await dump(log)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(BaseException) as died:
        dies_in(stage, patch)
        await moved(log, clock)
    assert type(died.value).__name__ == "Died"
    other = tmp_path / "after" / "log.duckdb"
    shutil.copytree(path.parent, other.parent)  # as the disk is at that moment

    # The view names the folder, which now is another one.
    async with await open_log(other, clock=clock) as opened:
        assert rows_of(await seen(opened)) == before
        assert await dump(opened) == lines
        assert (await opened.ask("SELECT count(*) FROM archived_files WHERE state = 'writing'")).rows == ((0,),)
        assert len(files_in(other.with_suffix(""))) == (1 if stage == "committed" else 0)
        await moved(opened, clock)
        assert rows_of(await seen(opened)) == before


async def test_a_disk_that_is_full_leaves_the_rows_where_they_are(
    three_days: tuple[EventLog, Said], clock: SetClock, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    log, _ = three_days
    before = rows_of(await seen(log))

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(ArchiveFailed, match="No space"):
        patch.setattr(archiving, "_sync", full)
        await moved(log, clock)

    assert rows_of(await seen(log)) == before
    assert not files_in(folder)
    assert await moved(log, clock) == 2


async def test_a_commit_that_was_made_though_it_failed_keeps_the_file(
    three_days: tuple[EventLog, Said], clock: SetClock, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    log, _ = three_days
    before = rows_of(await seen(log))
    commit, run = Archive.commit, duck.Connection.run

    def committed_and_failed(self: duck.Connection, sql: str, *rest: object) -> list[tuple[object, ...]]:
        done = run(self, sql, *rest)  # type: ignore[arg-type]  # handed on
        if sql == "COMMIT":
            raise duck.Error("the answer was lost")
        return done

    def commits_badly(self: Archive, *given: object) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(duck.Connection, "run", committed_and_failed)
            commit(self, *given)  # type: ignore[arg-type]  # handed on

    with monkeypatch.context() as outer, pytest.raises(ArchiveFailed):
        outer.setattr(Archive, "commit", commits_badly)
        await log.archiving.archive_piece(clock.at.date(), clock.at)

    assert rows_of(await seen(log)) == before
    await moved(log, clock)
    await log.archiving.tidy(clock.now())
    await log.aclose()
    async with await open_log(path, clock=clock) as opened:
        assert rows_of(await seen(opened)) == before


async def test_a_file_that_reads_back_otherwise_never_replaces_its_rows(
    three_days: tuple[EventLog, Said], clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = three_days
    before = rows_of(await seen(log))

    with monkeypatch.context() as patch, pytest.raises(ArchiveFailed, match="reads back as 4 rows that are not the 4"):
        patch.setattr(archiving, "_SAME", "count(*), random()")
        await moved(log, clock)

    assert rows_of(await seen(log)) == before


@pytest.fixture
def a_file(folder: Path) -> Callable[[], Path]:
    return lambda: next((folder / "day=2026-11-20").iterdir())


async def test_a_missing_file_is_told_does_not_stop_ingest_and_comes_back_when_it_is_put_back(
    three_days: tuple[EventLog, Said],
    clock: SetClock,
    batch: AsBatch,
    typed: Typed,
    a_file: Callable[[], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, events = three_days
    await moved(log, clock)
    aside = a_file().rename(tmp_path / "aside")
    place = log.archiving  # keeps its own books

    with pytest.raises(QueryRefused, match=r"an archive that can be read, not .*parquet.*ask again and 4 events"):
        await log.ask("SELECT count(payload) FROM events")
    assert (await log.ask("SELECT count(payload) FROM events")).rows == ((15,),)
    assert (await log.ask("SELECT place, rows, why FROM days LIMIT 1")).rows == (
        ("unreadable", 4, "No such file or directory"),
    )
    assert "its 4 events are missing from the log until it is put back" in caplog.text
    assert (await log.append(batch(typed(), first=len(events) + 1))).recorded == 4

    (log._path.with_suffix("") / "day=2026-11-20" / "000000000001-000000000004.parquet").write_bytes(aside.read_bytes())
    assert await place.tidy(clock.now()) == []
    assert (await log.ask("SELECT count(payload) FROM events")).rows == ((23,),)


async def test_a_missing_file_is_told_as_such_to_who_asks_for_a_large_answer(
    three_days: tuple[EventLog, Said], clock: SetClock, a_file: Callable[[], Path], tmp_path: Path
) -> None:
    log, _ = three_days
    await moved(log, clock)
    a_file().rename(tmp_path / "aside")

    with pytest.raises(QueryRefused, match=r"an archive that can be read, not .*\.parquet; ask again and 4 events"):
        await log.pack("SELECT count(payload) FROM events")


async def test_a_damaged_file_does_not_keep_what_comes_again_from_being_recorded(
    three_days: tuple[EventLog, Said], clock: SetClock, batch: AsBatch, a_file: Callable[[], Path]
) -> None:
    log, events = three_days
    await moved(log, clock)
    whole = a_file().read_bytes()
    a_file().write_bytes(whole[:-8] + b"\xff" * 8)

    done = await log.append(batch(events))

    assert (done.recorded, done.redelivered) == (4, 15), "what it held cannot be known"
    assert (await log.ask("SELECT count(*), count(DISTINCT id) FROM events")).rows == ((19, 19),)


async def test_bytes_that_changed_without_a_trace_are_found_by_a_check(
    three_days: tuple[EventLog, Said], clock: SetClock, a_file: Callable[[], Path]
) -> None:
    log, _ = three_days
    await moved(log, clock)
    whole = bytearray(a_file().read_bytes())
    whole[60] ^= 0xFF
    a_file().write_bytes(whole)

    assert await log.archiving.tidy(clock.now()) == []
    assert [file.why for file in await log.archiving.check(clock.now())] == ["its bytes have changed"]
    assert (await log.ask("SELECT count(*) FROM events")).rows == ((15,),)


async def test_a_log_whose_files_are_all_gone_still_opens(
    three_days: tuple[EventLog, Said], clock: SetClock, path: Path, folder: Path
) -> None:
    log, _ = three_days
    await moved(log, clock)
    await log.aclose()
    shutil.rmtree(folder)
    async with await open_read_only(path) as reader:
        with pytest.raises(QueryRefused, match=r"put the file back, or leave it out: parley log archive --check"):
            await reader.ask("FROM events")

    async with await open_log(path, clock=clock) as opened:
        assert (await opened.ask("SELECT count(*) FROM events")).rows == ((4,),)
        assert (await opened.ask("SELECT max(log_seq) FROM events")).rows == ((19,),)


async def test_a_log_that_was_moved_says_how_its_archive_is_found_again(
    three_days: tuple[EventLog, Said], clock: SetClock, path: Path, tmp_path: Path
) -> None:
    log, _ = three_days
    await moved(log, clock)
    await log.aclose()
    other = path.parent.rename(tmp_path / "it's elsewhere") / path.name

    with pytest.raises(LogUnreadable, match="has been moved; say `parley log archive --check` once"):
        await open_read_only(other)
    async with await open_log(other, clock=clock) as opened:
        assert (await opened.ask("SELECT count(*) FROM events")).rows == ((19,),)
    async with await open_read_only(other) as reader:
        assert (await reader.ask("SELECT count(*) FROM events")).rows == ((19,),)


async def test_files_that_the_log_does_not_know_are_never_touched(
    three_days: tuple[EventLog, Said], clock: SetClock, path: Path, folder: Path
) -> None:
    log, _ = three_days
    await moved(log, clock)
    mine = folder / "day=2026-11-20" / "mine.parquet"
    for stray in (mine, part_of(mine)):
        stray.write_bytes(b"mine")
    await log.aclose()

    async with await open_log(path, clock=clock) as opened:
        await opened.archiving.tidy(clock.now())

    assert mine.read_bytes() == part_of(mine).read_bytes() == b"mine"


# What nobody may


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{folder}/x.parquet'",
        "COPY events TO '{folder}/x.parquet' (FORMAT parquet)",
        "FROM read_parquet('{file}')",
        "FROM parquet_scan(['{file}'])",
        "FROM parquet_metadata('{file}')",
        "FROM '{file}'",
        'FROM "{file}"',
        "SELECT * FROM (WITH x AS (FROM '{file}') FROM x)",
        "FROM '{folder}/*/*.parquet'",
        "FROM read_text('{file}')",
        "FROM glob('{folder}/**')",
        "ATTACH '{folder}/x.duckdb'",
        "EXPORT DATABASE '{folder}/x'",
        "DELETE FROM recent_events",
        "UPDATE archived_files SET state = 'removed'",
        "CREATE OR REPLACE VIEW archived_events AS SELECT 1",
    ],
)
async def test_nobody_reads_or_writes_the_archive_but_through_the_views(
    sql: str, three_days: tuple[EventLog, Said], clock: SetClock, folder: Path, a_file: Callable[[], Path]
) -> None:
    log, _ = three_days
    await moved(log, clock)
    there = files_in(folder)

    with pytest.raises(QueryRefused):
        await log.ask(sql.format(folder=folder, file=a_file()))

    assert files_in(folder) == there
    assert (await log.ask("SELECT count(*) FROM events")).rows == ((19,),)


# What is kept for how long


async def test_days_beyond_their_age_are_removed_and_noted(
    three_days: tuple[EventLog, Said], clock: SetClock, folder: Path, batch: AsBatch, path: Path
) -> None:
    log, events = three_days
    await moved(log, clock)

    [gone] = await log.archiving.remove_oldest(FIRST_DAY + timedelta(days=1), None, clock.now())

    assert (gone.day, gone.rows, gone.why) == (FIRST_DAY, 4, "older than 2026-11-21")
    assert (await log.ask("SELECT min(log_seq), count(*) FROM events")).rows == ((5, 15),)
    assert (await log.ask("SELECT day, place, rows, why FROM days LIMIT 1")).rows == (
        ("2026-11-20", "removed", 4, "older than 2026-11-21"),
    )
    await log.archiving.tidy(clock.now())
    assert not (folder / "day=2026-11-20").exists()
    assert await log.archiving.remove_oldest(FIRST_DAY + timedelta(days=1), None, clock.now()) == []
    again = await log.append(batch(events))
    assert (again.recorded, again.redelivered) == (0, 19), "what was removed does not come back from the bus"
    await log.aclose()
    async with await open_log(path, clock=clock) as opened:
        assert len(await dump(opened)) == 15


async def test_a_log_of_which_everything_was_removed_goes_on_counting(
    three_days: tuple[EventLog, Said], clock: SetClock, typed: Typed, batch: AsBatch, path: Path
) -> None:
    log, _ = three_days
    clock.at += timedelta(days=1)
    await moved(log, clock)
    await log.archiving.remove_oldest(date(2027, 1, 1), None, clock.now())
    assert (await log.ask("SELECT count(*) FROM events")).rows == ((0,),)
    assert await dump(log) == []
    await log.aclose()

    async with await open_log(path, clock=clock) as opened:
        await opened.append(batch(typed(), first=20))
        assert (await opened.ask("SELECT min(log_seq) FROM events")).rows == ((20,),)


async def test_new_events_at_places_whose_rows_were_removed_are_not_lost(
    three_days: tuple[EventLog, Said], clock: SetClock, typed: Typed, batch: AsBatch
) -> None:
    log, _ = three_days
    clock.at += timedelta(days=1)
    await moved(log, clock)
    await log.archiving.remove_oldest(date(2027, 1, 1), None, clock.now())

    done = await log.append(batch(typed()))

    assert done.recorded == 4


async def test_the_oldest_days_go_when_all_takes_too_much_room(
    three_days: tuple[EventLog, Said], clock: SetClock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = three_days
    await moved(log, clock)
    monkeypatch.setattr(archiving, "MB", 1)
    size = sum(file.stat().st_size for file in [path, *files_in(path.with_suffix(""))])

    assert await log.archiving.remove_oldest(None, size, clock.now()) == []
    [gone] = await log.archiving.remove_oldest(None, size - 1, clock.now())

    assert (gone.day, gone.why) == (FIRST_DAY, f"over {size - 1} MB")


async def test_a_question_that_is_being_answered_keeps_the_bytes_of_what_was_removed(
    three_days: tuple[EventLog, Said], clock: SetClock, folder: Path
) -> None:
    log, _ = three_days
    await moved(log, clock)
    endless = "SELECT count(*) FROM events, range(1000000) a, range(1000000) b WHERE a.range + b.range = -log_seq"
    asking = asyncio.create_task(log.ask(endless, timeout_s=1.0))
    await asyncio.sleep(0)
    await log.archiving.remove_oldest(FIRST_DAY + timedelta(days=1), None, clock.now())

    await log.archiving.tidy(clock.now())

    assert list((folder / "day=2026-11-20").iterdir())
    with pytest.raises(QueryRefused):
        await asking
    await log.archiving.tidy(clock.now())
    assert not (folder / "day=2026-11-20").exists()


async def test_a_log_of_before_there_was_an_archive_is_brought_up_to_date(
    path: Path, clock: SetClock, typed: Typed, batch: AsBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    connection = duck.connect(path, LogLimits(), read_only=False)
    old_views = migrations.Migration(0, "views", "CREATE VIEW turns AS SELECT turn FROM events")
    migrations.apply(connection, path, migrations.tables()[:1], old_views, clock.now())
    connection.run(
        "INSERT INTO events (log_seq, stream, stream_seq, type, payload, recorded_at) "
        "VALUES (1, 1, 1, 'invalid', '{}', $now)",
        {"now": clock.now()},
    )
    connection.close()
    with pytest.raises(LogUnreadable, match="written by an older Parley"):
        await open_read_only(path)

    async with await open_log(path, clock=clock) as log:
        clock.at += timedelta(days=1)
        assert await moved(log, clock) == 1
        assert (await log.ask("SELECT log_seq, type FROM events")).rows == ((1, "invalid"),)
        assert (await log.append(batch(typed(), of=StreamIdentity("OTHER", clock.now())))).recorded == 4
        assert (await log.ask("SELECT max(log_seq) FROM events")).rows == ((5,),)
