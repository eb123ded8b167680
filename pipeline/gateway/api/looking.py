"""How Parley stands, looked at no more than once a second however many ask: each look polls every process."""

import asyncio
import shutil
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends
from fastapi.requests import HTTPConnection

from infra.bus.errors import BusUnavailable
from infra.event_log.port import QueryRefused
from pipeline.gateway.given import Gateway
from pipeline.logging_stage import ask_log
from pipeline.standing import ASKED_WITHIN_S, WorkerStanding, standing_of

FRESH_S: Final = 1.0
LOOKED_WITHIN_S: Final = 5.0  # whoever probes gives up soon after


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. `wrong` is empty when all is well."""

    bus_version: str
    engine: str
    engine_ok: bool
    workers: tuple[WorkerStanding, ...]
    intake_closed: str | None  # why
    disk_free_mb: int
    disk_ok: bool
    state: str | None  # why it does not answer
    log: str | None
    wrong: tuple[str, ...]


class Looking:
    """The last look, and who looks."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._last: tuple[float, Seen] | None = None

    async def seen(self, given: Gateway) -> Seen:
        """A look that is not older than FRESH_S. Raises BusUnavailable when the bus does not answer in time."""
        loop = asyncio.get_running_loop()
        async with self._one_at_a_time:
            if self._last is None or loop.time() - self._last[0] > FRESH_S:
                try:
                    async with asyncio.timeout(LOOKED_WITHIN_S):
                        self._last = (loop.time(), await _look(given))
                except TimeoutError:
                    raise BusUnavailable(f"the bus does not answer within {LOOKED_WITHIN_S:.0f} s") from None
            return self._last[1]


def looking(connection: HTTPConnection) -> Looking:
    """This gateway's; nothing in it would be missed by another."""
    state = connection.app.state
    if not hasattr(state, "looking"):
        state.looking = Looking()
    found = state.looking
    assert isinstance(found, Looking)
    return found


Looked = Annotated[Looking, Depends(looking)]


async def _look(given: Gateway) -> Seen:
    bus, settings = given.bus, given.settings
    standing, closed, log = await asyncio.gather(
        standing_of(bus, settings, given.clock.now()), bus.why_intake_is_closed(), _log(given)
    )
    free_mb = (await asyncio.to_thread(shutil.disk_usage, settings.data_dir)).free >> 20
    disk_ok = free_mb >= settings.limits.room_min_mb
    wrong = [*standing.wrong]
    wrong += [] if disk_ok else [f"{free_mb} MiB are free on the disk; {settings.limits.room_min_mb} are needed"]
    wrong += [] if log is None else [f"the log does not answer: {log}"]
    return Seen(
        bus_version=standing.bus_version,
        engine=standing.engine,
        engine_ok=standing.engine not in standing.wrong,
        workers=standing.workers,
        intake_closed=closed,
        disk_free_mb=free_mb,
        disk_ok=disk_ok,
        state=standing.state,
        log=log,
        wrong=tuple(wrong),
    )


async def _log(given: Gateway) -> str | None:
    try:
        async with asyncio.timeout(ASKED_WITHIN_S):
            await ask_log(given.bus, "SELECT 1")
    except TimeoutError:
        return f"no answer within {ASKED_WITHIN_S:.0f} s"
    except (BusUnavailable, QueryRefused) as error:
        return str(error)
    return None
