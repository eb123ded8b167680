"""Removes recordings and spoken answers that are kept no longer; their references stay in the log.

A sound is needed until its turn has ended and its deadline is over, and again by every later turn that refers to the
same bytes; after that it is kept for the configured time, and MARGIN for front-ends that still fetch it. One that the
log knows no turn of (its submission waits, or was refused) stays for a day. Runs beside the logger, because only the
log knows who refers to what. A sound that somebody uses again without putting it again may go in that very moment;
putting it makes it young.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

from infra.blobs.port import BlobError, BlobStore, Stored
from infra.clock import AgeingClock, Clock
from infra.event_log.port import EventLogError, Parameter, QueryRefused, Table

MARGIN: Final = timedelta(minutes=1)
LOST_AFTER: Final = timedelta(days=1)  # a turn that never ended, or a sound that no turn came of
LOOK_OFTEN_S: Final = 30.0  # for sound that is not kept
LOOK_SELDOM_S: Final = 3600.0  # for sound that is kept for days
PAGE: Final = 500  # sounds that one question asks about
WITH_SOUND: Final = ("SpeechTurnOpened", "SpeechReady", "ApologySpoken")
"""Events that refer to sound as `audio`."""
_ENDS: Final = ("TurnCompleted", "TurnFailed", "TurnInterrupted")

NEEDED: Final = f"""
WITH referring AS (
    SELECT payload->>'$.audio.ref' AS ref, tenant, run, turn, max(recorded_at) AS last, max(deadline) AS deadline
    FROM events
    WHERE type IN {WITH_SOUND} AND recorded_at >= $since::TIMESTAMPTZ
      AND payload->>'$.audio.ref' IN (SELECT unnest($refs))
    GROUP BY ALL
), ended AS (
    SELECT tenant, run, turn, max(recorded_at) AS ended_at
    FROM events
    WHERE type IN {_ENDS} AND recorded_at >= $since::TIMESTAMPTZ AND turn IN (SELECT turn FROM referring)
    GROUP BY ALL
)
SELECT ref, max(CASE
    WHEN ended_at IS NULL THEN greatest(last, deadline) + to_seconds($lost_after_s)
    ELSE greatest(ended_at, last, deadline) END) AS needed_until
FROM referring LEFT JOIN ended USING (tenant, run, turn)
GROUP BY ref"""

log = logging.getLogger("parley.log")


class Ask(Protocol):
    """Whoever answers SQL about the log."""

    async def __call__(self, sql: str, parameters: Mapping[str, Parameter]) -> Table: ...


class SoundKeeping:
    """The schedule and the rule."""

    def __init__(self, ask: Ask, blobs: BlobStore, kept: timedelta, clock: Clock) -> None:
        """`kept`: how long after its turn; zero: not at all."""
        self._ask = ask
        self._blobs = blobs
        self._kept = kept + MARGIN
        self._every_s = LOOK_SELDOM_S if kept else LOOK_OFTEN_S
        self._clock = AgeingClock(clock)  # a clock that was set forward makes no sound old

    async def run(self) -> None:
        """Look for ever, at once and then again and again."""
        told = ""
        while True:
            try:
                gone, size = await self.look()
                told = ""
                if gone:
                    log.info("removed %d sounds, %.1f MB: their turns are over", gone, size / 1e6)
            except (BlobError, EventLogError, QueryRefused, OSError) as error:  # tried again with the next look
                if told != str(error):
                    log.warning("removing sounds: %s", error)
                told = str(error)
            except Exception:
                log.exception("removing sounds failed; it is tried again")
            await asyncio.sleep(self._every_s)

    async def look(self) -> tuple[int, int]:
        """Remove what nobody needs any more; how many sounds, and their bytes."""
        gone = size = 0
        page: list[Stored] = []
        old = self._clock.now() - self._kept
        async for each in self._blobs.stored():
            if each.put_at < old:
                page.append(each)
            if len(page) == PAGE:
                removed = await self._removed(page, old)
                gone, size = gone + removed[0], size + removed[1]
                page = []
        removed = await self._removed(page, old)
        return gone + removed[0], size + removed[1]

    async def _removed(self, page: list[Stored], old: datetime) -> tuple[int, int]:
        if not page:
            return 0, 0
        asked: dict[str, Parameter] = {
            "refs": [each.ref for each in page],
            "since": min(each.put_at for each in page) - MARGIN,
            "lost_after_s": LOST_AFTER.total_seconds(),
        }
        needed = {str(ref): datetime.fromisoformat(str(until)) for ref, until in (await self._ask(NEEDED, asked)).rows}
        gone = size = 0
        for each in page:
            until = needed.get(each.ref, each.put_at + LOST_AFTER)
            if max(until, each.put_at) < old and await self._blobs.delete(each.ref, put_before=old):
                gone, size = gone + 1, size + each.size_bytes
        return gone, size
