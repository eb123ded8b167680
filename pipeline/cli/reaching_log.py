"""How a command reaches the log: its owner over the bus while Parley runs, the file itself when none does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from infra import instance
from infra.event_log.port import Parameter, Table, TakenIn
from infra.settings import Settings
from pipeline import wiring
from pipeline.cli.joining import bus_of, joined
from pipeline.log_files import Ask, TakeIn
from pipeline.logging_stage import ask_log, ask_log_at_length, take_lines_in, tell_log


@asynccontextmanager
async def asking(settings: Settings | None = None) -> AsyncIterator[Ask]:
    """Asks as often as wanted. Raises BusUnavailable, LogMissing, LogBusy, LogUnreadable."""
    settings = joined(settings)
    if settings.bus.url is not None:
        async with bus_of(settings) as bus:

            async def over_the_bus(sql: str, parameters: Mapping[str, Parameter]) -> Table:
                return await ask_log(bus, sql, parameters)

            yield over_the_bus
        return
    from infra.event_log.log import open_read_only

    async with await open_read_only(wiring.log_path(settings)) as log:

        async def of_the_file(sql: str, parameters: Mapping[str, Parameter]) -> Table:
            return await log.ask(sql, parameters)

        yield of_the_file


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

            async def to_the_owner(payload: bytes) -> TakenIn:
                return await tell_log(bus, payload)

            yield to_the_owner
        return
    from infra.event_log.log import open_log

    with instance.locked(settings.data_dir):
        async with await open_log(wiring.log_path(settings), keeps_content=settings.training_data) as log:

            async def as_the_owner(payload: bytes) -> TakenIn:
                return await take_lines_in(log, payload)

            yield as_the_owner
