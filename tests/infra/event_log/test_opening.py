"""Who may open the log, and what is told to whoever may not."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from infra.clock import SetClock
from infra.event_log import duck, migrations
from infra.event_log.log import EventLog, LogReader, open_log, open_read_only
from infra.event_log.migrations import Migration
from infra.event_log.port import Batch, LogBusy, LogLimits, LogMissing, LogUnreadable, QueryRefused
from schemas.event import Event, Fact

ROOT = Path(__file__).parents[3]
OPEN = """
import asyncio, pathlib, sys
from infra.event_log import log
async def main():
    async with await log.{how}(pathlib.Path(sys.argv[1])) as opened:
        print((await opened.ask("SELECT count(*) FROM events")).rows[0][0])
asyncio.run(main())
"""


async def elsewhere(how: str, path: Path) -> tuple[str, str]:
    """Open the log in another process; what that prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OPEN.format(how=how), str(path)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return out.decode().strip(), err.decode()


@pytest.mark.parametrize("how", ["open_log", "open_read_only"])
async def test_another_process_is_told_who_owns_the_log_and_whom_to_ask(how: str, log: EventLog, path: Path) -> None:
    _, told = await elsewhere(how, path)

    assert "LogBusy" in told
    assert f"process {os.getpid()} owns the event log" in told
    assert "ask the owner over the bus" in told


@pytest.mark.parametrize("opening", [open_log, open_read_only])
async def test_the_same_process_is_told_so_too(
    opening: Callable[[Path], Awaitable[LogReader]], log: EventLog, path: Path
) -> None:
    with pytest.raises(LogBusy, match="another connection of this process"):
        await opening(path)


async def test_two_readers_in_two_processes_read_what_an_owner_left(
    path: Path, typed: Callable[..., list[Event[Fact]]], batch: Callable[..., Batch]
) -> None:
    async with await open_log(path) as log:
        await log.append(batch(typed()))

    async with await open_read_only(path) as reader:
        assert (await reader.ask("SELECT count(*) FROM turns")).rows == ((1,),)
        assert await reader.last_position("PARLEY_EVENTS") == 4
        assert (await elsewhere("open_read_only", path))[0] == "4"
        with pytest.raises(QueryRefused):
            await reader.ask("DELETE FROM events")


async def test_a_log_that_is_not_there_is_not_made_by_a_reader(path: Path) -> None:
    with pytest.raises(LogMissing, match="parley up"):
        await open_read_only(path)
    with pytest.raises(LogMissing):  # still
        await open_read_only(path)


@pytest.mark.parametrize("opening", [open_log, open_read_only])
async def test_a_file_of_something_else_is_refused(opening: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"no database" * 1_000)

    with pytest.raises(LogUnreadable, match=r"photo\.jpg"):
        await opening(path)  # type: ignore[misc]  # both are coroutine functions

    assert path.read_bytes() == b"no database" * 1_000


async def test_the_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    other = duck.connect(path, LogLimits(), read_only=False)
    other.run("CREATE TABLE cats (name VARCHAR)")
    other.close()

    with pytest.raises(LogUnreadable, match="another program"):
        await open_log(path)

    again = duck.connect(path, LogLimits(), read_only=True)
    assert again.run("SELECT table_name FROM duckdb_tables()") == [("cats",)]
    again.close()


async def test_a_log_of_a_newer_parley_is_refused(path: Path, clock: SetClock) -> None:
    newer = (
        *migrations.tables(),
        Migration(len(migrations.tables()) + 1, "0099_more", "CREATE TABLE more (x INTEGER)"),
    )
    written(path, newer, clock)

    for opening in (open_log, open_read_only):
        with pytest.raises(LogUnreadable, match="start a newer Parley"):
            await opening(path)


async def test_a_log_of_an_older_parley_is_brought_up_to_date_by_its_owner_only(path: Path, clock: SetClock) -> None:
    path.parent.mkdir()
    connection = duck.connect(path, LogLimits(), read_only=False)
    connection.run("CREATE TABLE migrations (number INTEGER, name VARCHAR, sha256 VARCHAR, applied_at TIMESTAMPTZ)")
    connection.run("INSERT INTO migrations VALUES (0, 'views', 'old', now())")
    connection.close()

    with pytest.raises(LogUnreadable, match="older Parley"):
        await open_read_only(path)
    async with await open_log(path) as log:
        numbers = (await log.ask("SELECT number FROM migrations ORDER BY number")).rows
        assert numbers == tuple((number,) for number in range(len(migrations.tables()) + 1))


def test_a_migration_that_changed_after_it_was_applied_is_refused(path: Path, clock: SetClock) -> None:
    written(path, migrations.tables(), clock)
    [first, *rest] = migrations.tables()

    with pytest.raises(LogUnreadable, match="migrations never change"):
        written(path, (Migration(1, first.name, first.sql + " "), *rest), clock)


def test_a_migration_that_fails_leaves_nothing_behind(path: Path, clock: SetClock) -> None:
    broken = (
        *migrations.tables(),
        Migration(len(migrations.tables()) + 1, "0002_broken", "CREATE TABLE a (x INT); NO;"),
    )

    with pytest.raises(duck.Error):
        written(path, broken, clock)

    written(path, migrations.tables(), clock)


def test_views_that_were_edited_are_made_anew(path: Path, clock: SetClock) -> None:
    written(path, migrations.tables(), clock, "CREATE OR REPLACE VIEW ones AS SELECT 1 AS one")
    written(path, migrations.tables(), clock, "CREATE OR REPLACE VIEW ones AS SELECT 2 AS one")

    connection = duck.connect(path, LogLimits(), read_only=True)
    assert connection.run("FROM ones") == [(2,)]
    connection.close()


@pytest.mark.parametrize("names", [["0001_a", "0003_b"], ["0002_a"], ["first"]])
def test_migrations_that_are_not_numbered_one_by_one_are_refused(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / f"{name}.sql").write_text("SELECT 1")
    with pytest.raises(LogUnreadable):
        migrations.tables(tmp_path)


def test_rows_are_compressed_in_small_groups_also_in_a_file_that_has_large_ones(tmp_path: Path) -> None:
    """Whenever DuckDB writes, it holds all of the last group in memory: of its own 122,880 rows some 200 MB."""
    path = tmp_path / "log.duckdb"
    _rows_added(path, 5_000, LogLimits(group_rows=122_880))
    assert _groups(path) == [5_000]

    for _ in range(2):
        _rows_added(path, 3_000, LogLimits(group_rows=2_048))

    assert _groups(path)[0] == 5_000
    assert sum(_groups(path)) == 11_000
    assert max(_groups(path)[1:]) <= 2_048


def _rows_added(path: Path, count: int, limits: LogLimits) -> None:
    connection = duck.connect(path, limits, read_only=False)
    connection.run("CREATE TABLE IF NOT EXISTS numbers (number INTEGER)")
    connection.run("INSERT INTO numbers SELECT range FROM range($count)", {"count": count})
    connection.close()


def _groups(path: Path) -> list[int]:
    """How many rows there are in each."""
    connection = duck.connect(path, LogLimits(), read_only=True)
    found = connection.run(
        "SELECT sum(count)::INTEGER FROM pragma_storage_info('numbers') WHERE segment_type = 'INTEGER' "
        "GROUP BY row_group_id ORDER BY row_group_id"
    )
    connection.close()
    return [count for (count,) in found if isinstance(count, int)]


@pytest.mark.parametrize(
    "name", ['it\'s "mine".duckdb', "memory.duckdb", "select.duckdb", "ohne-Endung", "a b;c.duckdb"]
)
async def test_a_file_may_be_called_anything(name: str, tmp_path: Path) -> None:
    async with await open_log(tmp_path / name) as log:
        assert (await log.ask("SELECT count(*) FROM events")).rows == ((0,),)
    async with await open_read_only(tmp_path / name) as reader:
        assert (await reader.ask("SELECT current_database(), count(*) FROM events")).rows == (("log", 0),)
    assert (tmp_path / name).is_file()


def written(path: Path, tables: tuple[Migration, ...], clock: SetClock, views: str | None = None) -> None:
    """Bring a file up to date by hand."""
    path.parent.mkdir(exist_ok=True)
    connection = duck.connect(path, LogLimits(), read_only=False)
    try:
        look = migrations.views() if views is None else Migration(0, "views", views)
        migrations.apply(connection, path, tables, look, clock.now())
    finally:
        connection.close()
