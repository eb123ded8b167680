"""The logger on the bus."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.errors import BusUnavailable
from infra.clock import SystemClock
from infra.event_log import duck
from infra.event_log.lines import LineRefused, line_of_event
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import (
    EventLogError,
    LogBroken,
    LogLimits,
    QueryRefused,
    QueryStopped,
    StreamIdentity,
    Table,
    TakenIn,
)
from pipeline.logging_stage import LogKeeping, ask_log, ask_log_at_length, tell_log
from schemas import subjects
from schemas.event import Event, Fact
from schemas.turns import TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent, OwnServer

    Until = Callable[..., Awaitable[Any]]
    Said = Callable[[Bus, Event[Fact]], Awaitable[None]]

pytestmark = pytest.mark.slow
FRONT = Hop("keeper")


async def test_after_lost_power_the_log_goes_on_with_what_the_bus_still_has(
    own_server: "OwnServer", tmp_path: Path, new_event: "NewEvent", until: "Until", said_at_last: "Said"
) -> None:
    kept, lost, later = (
        [new_event(TextTurnOpened(text=f"{when} {number}")) for number in range(3)]
        for when in ("kept", "lost", "later")
    )
    store, copy = own_server.folder / "store", own_server.folder / "copy"
    clock, stop = SystemClock(), asyncio.Event()
    log = await open_log(tmp_path / "log.duckdb", clock=clock)

    async def recorded(*ids: str) -> None:
        async def there() -> bool:
            table = await log.ask("SELECT id FROM events ORDER BY log_seq")
            return [str(row[0]) for row in table.rows] == list(ids)

        await until(there)

    async with Bus(own_server.address, name="logger") as bus:
        running = asyncio.create_task(LogKeeping(log, bus, clock).run(stop))
        for event in kept:
            await bus.say(event, FRONT)
        await recorded(*(event.meta.id for event in kept))
        await own_server.kill()
        await asyncio.to_thread(_copy, store, copy)  # what had reached the disk
        await own_server.start()
        for event in lost:
            await said_at_last(bus, event)
        await recorded(*(event.meta.id for event in (*kept, *lost)))
        await own_server.kill()
        await asyncio.to_thread(_copy, copy, store)
        await own_server.start()

        for event in later:
            await said_at_last(bus, event)

        await recorded(*(event.meta.id for event in (*kept, *lost, *later)))
        assert (await bus.extent(subjects.EVENT_STREAM)).last_seq == len(kept) + len(later)
        stop.set()
        await running
    await log.aclose()


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EventLog]:
    async with await open_log(tmp_path / "log.duckdb", LogLimits(ask_timeout_s=0.5), SystemClock()) as opened:
        yield opened


@pytest.fixture
async def keeping(log: EventLog, bus: Bus) -> AsyncIterator["asyncio.Task[None]"]:
    """The log's owner, at work until the test ends or the log breaks."""
    stop = asyncio.Event()
    running = asyncio.create_task(LogKeeping(log, bus, SystemClock()).run(stop))
    yield running
    stop.set()
    await asyncio.wait({running})


async def told_when_ready(bus: Bus, line: bytes) -> TakenIn:
    """What the owner says, who may not listen yet."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await tell_log(bus, line)
            except BusUnavailable:
                await asyncio.sleep(0.05)


def line_of(event: Event[Fact]) -> bytes:
    return line_of_event(StreamIdentity("S", event.meta.time), 1, event, {}, event.meta.time).encode()


async def test_lines_that_the_database_cannot_record_are_told_as_that_and_the_log_goes_on(
    log: EventLog, keeping: "asyncio.Task[None]", bus: Bus, new_event: "NewEvent", monkeypatch: pytest.MonkeyPatch
) -> None:
    line = line_of(new_event(TextTurnOpened(text="hello")))

    def full(*_: object) -> None:
        raise duck.Error("IO Error: Could not write file:\nNo space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(log._importing, "take_in", full)
        with pytest.raises(EventLogError, match=r"has none of them; .* \(IO Error: .* file: No space left on device\)"):
            await told_when_ready(bus, line)

    assert await tell_log(bus, line) == TakenIn(1, 0)
    assert not keeping.done()


async def test_a_log_that_breaks_while_lines_are_taken_in_says_so_and_ends_its_process(
    log: EventLog, keeping: "asyncio.Task[None]", bus: Bus, new_event: "NewEvent", monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise duck.Broken[0]("database has been invalidated")

    monkeypatch.setattr(log._importing, "take_in", broken)
    with pytest.raises(EventLogError, match=r"start the logger again .*invalidated"):
        await told_when_ready(bus, line_of(new_event(TextTurnOpened(text="hello"))))

    async with asyncio.timeout(5):
        with pytest.raises(LogBroken):
            await keeping


@pytest.mark.parametrize("ask", [ask_log, ask_log_at_length])
async def test_an_answer_that_was_stopped_is_not_one_that_was_refused(
    keeping: "asyncio.Task[None]", bus: Bus, ask: "Callable[..., Awaitable[Table]]", until: "Until"
) -> None:
    async def listens() -> bool:
        try:
            return bool((await ask(bus, "SELECT 1")).rows)
        except BusUnavailable:
            return False

    await until(listens)
    with pytest.raises(QueryStopped, match=r"expected an answer within 0\.5 s"):
        await ask(bus, "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = -1")
    with pytest.raises(QueryRefused) as refused:
        await ask(bus, "SELECT nothing")
    assert not isinstance(refused.value, QueryStopped)
    assert not keeping.done()


async def test_a_line_that_is_none_is_refused_over_the_bus(keeping: "asyncio.Task[None]", bus: Bus) -> None:
    with pytest.raises(LineRefused, match="the log: "):
        await told_when_ready(bus, b"{}")
    assert not keeping.done()
