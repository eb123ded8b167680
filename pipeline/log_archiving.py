"""Keeps the log's house while the logger runs: closed days move to the archive, days that are too old or too many go.

Works beside ingest, a piece at a time, and rests between pieces as long as each took. What goes wrong is told once a
look and tried again with the next. Others may ask the owner over the bus to move more, or to look at every byte.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from infra.bus.connection import Bus
from infra.clock import AgeingClock, Clock
from infra.event_log.archive import ArchivedFile
from infra.event_log.archiving import Archiving
from infra.event_log.port import EventLogError
from infra.settings import LogSettings
from schemas.errors import InvalidField

SUBJECT: Final = "parley.archive.log"
PIECE_TIMEOUT_S: Final = 60.0  # of one piece, behind one that is being moved
CHECK_TIMEOUT_S: Final = 600.0
LOOK_EVERY_S: Final = 60.0
REST_MIN_S: Final = 0.05
MB: Final = 1e6

log = logging.getLogger("parley.log")


@dataclass(frozen=True, slots=True)
class Moved:
    """One file of the archive."""

    day: str
    path: str
    rows: int
    bytes: int
    why: str = ""  # it cannot be read

    @classmethod
    def of(cls, file: ArchivedFile) -> "Moved":
        return cls(file.day.isoformat(), file.path, file.rows, file.bytes, file.why)


class ArchiveKeeping:
    """The schedule, and whoever asks for more."""

    def __init__(self, archiving: Archiving, settings: LogSettings, clock: Clock) -> None:
        self._archiving = archiving
        self._settings = settings
        self._clock = AgeingClock(clock)  # a clock that was set forward makes no day old
        self._told: dict[str, str] = {}  # what went wrong last

    def answer_on(self, bus: Bus) -> None:
        """Answer requests from when the bus begins to."""
        bus.answer(SUBJECT, self._answer)

    async def run(self) -> None:
        """Look for ever, at once and then every LOOK_EVERY_S."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("the archive could not be looked after; it is tried again")
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Do what is due; what cannot be done is told once."""
        await self._tried("archiving", self._archive())
        await self._tried("removing old days", self._remove())
        await self._tried("looking at the archive", self._tidy())

    async def _tried(self, what: str, work: Awaitable[None]) -> None:
        try:
            await work
        except EventLogError as error:
            if self._told.get(what) != str(error):
                log.warning("%s: %s", what, error)
            self._told[what] = str(error)
        else:
            self._told.pop(what, None)

    async def _archive(self) -> None:
        after = self._settings.archive_after_days
        if after is None:
            return
        before = self._today() - timedelta(days=after)
        days: set[date] = set()
        rows = size = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            file = await self._archiving.archive_piece(before, self._clock.now())
            if file is None:
                break
            days.add(file.day)
            rows, size = rows + file.rows, size + file.bytes
            await asyncio.sleep(max(loop.time() - began, REST_MIN_S))
        if days:
            log.info("archived %s: %d events in %.1f MB", _spoken(days), rows, size / MB)

    async def _remove(self) -> None:
        keep_days, keep_mb = self._settings.keep_days, self._settings.keep_mb
        if keep_days is None and keep_mb is None:
            return
        keep_from = self._today() - timedelta(days=keep_days) if keep_days is not None else None
        for gone in await self._archiving.remove_oldest(keep_from, keep_mb, self._clock.now()):
            log.info("removed %s from the log: %d events, %s", gone.day, gone.rows, gone.why)

    async def _tidy(self) -> None:
        await self._archiving.tidy(self._clock.now())

    def _today(self) -> date:
        return self._clock.now().astimezone(UTC).date()

    async def _answer(self, payload: bytes) -> bytes:
        """{before: day}: moves one piece, {moved: null} when there is none. {check: true}: {unreadable: [...]}."""
        try:
            asked = json.loads(payload)
            if asked.get("check"):
                return json.dumps(
                    {"unreadable": [asdict(each) for each in await check(self._archiving, self._clock.now())]}
                ).encode()
            before = checked_before("before", str(asked["before"]), self._today())
            moved = await move_one(self._archiving, before, self._clock.now())
        except EventLogError as error:
            return json.dumps({"failed": str(error)}).encode()
        except InvalidField as refused:
            return json.dumps({"error": str(refused)}).encode()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return json.dumps({"error": f"a request is JSON such as {{'before': '2026-11-14'}}: {error}"}).encode()
        return json.dumps({"moved": asdict(moved) if moved is not None else None}).encode()


def checked_before(field: str, text: str, today: date) -> date:
    """The day before which all is to be archived, in UTC. Raises InvalidField when it is not over."""
    expected = f"a day such as 2026-11-14, today at the latest ({today} in UTC)"
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidField(field, text, expected) from None
    if day > today:
        raise InvalidField(field, text, expected)
    return day


async def move_one(archiving: Archiving, before: date, now: datetime) -> Moved | None:
    """Move the oldest piece of what was recorded before a day; None when nothing is left. Raises EventLogError."""
    file = await archiving.archive_piece(before, now)
    return Moved.of(file) if file is not None else None


async def check(archiving: Archiving, now: datetime) -> list[Moved]:
    """Read every byte of the archive; what cannot be read. Raises EventLogError."""
    return [Moved.of(file) for file in await archiving.check(now)]


async def tell_to_move(bus: Bus, before: date) -> Moved | None:
    """Have the owner move one piece. Raises EventLogError, InvalidField, BusUnavailable (no logger runs)."""
    answer = await _told(bus, {"before": before.isoformat()}, PIECE_TIMEOUT_S)
    return Moved(**answer["moved"]) if answer["moved"] is not None else None


async def tell_to_check(bus: Bus) -> list[Moved]:
    """Have the owner read every byte of the archive. Raises EventLogError, BusUnavailable (no logger runs)."""
    return [Moved(**each) for each in (await _told(bus, {"check": True}, CHECK_TIMEOUT_S))["unreadable"]]


async def _told(bus: Bus, request: dict[str, object], timeout_s: float) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await bus.ask(SUBJECT, json.dumps(request).encode(), timeout_s=timeout_s))
    if "failed" in answer:
        raise EventLogError(answer["failed"])
    if "error" in answer:
        raise InvalidField("request", json.dumps(request), answer["error"])
    return answer


def _spoken(days: set[date]) -> str:
    first, last = min(days), max(days)
    return str(first) if first == last else f"{first} to {last}"
