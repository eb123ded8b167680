"""Looks whether a state file is whole, and changes nothing in it.

Finds a file that is no database, has lost its beginning or its end, or is gone while what belongs to it is still there,
and, as far as the given time goes (some hundreds of MB a second), pages that do not fit together: SQLite's quick
check. Does not find wrong values in whole pages, indexes that lack a row, or a damaged write-ahead log, which SQLite
reads up to the damage.
"""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

from infra.state.refusals import DAMAGE, code, damaged, translated

OPENED_WITHIN_S: Final = 1.0  # of the quick check when the state is opened: enough for all of a usual file
_PREFIX: Final = "*** in database main ***"
_EMPTY_BYTES: Final = 1  # SQLite takes a file of one byte for an empty one, too


def check(path: Path, within_s: float = OPENED_WITHIN_S) -> None:
    """Raises StateCorrupt when damage was found. Blocks for `within_s` at most, but for a slow disk.

    What keeps it from looking, such as a missing right, is left to be told by whoever opens the file.
    """
    if _size(path) <= _EMPTY_BYTES:
        _refuse_orphan(path)
        return
    try:
        # Never by open(): closing a file ends all locks on it that this process has, SQLite's too.
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as db:
            db.execute("SELECT name, sql FROM sqlite_master").fetchall()
            db.text_factory = _readable  # what the check says may quote what is damaged
            found = _quick_check(db, within_s)
    except sqlite3.Error as error:
        if code(error) in DAMAGE:
            raise translated(error, path) from error
        return
    except UnicodeDecodeError as error:
        raise damaged(path, DAMAGE[sqlite3.SQLITE_CORRUPT]) from error
    if found != "ok":
        raise damaged(path, f"the file is damaged ({' '.join(found.removeprefix(_PREFIX).split())})")


def check_same(path: Path, opened: tuple[int, int], within_s: float) -> None:
    """The same of a file that is open. Raises StateCorrupt also when another file, or none, lies there now."""
    if identity(path) != opened:
        raise damaged(path, "the file was removed or replaced while Parley ran")
    check(path, within_s)


def identity(path: Path) -> tuple[int, int] | None:
    """What tells this file from another that lies in its place later; None when there is none.

    Raises OSError when that cannot be told now.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _quick_check(db: sqlite3.Connection, within_s: float) -> str:
    cut = threading.Timer(within_s, db.interrupt)
    cut.start()
    try:
        return str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        if code(error) != sqlite3.SQLITE_INTERRUPT:
            raise
        return "ok"
    finally:
        cut.cancel()
        cut.join()  # else it might interrupt a connection that is closed


def _refuse_orphan(path: Path) -> None:
    """SQLite takes an absent or empty file for a new one, and removes the log beside it, however full."""
    beside = path.with_name(f"{path.name}-wal")
    if _size(beside) > 0 and _size(path) <= _EMPTY_BYTES:  # still: another process may just be making it
        gone = "empty" if path.exists() else "missing"
        raise damaged(path, f"the file is {gone}, but {beside.name}, which belongs to it, is there")


def _readable(text: bytes) -> str:
    return text.decode(errors="replace")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
