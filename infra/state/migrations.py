"""Brings the schema of a database up to date by numbered files, each once, each exactly as it was when first applied.

Does not go back: a database that knows more than this program is refused.
"""

import hashlib
import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.state.errors import MigrationChanged, StateForeign, StateTooNew
from infra.state.port import Transaction

FOLDER = Path(__file__).parent / "migrations"
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql\Z")
_TABLE = """CREATE TABLE migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """All migrations in order. Raises MigrationChanged when the numbers are not 1, 2, 3 … without a gap."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise MigrationChanged(f"{path.name}: a migration is named like 0001_what_it_adds.sql")
        found.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise MigrationChanged(f"{folder}: migrations are numbered {numbers}, expected 1 to {len(found)}, each once")
    return tuple(found)


async def apply(tx: Transaction, migrations: tuple[Migration, ...], now: datetime) -> int:
    """Apply what is missing; how many that were.

    Raises StateTooNew, MigrationChanged, StateForeign.
    """
    tables = {row.text("name") for row in await tx.fetch("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "migrations" not in tables:
        if tables - {"sqlite_sequence"}:
            raise StateForeign("the database belongs to another program; move it away, or name another data_dir")
        await tx.execute(_TABLE)
    applied = await tx.fetch("SELECT number, name, sha256 FROM migrations ORDER BY number")
    for row in applied:
        _refuse_unless_known(row.whole("number"), row.text("name"), row.text("sha256"), migrations)
    missing = migrations[len(applied) :]
    for migration in missing:
        for statement in _statements(migration.sql):
            await tx.execute(statement)
        await tx.execute(
            "INSERT INTO migrations (number, name, sha256, applied_at) VALUES (?, ?, ?, ?)",
            *(migration.number, migration.name, migration.sha256, now),
        )
    return len(missing)


def _refuse_unless_known(number: int, name: str, sha256: str, migrations: tuple[Migration, ...]) -> None:
    if number > len(migrations):
        raise StateTooNew(
            f"the database has migration {number:04}_{name}, this Parley knows {len(migrations)}: "
            "start a newer Parley, or name another data_dir"
        )
    ours = migrations[number - 1]
    if (ours.name, ours.sha256) != (name, sha256):
        raise MigrationChanged(
            f"migration {number:04}_{name} is not the one that made this database: "
            "restore the file as it was and add a new migration for the change"
        )


def _statements(script: str) -> list[str]:
    """The statements of a script; SQLite itself says where one ends (a trigger holds semicolons of its own)."""
    statements, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending.strip())
            pending = ""
    if pending.strip():
        raise MigrationChanged(f"a migration ends in the middle of a statement: {pending.strip()[:80]!r}")
    return statements
