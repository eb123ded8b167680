"""What SQLite's errors mean for a person: each as a StateError that names the file and says what to do about it."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from infra.state.errors import StateBusy, StateCorrupt, StateError, StateFull, StateMisused, StateUnwritable

_T = TypeVar("_T")
_HINTS: Final[dict[int, tuple[type[StateError], str]]] = {
    sqlite3.SQLITE_BUSY: (StateBusy, "another process has held the write lock for too long; look for one that hangs"),
    sqlite3.SQLITE_LOCKED: (StateBusy, "another statement holds a table; try again"),
    sqlite3.SQLITE_PERM: (StateUnwritable, "allow this user to read and write the file and its folder"),
    sqlite3.SQLITE_READONLY: (StateUnwritable, "allow this user to write the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: (StateUnwritable, "the file or its folder cannot be opened; check path and permissions"),
    sqlite3.SQLITE_IOERR: (StateUnwritable, "the disk refused; check its health, its space and its quota"),
    sqlite3.SQLITE_FULL: (StateFull, "no space is left; free some on that disk, nothing was changed"),
}
DAMAGE: Final = {
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is no database, or its beginning is damaged",
}


def done(path: Path, work: Callable[[], _T]) -> _T:
    """Do it; what sqlite3 raises is told as a StateError."""
    try:
        return work()
    except sqlite3.Error as error:
        raise translated(error, path) from error


def translated(error: sqlite3.Error, path: Path) -> StateError:
    """The same, for a person."""
    if code(error) in DAMAGE:
        return damaged(path, DAMAGE[code(error)])
    kind, hint = _HINTS.get(code(error), (StateMisused, "a mistake in the program's SQL"))
    return kind(f"{path}: {error}; {hint}")


def damaged(path: Path, found: str) -> StateCorrupt:
    """The file is not what was written; `found` says in what way."""
    # All of them: what was committed last lies in a file beside it.
    return StateCorrupt(
        f"{path}: {found}; restore a backup (all of {path.name}*), or move those files away to begin anew"
    )


def code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 when Python itself raised."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
