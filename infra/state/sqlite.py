"""The state in one SQLite file that several processes open at once: the connection, its transactions, its errors.

The only file that knows sqlite3. Knows no table. One connection a process; a transaction holds the file's write lock
from its first moment (BEGIN IMMEDIATE), so what it reads stays true. The lock goes round: a process that has just had
it lets another one go first that waits (infra/state/turnstile.py).

A statement takes some ten microseconds, less than handing it to a thread: it runs in the event loop, for which it never
waits, since a lock that is taken is told at once. What may wait for the disk has a thread of its own: opening, and the
commit of what has changed, unless the disk has shown to need less time for it than the way to a thread and back.
"""

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from infra.clock import Clock
from infra.state import inbox, migrations, soundness
from infra.state.errors import MigrationChanged, StateForeign, StateMisused, StateTooNew, StateUnwritable
from infra.state.port import State, Transaction, Unit
from infra.state.refusals import code, done, translated
from infra.state.row import Row, Value, stored
from infra.state.turnstile import LOOK_EVERY_S, OpenWay, Turnstile
from infra.tasks import to_the_end
from infra.worker_thread import WorkerThread
from schemas.event import Event

BUSY_TIMEOUT_MS = 0  # SQLite itself does not wait for the write lock: it would look ever less often, every 100 ms soon
QUICK_COMMIT_S = 0.001  # an SSD takes some 0.2 ms
COMMITS_WEIGHT = 0.2  # of the newest commit in the mean
CACHE_KIB = 512  # of pages: the system keeps the rest of the file in memory anyway, for all processes once
SMALL_PAGE_BYTES = 1_024  # in memory, where most tables hold a few rows and the whole is copied often
BUSY_LIMIT_S = 20.0  # how long a transaction tries to begin: well above any honest one

log = logging.getLogger("parley.state")


@asynccontextmanager
async def open_state(path: Path, clock: Clock) -> AsyncIterator[State]:
    """Open the file (made with its folder when absent, readable by this user only) and bring its schema up to date.

    Raises StateError: unwritable, damaged, another program's, newer than this program, or locked for BUSY_LIMIT_S.
    """
    try:
        await asyncio.to_thread(soundness.check, path)  # first, so that a damaged file stays as it is
        await asyncio.to_thread(_make_private, path)
        known = await asyncio.to_thread(migrations.read)
        turnstile = Turnstile(path.with_name(f"{path.name}.next"))
    except OSError as error:
        raise StateUnwritable(f"{path}: {error.strerror}; check path and permissions") from error
    thread = WorkerThread("state")
    try:
        db = await thread.call(partial(done, path, partial(_connected, path)))
        try:
            state = SqliteState(db, path, clock, turnstile, thread)
            await state.prepare()
            await _brought_up_to_date(state, path, known, clock)
            yield state
        finally:
            await to_the_end(thread.call(db.close))  # the last one to close writes all back into the file
    finally:
        turnstile.close()
        await to_the_end(thread.aclose())


@asynccontextmanager
async def open_in_memory(clock: Clock, image: bytes | None = None) -> AsyncIterator["SqliteState"]:
    """A state that nobody else sees and that is gone when the block ends: empty, or a copy of another (its `image`)."""
    path = Path(":memory:")
    db = done(path, partial(_connected, path))
    try:
        state = SqliteState(db, path, clock, OpenWay(), WorkerThread("state"))
        if image is not None:
            done(path, partial(db.deserialize, image))
        else:
            done(path, partial(db.execute, f"PRAGMA page_size = {SMALL_PAGE_BYTES}"))
            async with state.transaction() as tx:
                await migrations.apply(tx, await asyncio.to_thread(migrations.read), clock.now())
        yield state
    finally:
        db.close()


class SqliteState:
    """One connection, lent to one transaction at a time. Made by open_state."""

    def __init__(
        self, db: sqlite3.Connection, path: Path, clock: Clock, turnstile: Turnstile | OpenWay, thread: WorkerThread
    ) -> None:
        self._db = db
        self._thread = thread
        self._path = path
        self._clock = clock
        self._turnstile = turnstile
        self._file = soundness.identity(path)  # None in memory
        self._commit_s = 0.0  # how long the disk has taken of late
        self._turn = asyncio.Lock()
        self._holder: asyncio.Task[Any] | None = None

    async def prepare(self) -> None:
        """Settings of the connection. Raises StateError."""
        # Two processes that open a new file at once: the switch to WAL says BUSY without waiting, so it is repeated.
        mode = (await self._patiently("PRAGMA journal_mode = WAL"))[0][0]
        if mode != "wal":
            raise StateUnwritable(f"{self._path}: write-ahead logging is not possible here; use a local disk")
        await self._patiently("PRAGMA foreign_keys = ON")
        # FULL: a commit is on the disk before its events are published, so even lost power cannot undo what was said.
        await self._patiently("PRAGMA synchronous = FULL")
        await self._patiently(f"PRAGMA cache_size = -{CACHE_KIB}")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See State.transaction."""
        task = asyncio.current_task()
        if task is not None and self._holder is task:
            raise StateMisused("this task is inside a transaction already; pass that one on instead of opening another")
        async with self._turn:
            self._holder = task
            tx = _SqliteTransaction(self._db, self._path)
            try:
                async with self._turnstile.passing():
                    await self._patiently("BEGIN IMMEDIATE")
                before = self._db.total_changes
                yield tx
                await self._commit(changed=self._db.total_changes != before or tx.altered)
            except BaseException:
                self._roll_back()
                raise
            finally:
                tx.ended = True
                self._holder = None

    def image(self) -> bytes:
        """All of the database as it is now: what open_in_memory goes on from."""
        return done(self._path, self._db.serialize)

    def handling(self, event: Event[Any], step: str, stage: str = "router") -> AbstractAsyncContextManager[Unit]:
        """See State.handling."""
        return inbox.handling(self, self._clock, event, step, stage)

    async def check(self, within_s: float) -> None:
        """See State.check."""
        if self._file is not None:
            await asyncio.to_thread(soundness.check_same, self._path, self._file, within_s)

    def _roll_back(self) -> None:
        """What led to it is what the caller hears of: a disk that refuses this too is only noted."""
        try:
            if self._db.in_transaction:
                self._db.rollback()
        except sqlite3.Error as error:
            log.warning("%s: %s", self._path, error)

    async def _commit(self, *, changed: bool) -> None:
        if not changed:
            self._end()
        elif self._commit_s <= QUICK_COMMIT_S:
            self._end_timed()
        else:
            await to_the_end(self._thread.call(self._end_timed))

    def _end(self) -> None:
        done(self._path, partial(self._db.execute, "COMMIT"))

    def _end_timed(self) -> None:
        began = time.perf_counter()
        self._end()
        self._commit_s += COMMITS_WEIGHT * (time.perf_counter() - began - self._commit_s)

    async def _patiently(self, sql: str) -> list[sqlite3.Row]:
        """Run a statement that needs a lock, again and again until BUSY_LIMIT_S have passed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + BUSY_LIMIT_S
        while True:
            try:
                return self._db.execute(sql).fetchall()
            except sqlite3.Error as error:
                if code(error) != sqlite3.SQLITE_BUSY or loop.time() >= until:
                    raise translated(error, self._path) from error
            await asyncio.sleep(LOOK_EVERY_S)


class _SqliteTransaction:
    """See Transaction."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self.ended = False
        self.altered = False  # the schema: not counted among the changes

    async def execute(self, sql: str, *values: Value) -> int:
        cursor = self._run(sql, values)
        self.altered = self.altered or cursor.rowcount < 0
        return cursor.rowcount

    async def fetch(self, sql: str, *values: Value) -> list[Row]:
        cursor = self._run(sql, values)
        return [Row(dict(row)) for row in done(self._path, cursor.fetchall)]

    def _run(self, sql: str, values: tuple[Value, ...]) -> sqlite3.Cursor:
        if self.ended:
            raise StateMisused("the transaction has ended; use it inside its block only")
        return done(self._path, partial(self._db.execute, sql, _stored(values)))

    async def first(self, sql: str, *values: Value) -> Row | None:
        rows = await self.fetch(sql, *values)
        return rows[0] if rows else None


def _stored(values: tuple[Value, ...]) -> list[str | int | float | bytes | None]:
    return [stored(value) if isinstance(value, datetime) else value for value in values]


async def _brought_up_to_date(state: State, path: Path, known: tuple[migrations.Migration, ...], clock: Clock) -> None:
    try:
        async with state.transaction() as tx:
            await migrations.apply(tx, known, clock.now())
    except (StateForeign, StateTooNew, MigrationChanged) as error:
        raise type(error)(f"{path}: {error}") from error


def _connected(path: Path) -> sqlite3.Connection:
    # Used by one thread at a time: by the loop's, or, while that waits, by the state's own.
    db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1_000, check_same_thread=False)
    db.row_factory = sqlite3.Row
    return db


def _make_private(path: Path) -> None:
    """Make the file, empty, before SQLite does: what people said is nobody else's to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
