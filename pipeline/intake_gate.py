"""Closes intake when Parley cannot keep up, and opens it again: what was accepted is finished, the rest is told "busy".

Looks at how far each stage and the log are behind, and at the room on the disk. The bus itself then refuses, so that
any front-end learns of it from its own publish. Several keepers may look; they come to the same conclusion.
"""

import asyncio
import logging
import shutil
from pathlib import Path
from typing import Final

from infra.bus import streams
from infra.bus.connection import Bus
from pipeline import topology
from schemas.subjects import EVENT_STREAM

LOOK_EVERY_S: Final = 1.0
STAGE_BEHIND_MAX: Final = 400  # events that wait for one stage: more than a minute's work for the slow ones
LOG_BEHIND_MAX: Final = 50_000  # events: some ten seconds of the logger's work
EVENTS_FULL: Final = 0.9  # of what the event stream may hold: the rest is for finishing what was accepted
OPEN_AGAIN_AT: Final = 0.5  # of a limit, so that intake does not flutter
RETRY_AFTER_S: Final = 10

log = logging.getLogger("parley.keeper")


class IntakeGate:
    """Call `look` often; it looks once in LOOK_EVERY_S."""

    def __init__(self, bus: Bus, disk: Path, *, room_min_mb: int) -> None:
        self._bus = bus
        self._disk = disk
        self._room_min_mb = room_min_mb
        self._looked_at = float("-inf")
        self._closed = False

    async def look(self) -> None:
        """Close or open intake, if it is time to look. Raises what the bus raises."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        reason = await self._reason(OPEN_AGAIN_AT if self._closed else 1.0)
        if reason is not None:
            await self._bus.close_intake(f"{reason}; try again in {RETRY_AFTER_S} s")
            if not self._closed:
                log.warning("intake is closed: %s", reason)
        else:
            await self._bus.open_intake()
            if self._closed:
                log.warning("intake is open again")
        self._closed = reason is not None

    async def _reason(self, share: float) -> str | None:
        """What exceeds `share` of its limit; None when nothing does."""
        free_mb = shutil.disk_usage(self._disk).free >> 20
        if free_mb * share < self._room_min_mb:
            return f"the disk is almost full ({free_mb} MiB are free, {self._room_min_mb} are needed)"
        size = (await self._bus.extent(EVENT_STREAM)).size_bytes
        if size > EVENTS_FULL * share * streams.EVENTS_MAX_BYTES:
            return f"the event stream is almost full ({size >> 20} MiB), since somebody does not handle its events"
        for name in (*topology.STAGE_NAMES, topology.LOGGER):
            most = LOG_BEHIND_MAX if name == topology.LOGGER else STAGE_BEHIND_MAX
            behind, _ = await self._bus.backlog(EVENT_STREAM, name)
            if behind > most * share:
                return f"{name} is {behind} events behind"
        return None
