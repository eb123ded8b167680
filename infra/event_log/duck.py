"""The only file that imports duckdb: opening a file, running statements, appending rows, taking SQL apart.

Knows no table and no event. A Connection belongs to one thread at a time; only `interrupt` may come from another.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Self

import duckdb

from infra.event_log.port import LogBusy, LogLimits, LogMissing, LogUnreadable, archive_folder

_LOG = "log"  # what the file is called in SQL
_LOCK_OWNER = re.compile(r"\(PID (\d+)\)")

# What happens in the database, by name, so that nobody else needs the library to tell one from another.
Error = duckdb.Error
Interrupted = duckdb.InterruptException
OutOfMemory = duckdb.OutOfMemoryException
Broken = (duckdb.FatalException, duckdb.InternalException)


@dataclass(frozen=True, slots=True)
class Head:
    """The shape of a result."""

    columns: tuple[str, ...]
    types: tuple[str, ...]


class Connection:
    """One connection to one database file."""

    def __init__(self, raw: duckdb.DuckDBPyConnection) -> None:
        self._raw = raw
        self._in_doubt = False  # a transaction may still be open

    def run(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        """Run one statement to its end; all of its rows."""
        return self._raw.execute(sql, parameters or None).fetchall()

    def script(self, sql: str) -> None:
        """Run several statements that answer nothing."""
        for statement in self._raw.extract_statements(sql):
            self._raw.execute(statement).fetchall()

    @contextmanager
    def transaction(self, mode: str = "") -> Iterator[Self]:
        """All or nothing; `mode` "READ ONLY" also forbids writing."""
        if self._in_doubt:
            self._roll_back()
        self._in_doubt = True
        try:
            self.run(f"BEGIN TRANSACTION {mode}")
            yield self
            self.run("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):  # for want of memory, or interrupted: the next transaction tries again
                self._roll_back()
            raise
        self._in_doubt = False

    def _roll_back(self) -> None:
        self._raw.abort()
        with suppress(duckdb.TransactionException):  # none is open any more
            self.run("ROLLBACK")
        self._in_doubt = False

    def append(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Add rows through the appender, which is two hundred times as fast as INSERT with parameters."""
        with self._raw.appender(table) as appender:
            appender.append_rows(rows)

    def select(self, sql: str, parameters: Mapping[str, object]) -> Head:
        """Begin a query; its rows are fetched by `chunks`, inside the same transaction."""
        self._raw.execute(sql, dict(parameters) or None)
        description = self._raw.description or []
        return Head(tuple(str(c[0]) for c in description), tuple(str(c[1]) for c in description))

    def chunks(self, size_rows: int) -> Iterator[list[tuple[object, ...]]]:
        """The rows of the begun query, piece by piece. Whoever stops early leaves the rest to `drop`."""
        while chunk := self._raw.fetchmany(size_rows):
            yield chunk

    def drop(self) -> None:
        """Forget what has not been fetched; an unread result would block the connection."""
        self._raw.abort()

    def sibling(self) -> "Connection":
        """Another connection to the same open file, for another thread."""
        raw = self._raw.cursor()
        raw.execute(f"USE {_LOG}")
        return Connection(raw)

    def interrupt(self) -> None:
        """Stop what is running; does nothing when nothing is. May be called from any thread."""
        self._raw.interrupt()

    def close(self) -> None:
        self._raw.close()

    def reopen(self, path: Path, limits: LogLimits, siblings: Sequence["Connection"]) -> None:
        """Close the file with all that was connected to it, and open it anew: its memory is given back.

        Nobody may be using any of them. Raises like `connect`; all of them are closed then.
        """
        for sibling in siblings:
            sibling.close()
        self.close()
        self._raw = connect(path, limits, read_only=False)._raw
        for sibling in siblings:
            sibling._raw = self.sibling()._raw


def connect(path: Path, limits: LogLimits, *, read_only: bool) -> Connection:
    """Open a file so that no statement reaches any other file or changes any setting but its own search path.

    But for the archive's folder, which any statement may read and write: refusals.py is the wall there.

    Raises LogMissing (read_only), LogBusy, LogUnreadable.
    """
    if read_only and not path.exists():
        raise LogMissing(path)
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": f"{path}.tmp",
        "memory_limit": f"{limits.memory_mb}MB",
        "max_temp_directory_size": f"{limits.spill_mb}MB",
        "threads": limits.threads,
        "checkpoint_threshold": f"{limits.unsaved_kb}KB",
        "python_enable_replacements": False,  # otherwise a name in SQL finds variables of this program
        "autoinstall_known_extensions": False,
    }
    raw = duckdb.connect(":memory:", config=config)
    try:
        _attach(raw, path, f"ROW_GROUP_SIZE {limits.group_rows}{', READ_ONLY' if read_only else ''}")
    except BaseException:
        raw.close()
        raise
    connection = Connection(raw)
    archive = _escaped(archive_folder(path))
    connection.script(
        f"""
        LOAD icu;
        SET GLOBAL TimeZone = 'UTC';
        SET allowed_directories = ['{archive}/'];
        SET enable_external_access = false;
        SET lock_configuration = true;
        """
    )
    return connection


def _attach(raw: duckdb.DuckDBPyConnection, path: Path, options: str) -> None:
    """Attached, not opened, because the number of rows in a group is an option of this statement only, each time."""
    try:
        raw.execute(f"ATTACH '{_escaped(path)}' AS {_LOG} ({options})")
        raw.execute(f"USE {_LOG}")
    except duckdb.ResourceInUseException as error:  # by this very process
        raise LogBusy(path, None) from error
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            owner = _LOCK_OWNER.search(str(error))
            raise LogBusy(path, int(owner[1]) if owner else None) from error
        raise LogUnreadable(f"{path}: {error}; name another file for the event log or move this one away") from error
    except duckdb.Error as error:
        raise LogUnreadable(f"{path}: {error}; name another file for the event log or move this one away") from error


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")


class Parser:
    """DuckDB's own parser, on an empty database of its own that nothing can be done with. For all threads."""

    def __init__(self) -> None:
        self._raw = duckdb.connect(":memory:", config={"threads": 1})
        self._raw.execute("SET enable_external_access = false").fetchall()
        self._raw.execute("SET lock_configuration = true").fetchall()
        self._turn = Lock()

    def kinds(self, sql: str) -> list[str]:
        """The kind of each statement, e.g. ["SELECT"]. Raises Error with the parser's message."""
        with self._turn:
            return [statement.type.name for statement in self._raw.extract_statements(sql)]

    def tree(self, sql: str) -> str:
        """The syntax tree of one SELECT as JSON, or JSON with `"error": true` and a message."""
        with self._turn:
            [(tree,)] = self._raw.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()
        return str(tree)

    def close(self) -> None:
        self._raw.close()


class Typed:
    """Rows that came as JSON, with their columns' types again, in a database of its own in memory."""

    def __init__(self, head: Head, rows: Iterable[str]) -> None:
        """`rows` are JSON arrays. What a type cannot be made of again (an interval) stays text."""
        self._raw = duckdb.connect(":memory:", config={"threads": 1})
        self._raw.execute("CREATE TABLE came (place BIGINT, told JSON)").fetchall()
        with self._raw.appender("came") as appender:
            appender.append_rows(enumerate(rows))
        columns = [
            f"{self._made(place, kind)} AS {_quoted(name)}"
            for place, (name, kind) in enumerate(zip(_each_different(head.columns), head.types, strict=True))
        ]
        self._raw.execute(f"CREATE TABLE answer AS SELECT {', '.join(columns)} FROM came ORDER BY place").fetchall()

    def _made(self, place: int, kind: str) -> str:
        """How a column is made."""
        text, tree = f"json_extract_string(told, '$[{place}]')", f"json_extract(told, '$[{place}]')"
        nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))
        made = f"unhex({text})" if kind == "BLOB" else f"CAST({tree if nested else text} AS {kind})"
        try:
            self._raw.execute(f"SELECT count({made}) FROM came").fetchall()
        except duckdb.Error:
            return text
        return made

    def write_parquet(self, path: Path) -> None:
        """Raises OSError when the file cannot be written."""
        try:
            self._raw.table("answer").write_parquet(str(path), compression="zstd")
        except duckdb.IOException as error:
            raise OSError(0, str(error), str(path)) from error

    def arrow(self) -> object:
        """The rows as something with `__arrow_c_stream__`."""
        return self._raw.table("answer")

    def close(self) -> None:
        self._raw.close()


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _each_different(names: Sequence[str]) -> list[str]:
    """A file's columns have different names, whatever their case: a, a_1, …"""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        number, free = 0, name
        while free.casefold() in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free.casefold())
        found.append(free)
    return found
