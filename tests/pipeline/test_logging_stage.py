"""The logger on the bus."""

import asyncio
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
from schemas.turns import TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent, OwnServer

    Until = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.slow
FRONT = Hop("keeper")


async def test_after_lost_power_the_log_goes_on_with_what_the_bus_still_has(
    own_server: "OwnServer", tmp_path: Path, new_event: "NewEvent", until: "Until"
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
            await _said_at_last(bus, event, until)
        await recorded(*(event.meta.id for event in (*kept, *lost)))
        await own_server.kill()
        await asyncio.to_thread(_copy, copy, store)
        await own_server.start()

        for event in later:
            await _said_at_last(bus, event, until)

        await recorded(*(event.meta.id for event in (*kept, *lost, *later)))
        assert (await bus.extent(subjects.EVENT_STREAM)).last_seq == len(kept) + len(later)
        stop.set()
        await running
    await log.aclose()


async def _said_at_last(bus: Bus, event: Any, until: "Until") -> None:
    from infra.bus.errors import BusUnavailable

    async def said() -> bool:
        try:
            await bus.say(event, FRONT)
        except BusUnavailable:
            return False
        return True

    await until(said)


def _copy(source: Path, target: Path) -> None:
    import shutil

    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
