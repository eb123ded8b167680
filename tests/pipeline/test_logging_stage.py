"""The logger on the bus."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.clock import SystemClock
from infra.event_log.log import open_log
from pipeline.logging_stage import LogKeeping
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
