"""Moves closed days into Parquet, a bounded piece at a time, beside ingest and questions; lets old ones go.

A piece is written beside ingest, with a reader's connection; only the note that it begins and the exchange of rows for
the finished file are the writer's, and take milliseconds. Killed at any instant, the log has each event once:

    noted as 'writing' -> written to *.part, read back, synced, renamed -> one transaction: rows out, file in

Until that transaction the rows count, and the file is deleted at the next start.

Knows no schedule: whoever owns the log says what is to be moved or removed and when.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final, Protocol, TypeVar

from infra.event_log.archive import RECENT, Archive, ArchivedFile, ArchiveMismatch, Span, part_of, quoted, sha256_of
from infra.event_log.asking import Asking
from infra.event_log.duck import Connection, Error
from infra.event_log.port import ArchiveFailed, EventLogError, RemovedDay

PIECE_ROWS: Final = 50_000  # some 0.5 s of one core
PIECE_BYTES: Final = 64 << 20  # of payloads
GROUP_ROWS: Final = 10_000  # what a lookup reads at least, and what is held in memory while it is written
MB: Final = 1_000_000

_CHOOSE = f"SELECT min(recorded_at) FROM {RECENT} WHERE recorded_at < $before"
_EXTENT = f"""
SELECT min(log_seq), max(log_seq) FROM (
    SELECT log_seq, sum(size) OVER (ORDER BY log_seq) - size AS before FROM (
        SELECT log_seq, strlen(payload::VARCHAR) AS size FROM {RECENT}
        WHERE recorded_at >= $begin AND recorded_at < $end ORDER BY log_seq LIMIT $rows
    )
) WHERE before < $bytes"""
_WITHIN = "log_seq BETWEEN $first AND $last AND recorded_at >= $begin AND recorded_at < $end"
_SAME = "count(*), bit_xor(hash(*COLUMNS(*)))"
_SPANS = "SELECT stream, min(stream_seq), max(stream_seq), min(turn), max(turn) FROM {rows} GROUP BY stream ORDER BY 1"

R = TypeVar("R")


class InWriter(Protocol):
    """Does something in the writer's thread, between two batches."""

    def __call__(self, work: Callable[[], R]) -> Awaitable[R]: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one day that follow one another."""

    day: date  # in UTC
    first: int  # log_seq
    last: int

    @property
    def path(self) -> str:
        """Of its file below the archive's folder."""
        return f"day={self.day.isoformat()}/{self.first:012}-{self.last:012}.parquet"

    @property
    def within(self) -> dict[str, object]:
        """The parameters of the condition that takes its rows. Imported rows of other days may lie among them."""
        return {"first": self.first, "last": self.last, "begin": midnight(self.day), "end": _next_midnight(self.day)}


class Archiving:
    """What the owner of an open log may do with its archive. One thing is done at a time."""

    def __init__(self, archive: Archive, asking: Asking, in_writer: InWriter, path: Path) -> None:
        """`path` is the database's file."""
        self._archive = archive
        self._asking = asking
        self._in_writer = in_writer
        self._path = path
        self._turn = asyncio.Lock()

    async def archive_piece(self, before: date, now: datetime) -> ArchivedFile | None:
        """Move the oldest rows that were recorded before a day (UTC) begins; None when there are none.

        Raises ArchiveFailed, and then all rows are where they were; LogBroken, LogClosed.
        """
        async with self._turn:
            with _told():
                piece = await self._asking.lend(lambda connection: chosen(connection, before))
            if piece is None:
                return None
            try:
                return await self._move(piece, now)
            except (Error, OSError, ArchiveMismatch) as error:
                with suppress(Error):  # otherwise with the next `tidy`, or at the next start
                    await self._in_writer(lambda: self._archive.sweep(now, removed=False))
                raise ArchiveFailed(piece.path, error) from error

    async def _move(self, piece: Piece, now: datetime) -> ArchivedFile:
        await self._in_writer(lambda: self._archive.begin(piece.path, piece.day, piece.first, piece.last, now))
        file = await self._asking.lend(lambda connection: write(connection, self._archive.folder, piece))
        await self._in_writer(lambda: self._archive.commit(file, _WITHIN, piece.within, now))
        return file

    async def remove_oldest(self, keep_from: date | None, keep_mb: int | None, now: datetime) -> list[RemovedDay]:
        """Remove archived days before `keep_from`, then the oldest until all takes `keep_mb` (1,000,000 bytes) at most.

        None: no such limit. What was removed stands in `archived_files`.
        """
        async with self._turn:
            removed = []
            with _told():
                going = self._too_old_or_too_many(keep_from, keep_mb)
            for day, files in going:
                why = f"older than {keep_from}" if keep_from is not None and day < keep_from else f"over {keep_mb} MB"
                with _told():
                    removed.append(await self._in_writer(partial(self._archive.remove, files, why, now)))
            return removed

    async def tidy(self, now: datetime) -> list[ArchivedFile]:
        """Delete the bytes of removed files if nobody is asking, and see whether all others lie as they did.

        Returns those that cannot be read.
        """
        async with self._turn:
            if not self._asking.answers:
                with self._asking.waiting(), _told():
                    await self._in_writer(lambda: self._archive.sweep(now))
            return await self._checked(now)

    async def check(self, now: datetime) -> list[ArchivedFile]:
        """Read every byte of every file; those that are not as they were written."""
        async with self._turn:
            return await self._checked(now, whole=True)

    async def _checked(self, now: datetime, *, whole: bool = False) -> list[ArchivedFile]:
        digests = {}
        with _told():
            for file in await self._in_writer(lambda: self._archive.in_doubt(whole=whole)):
                path = self._archive.folder / file.path
                digests[file.path] = await self._asking.lend(partial(_sha256_beside, path))
            return await self._in_writer(lambda: self._archive.check(digests, now))

    async def doubt(self, told: str, now: datetime) -> list[ArchivedFile]:
        """Look at the files that an error names; those that cannot be read, which the log goes on without."""
        return await self._in_writer(lambda: self._archive.doubt(told, now))

    def _too_old_or_too_many(
        self, keep_from: date | None, keep_mb: int | None
    ) -> list[tuple[date, list[ArchivedFile]]]:
        standing = sorted(
            (file for file in self._archive.files.values() if file.state in ("archived", "unreadable")),
            key=lambda file: file.day,
        )
        size = self._path.stat().st_size + sum(file.bytes for file in standing)
        going = []
        for day, of_day in groupby(standing, key=lambda file: file.day):
            files = list(of_day)
            too_old = keep_from is not None and day < keep_from
            if not too_old and (keep_mb is None or size <= keep_mb * MB):
                break
            size -= sum(file.bytes for file in files)
            going.append((day, files))
        return going


def chosen(connection: Connection, before: date) -> Piece | None:
    """The next piece of what was recorded before a day begins."""
    with connection.transaction("READ ONLY"):
        [(oldest,)] = connection.run(_CHOOSE, {"before": midnight(before)})
        if not isinstance(oldest, datetime):
            return None
        day = oldest.astimezone(UTC).date()
        extent = {"begin": midnight(day), "end": _next_midnight(day), "rows": PIECE_ROWS, "bytes": PIECE_BYTES}
        [(first, last)] = connection.run(_EXTENT, extent)
    assert isinstance(first, int) and isinstance(last, int)  # of at least the oldest row
    return Piece(day, first, last)


def write(connection: Connection, folder: Path, piece: Piece) -> ArchivedFile:
    """Write a piece's file, whole and on the disk, and read it back. Raises ArchiveMismatch."""
    target = folder / piece.path
    part = part_of(target)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    taken = _WITHIN
    for name, value in piece.within.items():  # COPY takes no parameters
        taken = taken.replace(f"${name}", str(value) if isinstance(value, int) else f"TIMESTAMPTZ '{value}'")
    rows = f"(FROM {RECENT} WHERE {taken})"
    file = f"read_parquet({quoted(str(part))}, hive_partitioning = false)"
    with connection.transaction("READ ONLY"):
        connection.run(
            f"COPY {rows} TO {quoted(str(part))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {GROUP_ROWS})"
        )
        [wanted], [found] = (connection.run(f"SELECT {_SAME} FROM {source}") for source in (rows, file))
        if wanted != found:
            raise ArchiveMismatch(f"{part} reads back as {found[0]} rows that are not the {wanted[0]} of the log")
        spans = connection.run(_SPANS.format(rows=file))
    part.chmod(0o600)
    _sync(part)
    part.replace(target)
    for changed in (target.parent, folder):
        _sync(changed)
    turns = [turn for *_, low, high in spans for turn in (low, high) if turn is not None]
    count = found[0]
    assert isinstance(count, int)
    return ArchivedFile(
        piece.path,
        piece.day,
        "archived",
        "",
        piece.first,
        piece.last,
        count,
        target.stat().st_size,
        sha256_of(target),
        min(turns, default=None),  # type: ignore[type-var, arg-type]  # UUIDs, as the table says
        max(turns, default=None),  # type: ignore[type-var, arg-type]
        tuple(Span(stream, first, last) for stream, first, last, *_ in spans),  # type: ignore[arg-type]  # integers
    )


@contextmanager
def _told() -> Iterator[None]:
    """What the database or the disk refuses, as something that is tried again."""
    try:
        yield
    except (Error, OSError) as error:
        raise EventLogError(f"the archive could not be looked after; it is tried again ({error})") from error


def _sha256_beside(path: Path, _: Connection) -> str:
    return sha256_of(path)


def midnight(day: date) -> datetime:
    """When a day begins, in UTC."""
    return datetime.combine(day, time(), UTC)


def _next_midnight(day: date) -> datetime:
    return midnight(day) + timedelta(days=1)


def _sync(path: Path) -> None:
    """Have the disk keep a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
