"""Transactions on a real file: all or nothing, one after the other, and errors that say what to do."""

import asyncio
import itertools
import sqlite3
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.clock import SetClock
from infra.state import sqlite
from infra.state.errors import StateBusy, StateCorrupt, StateFull, StateMisused, StateUnwritable
from infra.state.port import State, Transaction
from infra.state.sqlite import open_state


async def _titles(tx: Transaction) -> list[str]:
    return [row.text("id") for row in await tx.fetch("SELECT id FROM notes ORDER BY id")]


async def _note(tx: Transaction, name: str) -> None:
    await tx.execute(
        "INSERT INTO notes (id, tenant, run, \"user\", text, created_at) VALUES (?, 't', 'live', 'u', 'x', '')", name
    )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def _read(path: Path) -> bytes:
    return path.read_bytes()


async def test_what_a_transaction_did_stays_when_it_ends(state: State, path: Path, clock: SetClock) -> None:
    async with state.transaction() as tx:
        await _note(tx, "a")

    async with open_state(path, clock) as again, again.transaction() as tx:
        assert await _titles(tx) == ["a"]


async def test_nothing_of_a_transaction_stays_when_it_fails(state: State) -> None:
    with pytest.raises(ZeroDivisionError):
        async with state.transaction() as tx:
            await _note(tx, "a")
            _ = 1 / 0

    async with state.transaction() as tx:
        assert await _titles(tx) == []


async def test_nothing_stays_of_a_task_that_is_cancelled_in_the_middle(state: State) -> None:
    written = asyncio.Event()

    async def write_and_wait() -> None:
        async with state.transaction() as tx:
            await _note(tx, "a")
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_and_wait())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with state.transaction() as tx:
        assert await _titles(tx) == []


async def test_cancelling_at_any_moment_leaves_all_or_nothing_and_the_state_usable(state: State) -> None:
    async def write(name: str) -> None:
        async with state.transaction() as tx:
            await _note(tx, f"{name}-1")
            await _note(tx, f"{name}-2")

    for steps in range(12):  # each try is cancelled one turn of the loop later than the one before
        task = asyncio.create_task(write(f"{steps:02}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async with state.transaction() as tx:
        names = await _titles(tx)
    halves = {name[:2] for name in names}
    assert len(names) == 2 * len(halves)


async def test_transactions_of_one_process_come_one_after_the_other(state: State) -> None:
    async def add_one() -> None:
        async with state.transaction() as tx:
            count = len(await _titles(tx))
            await asyncio.sleep(0)
            await _note(tx, f"{count:03}")  # fails if another one counted the same

    await asyncio.gather(*(add_one() for _ in range(20)))

    async with state.transaction() as tx:
        assert len(await _titles(tx)) == 20


async def test_a_transaction_inside_a_transaction_is_refused_instead_of_waiting_for_ever(state: State) -> None:
    async with state.transaction():
        with pytest.raises(StateMisused, match="inside a transaction already"):
            async with state.transaction():
                pass


async def test_a_transaction_that_has_ended_cannot_be_used(state: State) -> None:
    async with state.transaction() as tx:
        pass

    with pytest.raises(StateMisused, match="has ended"):
        await tx.fetch("SELECT 1")


async def test_a_mistake_in_the_sql_is_told_as_the_programs(state: State) -> None:
    async with state.transaction() as tx:
        with pytest.raises(StateMisused, match="no such table: nowhere"):
            await tx.fetch("SELECT * FROM nowhere")


async def test_a_lock_that_another_process_never_gives_back_is_an_error_after_the_limit(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_LIMIT_S", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StateBusy, match="another process has held the write lock"):
        async with state.transaction():
            pass

    other.execute("ROLLBACK")
    other.close()
    async with state.transaction() as tx:
        await _note(tx, "a")


async def test_a_full_disk_is_told_and_changes_nothing(state: State) -> None:
    async with state.transaction() as tx:
        await _note(tx, "before")
        await tx.fetch("PRAGMA max_page_count = 1")  # SQLite sets it to the present size: the file cannot grow

    with pytest.raises(StateFull, match="no space is left"):
        async with state.transaction() as tx:
            for index in range(1000):
                await _note(tx, f"{index} {'x' * 1000}")

    async with state.transaction() as tx:
        assert await _titles(tx) == ["before"]


async def test_another_programs_database_is_left_alone(path: Path, clock: SetClock) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()

    with pytest.raises(StateCorrupt, match=r"state\.db: the database belongs to another program"):
        async with open_state(path, clock):
            pass


async def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path, clock: SetClock) -> None:
    with pytest.raises(StateUnwritable, match="check path and permissions"):
        async with open_state(tmp_path, clock):
            pass


async def test_a_folder_that_cannot_be_written_is_told(clock: SetClock) -> None:
    # The kernel's own tree refuses root, too, which no chmod of ours would.
    with pytest.raises(StateUnwritable, match=r"/sys/parley/state\.db: .*; check path and permissions"):
        async with open_state(Path("/sys/parley/state.db"), clock):
            pass


async def test_a_file_that_may_only_be_read_is_told(state: State) -> None:
    async with state.transaction() as tx:
        await tx.fetch("PRAGMA query_only = ON")

        with pytest.raises(StateUnwritable, match="allow this user to write the file and its folder"):
            await _note(tx, "a")


async def test_the_file_is_nobody_elses_to_read(state: State, path: Path) -> None:
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name


@pytest.mark.parametrize(("disk_s", "elsewhere"), [(0.0002, False), (0.02, True)])
async def test_a_commit_for_which_the_disk_takes_long_does_not_hold_up_the_loop(
    state: State, monkeypatch: pytest.MonkeyPatch, disk_s: float, elsewhere: bool
) -> None:
    now_s, threads = itertools.count(step=disk_s), list[threading.Thread]()

    def perf_counter() -> float:
        threads.append(threading.current_thread())
        return next(now_s)

    async with state.transaction() as tx:
        await _note(tx, "before")
    monkeypatch.setattr(sqlite, "time", SimpleNamespace(perf_counter=perf_counter))
    monkeypatch.setattr(state, "_commit_s", 0.0)
    for name in ("first", "second"):
        async with state.transaction() as tx:
            await _note(tx, name)
    async with state.transaction() as tx:
        assert await _titles(tx) == ["before", "first", "second"]

    assert len(threads) == 4, "what changed nothing needs no disk"
    assert (threads[-1] is not threading.main_thread()) == elsewhere
