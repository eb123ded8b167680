"""Which files hold the log's closed days, and where a row of a given place or turn may lie.

Belongs to the log's writer and runs in its thread. What counts is table `archived_files`: a file that stands there as
'archived' is part of view `events`, any other is not, and a file that does not stand there is never touched. The
table, the view and the rows that leave `recent_events` change in one transaction, so whoever asks sees each event once.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from infra.event_log.duck import Connection, Error
from infra.event_log.port import LogUnreadable, RemovedDay, archive_folder

R = TypeVar("R")
RECENT: Final = "main.recent_events"
CHUNK_BYTES: Final = 1 << 20  # read at once for a hash
CHANGED: Final = "its bytes have changed"
_KEYS: Final = "log_seq, stream, stream_seq, id, turn"  # what a copy is known by
_VIEW: Final = "SELECT sql FROM duckdb_views() WHERE view_name = 'archived_events'"
_STANDING: Final = ("archived", "unreadable")  # states of files that should be there

log = logging.getLogger("parley.log")


@dataclass(frozen=True, slots=True)
class Span:
    """The lowest and the highest sequence number of one stream in a file."""

    stream: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One row of `archived_files`."""

    path: str
    day: date
    state: str
    why: str
    first_log_seq: int
    last_log_seq: int
    rows: int
    bytes: int
    sha256: str
    first_turn: UUID | None
    last_turn: UUID | None
    streams: tuple[Span, ...]

    def reaches(self, stream: int, low: int, high: int) -> bool:
        """Whether it may hold messages of a span of a stream."""
        return any(span.stream == stream and span.first <= high and low <= span.last for span in self.streams)

    def has_turns(self, low: UUID, high: UUID) -> bool:
        """Whether it may hold events of a span of turns."""
        return (
            self.first_turn is not None
            and self.last_turn is not None
            and (self.first_turn <= high and low <= self.last_turn)
        )


class Archive:
    """The writer's side of the archived files of one open log."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        """`folder` is absolute; its name stands in the view."""
        self._connection = connection
        self.folder = folder
        self.files: dict[str, ArchivedFile] = {}  # by path
        self._consulted: set[str] = set()  # since `settle`

    def open(self, now: datetime) -> None:
        """Clear away what a killed process has left behind, and bring the view in line with what lies in the folder."""
        self.read()
        self.sweep(now)
        self._mark(self._misplaced(), now)
        if not self._in_view():
            self._change({}, now)

    def _in_view(self) -> bool:
        """Whether the view names just the files that it should; not when the log has been moved."""
        [(sql,)] = self._connection.run(_VIEW)
        names = [quoted(str(self.folder / file.path)) for file in self._archived()]
        return str(sql).count(".parquet'") == len(names) and all(name in str(sql) for name in names)

    def read(self) -> None:
        """Take from the table which files there are."""
        names = [field.name for field in fields(ArchivedFile)]
        rows = self._connection.run(f"SELECT {', '.join(names)} FROM archived_files ORDER BY first_log_seq, day")
        found = (_file(dict(zip(names, row, strict=True))) for row in rows)
        self.files = {file.path: file for file in found}

    # Where a row may lie

    def last_log_seq(self) -> int:
        """The highest place in the log that was ever archived; 0 when none was."""
        return max((file.last_log_seq for file in self.files.values()), default=0)

    def by_place(self, streams: Iterable[int], low: int, high: int) -> str:
        """What stands for all rows of the log in FROM, where only messages of this span of these streams matter."""
        wanted = tuple(streams)
        return self._rows(
            file for file in self._archived() if any(file.reaches(stream, low, high) for stream in wanted)
        )

    def by_turn(self, low: str, high: str, after_log_seq: int = 0) -> str:
        """The same, where only events of this span of turns matter, and no row up to a place in the log."""
        first, last = UUID(low), UUID(high)
        return self._rows(
            file for file in self._archived() if file.last_log_seq > after_log_seq and file.has_turns(first, last)
        )

    def removed_within(self, stream: int, low: int, high: int) -> list[tuple[Span, UUID | None]]:
        """Spans of this stream whose rows were removed, each with the newest turn among them."""
        return [
            (span, file.last_turn)
            for file in self.files.values()
            if file.state in ("removing", "removed") and file.reaches(stream, low, high)
            for span in file.streams
            if span.stream == stream
        ]

    def _archived(self) -> Iterable[ArchivedFile]:
        return (file for file in self.files.values() if file.state == "archived")

    def _rows(self, files: Iterable[ArchivedFile]) -> str:
        paths = [file.path for file in files]
        if not paths:
            return RECENT
        self._consulted.update(paths)
        return f"(SELECT {_KEYS} FROM {RECENT} UNION ALL SELECT {_KEYS} FROM {self._read(paths)})"

    def _read(self, paths: Iterable[str]) -> str:
        listed = ", ".join(quoted(str(self.folder / path)) for path in paths)
        return f"read_parquet([{listed}], hive_partitioning = false)"

    # What changes

    def _look(self) -> None:
        """Make the view anew, within the caller's transaction."""
        paths = [file.path for file in self._archived()]
        rows = f"FROM {self._read(paths)}" if paths else f"FROM {RECENT} WHERE false"
        self._connection.run(f"CREATE OR REPLACE VIEW archived_events AS {rows}")

    def begin(self, path: str, day: date, first: int, last: int, now: datetime) -> None:
        """Note that a file is being written, so that what is left of it is known when this process is killed."""
        self._connection.run("DELETE FROM archived_files WHERE path = $path AND state = 'writing'", {"path": path})
        self._connection.run(
            "INSERT INTO archived_files VALUES "
            "($path, $day, 'writing', '', $now, $first, $last, 0, 0, '', NULL, NULL, [])",
            {"path": path, "day": day, "first": first, "last": last, "now": now},
        )
        self.read()

    def commit(self, file: ArchivedFile, taken: str, within: dict[str, object], now: datetime) -> None:
        """Let a finished file stand for its rows: they leave the table with the condition `taken`, all or none."""
        before = self.files
        try:
            with self._connection.transaction():
                [(gone,)] = self._connection.run(f"DELETE FROM {RECENT} WHERE {taken}", within)
                if gone != file.rows:
                    raise ArchiveMismatch(f"{file.path} holds {file.rows} rows, the table {gone}")
                self._connection.run(
                    "UPDATE archived_files SET state = 'archived', since = $now, rows = $rows, bytes = $bytes, "
                    "sha256 = $sha256, first_turn = $first_turn, last_turn = $last_turn, streams = $streams "
                    "WHERE path = $path",
                    {
                        "path": file.path,
                        "now": now,
                        "rows": file.rows,
                        "bytes": file.bytes,
                        "sha256": file.sha256,
                        "first_turn": file.first_turn,
                        "last_turn": file.last_turn,
                        "streams": [{"stream": s.stream, "first": s.first, "last": s.last} for s in file.streams],
                    },
                )
                self.files = {**self.files, file.path: file}
                self._look()
        except BaseException as error:
            self.files = before
            if isinstance(error, Error):
                self.read()  # it may have been committed all the same
                self._mark(self._unreadable_at_the_beginning(), now)  # what hindered the view does not do so again
            raise

    def remove(self, files: Iterable[ArchivedFile], why: str, now: datetime) -> RemovedDay:
        """Take all files of a day out of the log; their bytes go with `sweep`."""
        gone = list(files)
        self._mark({file.path: ("removing", why) for file in gone}, now)
        return RemovedDay(gone[0].day, sum(file.rows for file in gone), sum(file.bytes for file in gone), why)

    def sweep(self, now: datetime, *, removed: bool = True) -> None:
        """Delete the bytes of files that were never finished and, when no question is under way, of removed ones."""
        self.read()  # what counts is the table: a file of which one is not sure may be the only place of its rows
        for file in list(self.files.values()):
            if file.state != "writing" and not (removed and file.state == "removing"):
                continue
            try:
                for path in (self.folder / file.path, part_of(self.folder / file.path)):
                    path.unlink(missing_ok=True)
                with suppress(OSError):  # others lie in it
                    path.parent.rmdir()
            except OSError as error:  # its rows do not stand in the log, and it is tried again
                log.warning("%s cannot be deleted: %s", self.folder / file.path, error.strerror)
                continue
            if file.state == "writing":
                self._connection.run("DELETE FROM archived_files WHERE path = $path", {"path": file.path})
            else:
                self._state(file.path, "removed", file.why, now)
        self.read()

    def doubt(self, told: str, now: datetime) -> list[ArchivedFile]:
        """Look at the files that an error names, at every byte; those that cannot be read, which are left out now."""
        named = {file.path for file in self._archived() if file.path in told}
        self._consulted.update(named)
        return [self.files[path] for path in named] if self.settle(now) else []

    def in_doubt(self, *, whole: bool = False) -> list[ArchivedFile]:
        """Files whose bytes must be read to know whether they are well: unreadable ones; `whole`: all."""
        misplaced = self._misplaced()
        return [
            file
            for file in self.files.values()
            if file.path not in misplaced and (file.state == "unreadable" or (whole and file.state == "archived"))
        ]

    def check(self, digests: Mapping[str, str], now: datetime) -> list[ArchivedFile]:
        """Leave out of the log what cannot be read, take in again what can; those that are unreadable now.

        Looks at the files' sizes. `digests`: the SHA-256 that was found, by path.
        """
        wrong = self._misplaced()
        for path, digest in digests.items():
            if path not in wrong and self.files[path].state in _STANDING:
                wrong[path] = ("archived", "") if digest == self.files[path].sha256 else ("unreadable", CHANGED)
        self._mark(wrong, now)
        return [file for file in self.files.values() if file.state == "unreadable"]

    def settle(self, now: datetime) -> bool:
        """After an error: whether a file that was consulted cannot be read. It is left out from now on."""
        consulted, self._consulted = self._consulted, set()
        wrong = {path: state for path, state in self._misplaced().items() if path in consulted}
        for path in consulted - wrong.keys():
            if sha256_of(self.folder / path) != self.files[path].sha256:
                wrong[path] = ("unreadable", CHANGED)
        self._mark(wrong, now)
        return bool(wrong)

    def consulted(self, work: Callable[[], R], now: datetime) -> R:
        """Do what may look into files; once more without one that could not be read, if that is why it failed."""
        try:
            done = work()
        except Error:
            if not self.settle(now):
                raise
            done = work()
        self._consulted.clear()
        return done

    def _misplaced(self) -> dict[str, tuple[str, str]]:
        """Files that are missing or of another size than they were."""
        found = {}
        for file in self.files.values():
            if file.state in _STANDING:
                try:
                    size = (self.folder / file.path).stat().st_size
                except OSError as error:
                    found[file.path] = ("unreadable", str(error.strerror))
                    continue
                if size != file.bytes:
                    found[file.path] = ("unreadable", f"it has {size} bytes instead of {file.bytes}")
        return found

    def _mark(self, states: dict[str, tuple[str, str]], now: datetime) -> None:
        """Give files new states, and the view what follows from them."""
        changed = {path: new for path, new in states.items() if (self.files[path].state, self.files[path].why) != new}
        if changed:
            self._change(changed, now)

    def _change(self, changed: dict[str, tuple[str, str]], now: datetime) -> None:
        try:
            self._record(changed, now)
        except Error:  # DuckDB opens the first file when it makes a view
            if not (first := self._unreadable_at_the_beginning(changed.keys())):
                raise
            changed = {**changed, **first}
            self._record(changed, now)
        for path, (state, why) in changed.items():
            if state == "unreadable":
                log.warning(
                    "%s cannot be read: %s; its %d events are missing from the log until it is put back",
                    self.folder / path,
                    why,
                    self.files[path].rows,
                )

    def _record(self, changed: dict[str, tuple[str, str]], now: datetime) -> None:
        try:
            with self._connection.transaction():
                for path, (state, why) in changed.items():
                    self._state(path, state, why, now)
                self.read()
                self._look()
        except BaseException:
            self.read()
            raise

    def _unreadable_at_the_beginning(self, other_than: Iterable[str] = ()) -> dict[str, tuple[str, str]]:
        wrong: dict[str, tuple[str, str]] = {}
        for file in self._archived():
            if file.path in other_than:
                continue
            if sha256_of(self.folder / file.path) == file.sha256:
                break
            wrong[file.path] = ("unreadable", CHANGED)
        return wrong

    def _state(self, path: str, state: str, why: str, now: datetime) -> None:
        self._connection.run(
            "UPDATE archived_files SET state = $state, why = $why, since = $now WHERE path = $path",
            {"path": path, "state": state, "why": why, "now": now},
        )


def refuse_unless_in_place(connection: Connection, path: Path) -> None:
    """For a reader, who may not change the view: raises LogUnreadable when the log has been moved since."""
    [(sql,)] = connection.run(_VIEW)
    folder = archive_folder(path)
    if "read_parquet" in str(sql) and quoted(f"{folder}/")[1:-1] not in str(sql):
        raise LogUnreadable(
            f"{path}: the log has been moved; say `parley log archive --check` once, and its archive is looked for in "
            f"{folder}"
        )


class ArchiveMismatch(Exception):
    """A file does not hold what it was to hold; nothing has been taken out of the log."""


def _file(told: dict[str, Any]) -> ArchivedFile:
    return ArchivedFile(**{**told, "streams": tuple(Span(**span) for span in told["streams"])})


def part_of(path: Path) -> Path:
    """Under which name a file is written before it is whole."""
    return path.with_name(f"{path.name}.part")


def sha256_of(path: Path) -> str:
    """Of a file's bytes; empty when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()


def quoted(text: str) -> str:
    """Text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
