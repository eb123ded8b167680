"""How a command reaches the log: its owner over the bus while Parley runs, the file itself when none does."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from infra import instance
from infra.bus.connection import Bus
from infra.clock import SystemClock
from infra.event_log.port import LogMissing, Table
from infra.settings import Settings
from pipeline import wiring
from pipeline.cli.joining import bus_of, joined
from pipeline.log_archiving import Moved, check, move_one, tell_to_check, tell_to_move
from pipeline.log_files import Ask, TakeIn
from pipeline.logging_stage import ask_log, ask_log_at_length, take_lines_in, tell_log

if TYPE_CHECKING:
    from infra.event_log.log import EventLog


@dataclass(frozen=True, slots=True)
class Archive:
    """What can be done with the log's archive."""

    move: Callable[[date], Awaitable[Moved | None]]  # the oldest piece of what was recorded before a day
    check: Callable[[], Awaitable[list[Moved]]]  # reads every byte; the files that cannot be read


@asynccontextmanager
async def archiving(settings: Settings | None = None) -> AsyncIterator[Archive]:
    """The log's archive. While it is worked on without a Parley, none can start.

    Raises BusUnavailable, AlreadyRunning, LogMissing, LogBusy, LogUnreadable.
    """
    settings = joined(settings)
    if settings.bus.url is not None:
        async with bus_of(settings) as bus:
            yield Archive(partial(tell_to_move, bus), partial(tell_to_check, bus))
        return
    clock = SystemClock()
    async with _owned(settings) as log:

        async def move(before: date) -> Moved | None:
            return await move_one(log.archiving, before, clock.now())

        async def checked() -> list[Moved]:
            return await check(log.archiving, clock.now())

        yield Archive(move, checked)


@asynccontextmanager
async def asking(settings: Settings | None = None) -> AsyncIterator[Ask]:
    """Asks as often as wanted. Raises BusUnavailable, LogMissing, LogBusy, LogUnreadable."""
    settings = joined(settings)
    if settings.bus.url is not None:
        async with bus_of(settings) as bus:
            yield partial(ask_log, bus)
        return
    from infra.event_log.log import open_read_only

    async with await open_read_only(wiring.log_path(settings)) as log:
        yield log.ask


async def asked_at_length(sql: str, limit_rows: int | None) -> Table:
    """One answer that may be large, of at most so many rows. Raises like `asking`, and QueryRefused."""
    settings = joined(None)
    if settings.bus.url is not None:
        async with bus_of(settings) as bus:
            return await ask_log_at_length(bus, sql, limit_rows=limit_rows)
    from infra.event_log.log import open_read_only
    from infra.event_log.packing import unpacked

    async with await open_read_only(wiring.log_path(settings)) as log:
        return unpacked(await log.pack(sql, limit_rows=limit_rows))


@asynccontextmanager
async def telling(settings: Settings | None = None) -> AsyncIterator[TakeIn]:
    """Takes lines of a dump in, as often as wanted. While it is done without a Parley, none can start.

    Raises BusUnavailable, AlreadyRunning, LogBusy, LogUnreadable.
    """
    settings = joined(settings)
    if settings.bus.url is not None:
        async with bus_of(settings) as bus:
            yield partial(tell_log, bus)
        return
    async with _owned(settings, made=True) as log:
        yield partial(take_lines_in, log)


@dataclass(frozen=True, slots=True)
class Reached:
    """A log that can be asked and told. `bus` is None when no Parley runs."""

    ask: Ask
    take_in: TakeIn
    bus: Bus | None


@asynccontextmanager
async def asking_and_telling(settings: Settings | None = None) -> AsyncIterator[Reached]:
    """Both for one log that is there already. While it is done without a Parley, none can start.

    Raises BusUnavailable, AlreadyRunning, LogMissing, LogBusy, LogUnreadable.
    """
    settings = joined(settings)
    if settings.bus.url is not None:
        async with bus_of(settings) as bus:
            yield Reached(partial(ask_log, bus), partial(tell_log, bus), bus)
        return
    async with _owned(settings) as log:
        yield Reached(log.ask, partial(take_lines_in, log), None)


@asynccontextmanager
async def _owned(settings: Settings, *, made: bool = False) -> "AsyncIterator[EventLog]":
    """The log as its owner has it, on whose folder no Parley runs; `made`: a new one where there is none."""
    from infra.event_log.log import open_log

    path = wiring.log_path(settings)
    if not made and not path.exists():
        raise LogMissing(path)
    with instance.locked(settings.data_dir):
        async with await open_log(path, keeps_content=settings.training_data) as log:
            yield log
