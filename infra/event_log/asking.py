"""Answers questions about the log, a few at a time, each in a thread and with a connection of its own.

Knows nothing of the bus. A question sees what was committed when it began and never waits for the writer, nor the
writer for it; they share the processors and the memory that LogLimits allows.
"""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

import pydantic_core

from infra.event_log.duck import Connection, Error, Head, Interrupted, OutOfMemory, Parser
from infra.event_log.packing import Packing
from infra.event_log.port import Json, LogClosed, LogLimits, Packed, Parameter, QueryRefused, QueryStopped, Table
from infra.event_log.refusals import refuse_unless_select
from infra.tasks import to_the_end
from infra.worker_thread import WorkerThread

R = TypeVar("R")

_CHUNK_ROWS = 256
_NICENESS = 10  # a tenth of the share of whoever else wants the processor
_SET_ASIDE_WITHIN_S = 0.2  # what does not stop by then is gone around: a single value may take long to make
_INTERRUPT_EVERY_S = 0.05  # an interrupt that comes between two statements is lost, so it is repeated


A = TypeVar("A", Table, Packed)


class _Reader:
    """One thread with its connection."""

    def __init__(self, connection: Connection, parser: Parser, number: int) -> None:
        self.connection = connection
        self._parser = parser
        self._polite = False
        self.taken_for = ""  # why somebody else stopped what is being answered
        self.set_aside = False  # it is to be asked anew
        self.thread = WorkerThread(f"event-log-reader-{number}")

    def lent(self, work: Callable[[Connection], R]) -> R:
        """Do something that is no question."""
        self._let_others_go_first()
        return work(self.connection)

    def answer(self, sql: str, parameters: Mapping[str, Parameter], limit_rows: int, limit_bytes: int) -> Table:
        rows: list[tuple[Json, ...]] = []

        def take(row: bytes) -> None:
            rows.append(tuple(pydantic_core.from_json(row)))

        head, truncated, took_ms = self._told(sql, parameters, limit_rows, limit_bytes, take)
        return Table(head.columns, head.types, tuple(rows), truncated, took_ms)

    def pack(self, sql: str, parameters: Mapping[str, Parameter], limit_rows: int, limit_bytes: int) -> Packed:
        packing = Packing()
        head, truncated, took_ms = self._told(sql, parameters, limit_rows, limit_bytes, packing.add)
        rows = packing.finish()
        return Packed(head.columns, head.types, rows, packing.count, packing.size_bytes, truncated, took_ms)

    def _told(
        self,
        sql: str,
        parameters: Mapping[str, Parameter],
        limit_rows: int,
        limit_bytes: int,
        take: Callable[[bytes], None],
    ) -> tuple[Head, bool, float]:
        """Give each row as JSON to `take`; the answer's shape, whether it was cut, and the milliseconds."""
        began = perf_counter()
        self._let_others_go_first()
        refuse_unless_select(self._parser, sql)
        try:
            with self.connection.transaction("READ ONLY"):
                head = self.connection.select(sql, parameters)
                truncated = self._fetch(limit_rows, limit_bytes, take)
                self.connection.drop()
        except Interrupted:
            raise
        except OutOfMemory as error:
            raise QueryStopped(
                sql, f"an answer within the memory limit; read fewer rows or columns ({error})"
            ) from None
        except (Error, UnicodeError) as error:
            raise QueryRefused(sql, f"a SELECT over tables and columns that exist: {error}") from None
        return head, truncated, (perf_counter() - began) * 1_000

    def _let_others_go_first(self) -> None:
        if not self._polite:
            _let_others_go_first()
            self._polite = True

    def _fetch(self, limit_rows: int, limit_bytes: int, take: Callable[[bytes], None]) -> bool:
        """Whether there was more than the limits allow."""
        count = size_bytes = 0
        for chunk in self.connection.chunks(min(_CHUNK_ROWS, limit_rows + 1)):
            for raw in chunk:
                row = pydantic_core.to_json(
                    raw, inf_nan_mode="strings", bytes_mode="hex", timedelta_mode="iso8601", fallback=str
                )
                count += 1
                size_bytes += len(row)
                if count > limit_rows or size_bytes > limit_bytes:
                    return True
                take(row)
        return False

    async def aclose(self) -> None:
        await self.thread.aclose()
        self.connection.close()


class Asking:
    """The readers of one open log."""

    def __init__(self, connection: Connection, limits: LogLimits) -> None:
        self._limits = limits
        self._parser = Parser()
        self._readers = [_Reader(connection.sibling(), self._parser, number) for number in range(limits.readers)]
        self._idle: asyncio.Queue[_Reader] = asyncio.Queue()
        for reader in self._readers:
            self._idle.put_nowait(reader)
        self._answering: dict[_Reader, asyncio.Future[Any]] = {}
        self._closed = False
        self._holders = 0  # of the gate: several may want it closed at the same time
        self._open = asyncio.Event()
        self._open.set()

    async def ask(
        self,
        sql: str,
        parameters: Mapping[str, Parameter] | None = None,
        *,
        limit_rows: int | None = None,
        timeout_s: float | None = None,
    ) -> Table:
        """The answer to one SELECT; `parameters` stand as `$name` in the SQL.

        More rows than `limit_rows`, or bytes than LogLimits allows, are cut off (`truncated`). A limit above that of
        LogLimits is lowered to it. Raises QueryRefused, QueryStopped when time or memory ran out (waiting for a free
        reader counts), LogClosed.
        """
        limits = self._limits
        return await self._asked(
            _Reader.answer, sql, parameters, limit_rows, limits.ask_rows, limits.ask_bytes, timeout_s
        )

    async def pack(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None, *, limit_rows: int | None = None
    ) -> Packed:
        """The same for an answer that may be large: as bytes, within the larger limits of LogLimits."""
        limits = self._limits
        return await self._asked(_Reader.pack, sql, parameters, limit_rows, limits.pack_rows, limits.pack_bytes, None)

    async def _asked(
        self,
        how: Callable[[_Reader, str, Mapping[str, Parameter], int, int], A],
        sql: str,
        parameters: Mapping[str, Parameter] | None,
        limit_rows: int | None,
        most_rows: int,
        most_bytes: int,
        timeout_s: float | None,
    ) -> A:
        within_s = min(timeout_s or self._limits.ask_timeout_s, self._limits.ask_timeout_s)
        rows = most_rows if limit_rows is None else min(limit_rows, most_rows)
        if rows < 0 or within_s <= 0:
            raise QueryRefused(sql, "limit_rows from 0 and timeout_s above 0")
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    reader = await self._free_reader()
            except TimeoutError:
                told = f"a free reader within {within_s:g} s; all {len(self._readers)} are busy"
                raise QueryStopped(sql, told) from None
            answering = asyncio.ensure_future(
                reader.thread.call(partial(how, reader, sql, parameters or {}, rows, most_bytes))
            )
            self._answering[reader] = answering
            try:
                async with asyncio.timeout_at(deadline):
                    return await asyncio.shield(answering)
            except (TimeoutError, Interrupted):
                if self._closed:
                    raise LogClosed from None
                if not reader.set_aside or asyncio.get_running_loop().time() >= deadline:
                    raise QueryStopped(sql, reader.taken_for or f"an answer within {within_s:g} s") from None
            finally:
                await to_the_end(self._freed(reader, answering))

    async def lend(self, work: Callable[[Connection], R]) -> R:
        """Do `work` with a reader's connection, in its thread, beside ingest; it is stopped like a question.

        Raises what the work raises, Interrupted when ingest needed the memory, LogClosed.
        """
        reader = await self._free_reader()
        doing = asyncio.ensure_future(reader.thread.call(partial(reader.lent, work)))
        self._answering[reader] = doing
        try:
            return await asyncio.shield(doing)
        finally:
            await to_the_end(self._freed(reader, doing))

    async def _freed(self, reader: _Reader, work: "asyncio.Future[Any]") -> None:
        """Stop what the reader does, and give it to the next one."""
        await _stopped(reader, work)
        del self._answering[reader]
        reader.taken_for, reader.set_aside = "", False
        self._idle.put_nowait(reader)

    async def _free_reader(self) -> _Reader:
        reader = await self._idle.get()
        try:
            while not self._open.is_set():  # it may be closed again before whoever waits gets to run
                await self._open.wait()
            if self._closed:
                raise LogClosed
        except BaseException:
            self._idle.put_nowait(reader)  # for the next one that waits
            raise
        return reader

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """No question is answered in here: those that are under way are stopped, new ones wait."""
        with self.waiting():
            for reader in self._answering:
                reader.taken_for = "an answer within the memory that ingest leaves"
            await asyncio.gather(*(_stopped(reader, answering) for reader, answering in self._answering.items()))
            yield

    @asynccontextmanager
    async def set_aside(self) -> AsyncIterator[None]:
        """No question takes time in here: those that are under way are stopped and asked anew later, new ones wait."""
        with self.waiting():
            for reader in self._answering:
                reader.set_aside = True
                reader.connection.interrupt()
            if self._answering:
                await asyncio.wait(self._answering.values(), timeout=_SET_ASIDE_WITHIN_S)
            yield

    @property
    def answers(self) -> bool:
        """Whether a question is being answered just now."""
        return bool(self._answering)

    @contextmanager
    def waiting(self) -> Iterator[list[Connection]]:
        """New questions wait in here; the readers' connections, which nobody uses then unless one was under way."""
        self._holders += 1
        self._open.clear()
        try:
            yield [reader.connection for reader in self._readers]
        finally:
            self._holders -= 1
            if not self._holders:
                self._open.set()

    def refuse(self) -> None:
        """Answer nothing more: LogClosed is told."""
        self._closed = True

    async def aclose(self) -> None:
        """Interrupt what is being answered and free threads and connections."""
        self._closed = True
        for reader, answering in list(self._answering.items()):
            await _stopped(reader, answering)
        for reader in self._readers:
            await reader.aclose()
        self._parser.close()


def _let_others_go_first() -> None:
    """Give this thread, not the process, less of a processor that others want: ingest and the stages come first."""
    if sys.platform == "linux":  # elsewhere niceness is the process's
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


async def _stopped(reader: _Reader, answering: "asyncio.Future[Any]") -> None:
    """Wait until the thread is free again, interrupting what it does, also when the asker has gone away."""
    while not answering.done():
        reader.connection.interrupt()
        await asyncio.wait({answering}, timeout=_INTERRUPT_EVERY_S)
    if not answering.cancelled():
        answering.exception()  # seen: whoever asked has been told, or has gone
