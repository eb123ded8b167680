"""The event log, open: the one owner who writes and answers, and a reader for when no owner runs.

All of DuckDB's work happens in threads of its own, the event loop only waits. Knows nothing of the bus: whoever
fetches from it calls `append` and acknowledges when that has returned.
"""

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from infra import memory
from infra.clock import Clock, SystemClock
from infra.event_log import duck, migrations
from infra.event_log.appending import Appending, last_position
from infra.event_log.archive import Archive, refuse_unless_in_place
from infra.event_log.archiving import Archiving
from infra.event_log.asking import Asking
from infra.event_log.duck import Connection
from infra.event_log.importing import Importing
from infra.event_log.lines import Imported
from infra.event_log.port import (
    Appended,
    Batch,
    LogBroken,
    LogBusy,
    LogLimits,
    LogUnreadable,
    Packed,
    Parameter,
    QueryRefused,
    QueryStopped,
    StreamIdentity,
    Table,
    TakenIn,
    archive_folder,
)
from infra.tasks import to_the_end
from infra.worker_thread import WorkerThread

REOPEN_WITHIN_S: Final = 5.0
REOPEN_EVERY_S: Final = 0.05
R = TypeVar("R")
A = TypeVar("A", Table, Packed)
W = TypeVar("W", Appended, TakenIn)


class LogReader:
    """A log that can be asked."""

    def __init__(self, path: Path, connection: Connection, thread: WorkerThread, limits: LogLimits) -> None:
        self._path = path
        self._connection = connection
        self._thread = thread
        self._asking = Asking(connection, limits)

    async def ask(
        self,
        sql: str,
        parameters: Mapping[str, Parameter] | None = None,
        *,
        limit_rows: int | None = None,
        timeout_s: float | None = None,
    ) -> Table:
        """The answer to exactly one SELECT. Raises QueryRefused, QueryStopped; see Asking.ask."""
        return await self._answered(sql, self._asking.ask(sql, parameters, limit_rows=limit_rows, timeout_s=timeout_s))

    async def _answered(self, sql: str, answering: Awaitable[A]) -> A:
        """The answer. What fails because of a file of the archive is told as such."""
        try:
            return await answering
        except QueryRefused as refused:
            folder = str(archive_folder(self._path))
            if isinstance(refused, QueryStopped) or folder not in refused.expected or folder in sql:
                raise
            told = refused.expected[refused.expected.index(folder) :].splitlines()[0].rstrip('"')
            raise QueryRefused(sql, await self._unreadable(told)) from None

    async def _unreadable(self, told: str) -> str:
        """What would be right where a file of the archive cannot be read; `told` begins with the file's name."""
        return (
            f"an archive that can be read, not {told}; put the file back, or leave it out: parley log archive --check"
        )

    async def pack(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None, *, limit_rows: int | None = None
    ) -> Packed:
        """An answer that may be large. Raises QueryRefused, QueryStopped; see Asking.pack."""
        return await self._answered(sql, self._asking.pack(sql, parameters, limit_rows=limit_rows))

    async def last_position(self, stream_name: str) -> int:
        """The highest sequence number recorded of the newest stream of this name."""
        return await self._thread.call(partial(last_position, self._connection, stream_name))

    async def aclose(self) -> None:
        """Interrupt questions, let a batch that is being written finish, and give the file back."""
        await self._asking.aclose()
        await self._thread.aclose()
        self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class EventLog(LogReader):
    """The owner: at most one in the world for each file."""

    def __init__(
        self,
        path: Path,
        connection: Connection,
        thread: WorkerThread,
        limits: LogLimits,
        clock: Clock,
        keeps_content: bool,
    ) -> None:
        super().__init__(path, connection, thread, limits)
        self._limits = limits
        self._clock = clock
        self._kept_rows = 0  # since the file was opened
        self._renewing = False
        archive = Archive(connection, archive_folder(path))
        archive.open(clock.now())
        self._archive = archive
        self._appending = Appending(connection, archive, limits.copies_window_rows, keeps_content)
        self.hurries = False
        """Whether ingest is behind: then a batch is written without any question beside it, which are asked anew."""
        self._importing = Importing(connection, self._appending)
        self.archiving = Archiving(archive, self._asking, self._in_writer, path)

    async def append(self, batch: Batch) -> Appended:
        """Record a batch, each event once, and how far the stream was read, in one transaction.

        When this returns it is on the disk and may be acknowledged; when it raises, nothing of it is, or (LogBroken)
        all of it, and comes again without harm. Batches are written one after the other. If the caller is cancelled the
        batch is written all the same, or not at all.
        What the database cannot do beside the questions it is asked to do once more without them: ingest comes first.

        Raises StreamChanged, LogBroken (start the process anew), or the database's error (disk full): try again.
        """

        return await self._written(lambda: self._appending.append(batch, self._clock.now()))

    async def take_in(self, lines: Sequence[Imported]) -> TakenIn:
        """Record lines of a dump that the log does not have, in one transaction, between two batches of the stream.

        Raises LogBroken, or the database's error (disk full): take the same lines in again.
        """

        return await self._written(lambda: self._importing.take_in(lines, self._clock.now()))

    async def _unreadable(self, told: str) -> str:
        wrong = await self.archiving.doubt(told, self._clock.now())
        if not wrong:
            return await super()._unreadable(told)
        rows = sum(file.rows for file in wrong)
        return f"an archive that can be read, not {told}; ask again and {rows} events of it are left out"

    async def _written(self, write: Callable[[], W]) -> W:
        """Run one transaction that adds rows in the writer's thread."""
        async with self._asking.set_aside() if self.hurries else contextlib.nullcontext():
            done = await self._in_writer(write)
        self._kept_rows += done.recorded
        if self._kept_rows >= self._limits.renewed_at(done.recorded):
            await self._renew()
        return done

    async def _in_writer(self, work: Callable[[], R]) -> R:
        """Work in the writer's thread, once more without the questions when it fails beside them."""
        try:
            return await self._thread.call(work)
        except duck.Broken as error:
            raise LogBroken(error) from error
        except duck.Error:  # nearly always memory, though it may come as what followed from it
            async with self._asking.paused():
                return await self._thread.call(work)

    async def _renew(self) -> None:
        """Open the file anew, if no question is being answered. Raises LogBroken when it does not open again."""

        def reopen(readers: Sequence[Connection]) -> None:
            until = time.monotonic() + REOPEN_WITHIN_S
            while True:
                try:
                    self._connection.reopen(self._path, self._limits, readers)
                    break
                except (duck.Error, LogBusy, LogUnreadable) as error:  # somebody looks into it, or the disk is full
                    if time.monotonic() > until:
                        raise LogBroken(error) from error
                time.sleep(REOPEN_EVERY_S)
            memory.give_back()

        if self._asking.answers or self._renewing:
            return  # after the next batch
        self._renewing = True
        with self._asking.waiting() as readers:
            try:
                await to_the_end(self._thread.call(partial(reopen, readers)))
            except LogBroken:
                self._asking.refuse()
                raise
            finally:
                self._renewing = False
            self._kept_rows = 0

    def position(self, stream: StreamIdentity) -> int:
        """The highest sequence number recorded of this stream; 0 when it is new. Messages below it may be missing."""
        return self._appending.position(stream)


async def open_log(
    path: Path, limits: LogLimits | None = None, clock: Clock | None = None, *, keeps_content: bool = True
) -> EventLog:
    """Open the log as its owner, making it or bringing it up to date. Raises LogBusy, LogUnreadable.

    `keeps_content` False: what was said is left out of all that is recorded from now on, see content.py.
    """
    limits, clock = limits or LogLimits(), clock or SystemClock()
    thread = WorkerThread("event-log-writer")

    def begin() -> EventLog:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duck.connect(path, limits, read_only=False)
        try:
            migrations.apply(connection, path, migrations.tables(), migrations.views(), clock.now())
            return EventLog(path, connection, thread, limits, clock, keeps_content)
        except BaseException:
            connection.close()
            raise

    return await _in(thread, begin)


async def open_read_only(path: Path, limits: LogLimits | None = None) -> LogReader:
    """Open the log for questions while no Parley runs.

    Raises LogBusy (which says whom to ask instead), LogMissing, LogUnreadable.
    """
    limits = limits or LogLimits()
    thread = WorkerThread("event-log-reader")

    def begin() -> LogReader:
        connection = duck.connect(path, limits, read_only=True)
        try:
            migrations.check(connection, path, migrations.tables())
            refuse_unless_in_place(connection, path)
            return LogReader(path, connection, thread, limits)
        except BaseException:
            connection.close()
            raise

    return await _in(thread, begin)


async def _in(thread: WorkerThread, begin: Callable[[], R]) -> R:
    try:
        return await thread.call(begin)
    except BaseException:
        await thread.aclose()
        raise
