"""Brings the tables of the log up to date by numbered files, each once, and makes the views anew when they changed.

Tables hold what happened and are migrated; views are only ways of looking, so their files may be edited at will.
Does not go back: a log that knows more than this program is refused.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.event_log.duck import Connection
from infra.event_log.port import LogUnreadable

HERE = Path(__file__).parent
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\Z")
_TABLE = """
CREATE TABLE migrations (
    number INTEGER NOT NULL,  -- 0: the views, whose sha256 is that of all their files
    name VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL
)"""
_VIEWS = 0


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def tables(folder: Path = HERE / "migrations") -> tuple[Migration, ...]:
    """The migrations in order. Raises LogUnreadable when their numbers are not 1, 2, 3 … without a gap."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.stem)
        if match is None:
            raise LogUnreadable(f"{path.name}: a migration is named like 0001_what_it_adds.sql")
        found.append(Migration(int(match[1]), path.stem, path.read_text(encoding="utf-8")))
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise LogUnreadable(f"{folder}: migrations are numbered {numbers}, expected 1 to {len(found)}, each once")
    return tuple(found)


def views(folder: Path = HERE / "views") -> Migration:
    """All views in the order of their file names, as one."""
    return Migration(
        _VIEWS, "views", "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql")))
    )


def apply(connection: Connection, path: Path, wanted: tuple[Migration, ...], look: Migration, now: datetime) -> None:
    """Apply what is missing, in one transaction. Raises LogUnreadable: a newer log, or another program's file."""
    with connection.transaction():
        applied = _applied(connection, path)
        if applied is None:
            connection.run(_TABLE)
            applied = {}
        _refuse_unless_known(path, applied, wanted)
        for migration in wanted:
            if migration.number not in applied:
                _apply_one(connection, migration, now)
        if applied.get(_VIEWS) != ("views", look.sha256):
            connection.run("DELETE FROM migrations WHERE number = 0")
            _apply_one(connection, look, now)


def check(connection: Connection, path: Path, wanted: tuple[Migration, ...]) -> None:
    """Refuse a log that this program cannot read and, being a reader, may not bring up to date."""
    applied = _applied(connection, path)
    if applied is None:
        raise LogUnreadable(f"{path}: a DuckDB file, but no event log")
    _refuse_unless_known(path, applied, wanted)
    if max(applied) < len(wanted):
        raise LogUnreadable(
            f"{path}: written by an older Parley; start this one once (parley up) to bring it up to date"
        )


def _applied(connection: Connection, path: Path) -> dict[int, tuple[str, str]] | None:
    """Number -> (name, sha256); None for an empty file."""
    present = {str(name) for (name,) in connection.run("SELECT table_name FROM duckdb_tables() WHERE NOT internal")}
    if "migrations" not in present:
        if present:
            raise LogUnreadable(f"{path}: the file belongs to another program; name another one for the event log")
        return None
    rows = connection.run("SELECT number, name, sha256 FROM migrations")
    return {int(str(number)): (str(name), str(sha256)) for number, name, sha256 in rows}


def _refuse_unless_known(path: Path, applied: dict[int, tuple[str, str]], wanted: tuple[Migration, ...]) -> None:
    known = {migration.number: (migration.name, migration.sha256) for migration in wanted}
    for number, (name, sha256) in sorted(applied.items()):
        if number == _VIEWS:
            continue
        if number not in known:
            raise LogUnreadable(
                f"{path}: the log has migration {name}, this Parley knows {len(wanted)}; start a newer Parley, "
                "or name another file for the event log"
            )
        if known[number] != (name, sha256):
            raise LogUnreadable(f"{path}: migration {name} is not the one that was applied; migrations never change")


def _apply_one(connection: Connection, migration: Migration, now: datetime) -> None:
    connection.script(migration.sql)
    connection.run(
        "INSERT INTO migrations VALUES ($number, $name, $sha256, $now)",
        {"number": migration.number, "name": migration.name, "sha256": migration.sha256, "now": now},
    )
