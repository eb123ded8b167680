"""A damaged state file is told before anybody works with it, and left as it is; a whole one costs little."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from infra.clock import SetClock
from infra.state.errors import StateCorrupt
from infra.state.soundness import check
from infra.state.sqlite import open_state

PAGE_BYTES = 4_096
LARGE_ROWS = 200_000


@pytest.fixture
def rows(path: Path) -> Path:
    """A whole database of some hundred pages, closed."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE lines (number INTEGER PRIMARY KEY, line TEXT)")
        db.executemany("INSERT INTO lines (line) VALUES (?)", [(f"{n:04} {'x' * 200}",) for n in range(2_000)])
        db.commit()
    return path


async def opened(path: Path, clock: SetClock) -> None:
    async with open_state(path, clock):
        pass


def beside(path: Path, ending: str = "-wal") -> Path:
    return path.with_name(f"{path.name}{ending}")


HARM: dict[str, Callable[[bytes], bytes]] = {
    "a text": lambda _: b"these are my holiday pictures",
    "zeros": lambda whole: bytes(len(whole)),
    "without its end": lambda whole: whole[: 5 * PAGE_BYTES],
    "without its beginning": lambda whole: bytes(PAGE_BYTES) + whole[PAGE_BYTES:],
    "a letter of a table's name": lambda whole: whole.replace(b"tablelines", b"table\xffines"),
    "a page in its middle": lambda whole: whole[: 20 * PAGE_BYTES] + b"\xff" * PAGE_BYTES + whole[21 * PAGE_BYTES :],
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_a_file_that_is_not_whole_is_refused_and_left_as_it_is(
    rows: Path, clock: SetClock, harm: Callable[[bytes], bytes]
) -> None:
    harmed = harm(rows.read_bytes())
    rows.write_bytes(harmed)

    with pytest.raises(StateCorrupt) as refused:
        asyncio.run(opened(rows, clock))

    assert str(refused.value).startswith(f"{rows}: ")
    assert str(refused.value).endswith("; restore a backup (all of state.db*), or move those files away to begin anew")
    assert len(str(refused.value).splitlines()) == 1
    assert rows.read_bytes() == harmed


@pytest.mark.parametrize("gone", ["missing", "empty", "but for a byte"])
def test_what_was_written_last_is_not_thrown_away_because_its_file_is_gone(
    rows: Path, clock: SetClock, gone: str
) -> None:
    with closing(sqlite3.connect(rows)) as db:
        db.execute("INSERT INTO lines (line) VALUES ('the newest')")
        db.commit()
        newest = beside(rows).read_bytes()  # before the last one to close writes it back
    assert newest
    beside(rows).write_bytes(newest)
    rows.unlink() if gone == "missing" else rows.write_bytes(b"" if gone == "empty" else b"S")
    told = "missing" if gone == "missing" else "empty"

    with pytest.raises(StateCorrupt, match=rf"the file is {told}, but state\.db-wal, which belongs to it, is there"):
        asyncio.run(opened(rows, clock))

    assert beside(rows).read_bytes() == newest


def test_a_whole_one_is_no_trouble_open_or_not(rows: Path, tmp_path: Path) -> None:
    check(tmp_path / "absent")
    check(rows)
    with closing(sqlite3.connect(rows)) as db:
        db.execute("INSERT INTO lines (line) VALUES ('one more')")  # the write lock is held
        check(rows)
        db.rollback()


def test_a_large_file_does_not_hold_up_a_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE lines (line BLOB)")
        db.execute(
            f"INSERT INTO lines WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {LARGE_ROWS}) "
            "SELECT zeroblob(200) FROM n"
        )
        db.commit()
    with path.open("r+b") as file:
        file.seek(5 * PAGE_BYTES)  # of the first rows, to which SQLite looks last
        file.write(b"\xff" * PAGE_BYTES)
    with pytest.raises(StateCorrupt, match=r"the file is damaged .*Page"):
        check(path, within_s=60)

    monkeypatch.setattr("infra.state.soundness.threading.Timer", Over)
    check(path)


class Over(threading.Thread):
    """A timer whose time is over as soon as it has begun; what it ends may have to begin first."""

    def __init__(self, within_s: float, end: Callable[[], None]) -> None:
        super().__init__()
        self._end = end
        self._cancelled = threading.Event()

    def run(self) -> None:
        while not self._cancelled.is_set():
            self._end()

    def cancel(self) -> None:
        self._cancelled.set()
