"""Lets the event stream forget what everybody has handled and the log has on the disk, so that it never gets full.

The bus keeps an entry in memory for each subject that a stream holds, and each turn has subjects of its own. Nothing is
forgotten that some worker has not acknowledged, nor before every turn of that time must have ended, nor the newest
KEPT_MSGS, which `parley log tail --all` shows. Several keepers may do this.
"""

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from infra.bus.connection import Bus
from pipeline import topology
from schemas.subjects import EVENT_STREAM

LOOK_EVERY_S: Final = 5.0
KEPT_MSGS: Final = 10_000  # some 800 turns
SLACK_MSGS: Final = 2_000  # forgetting in portions
GRACE: Final = timedelta(seconds=15)  # beyond the time that a turn may take


class Trimming:
    """Call `look` often; it looks once in LOOK_EVERY_S."""

    def __init__(self, bus: Bus, turn_timeout: timedelta, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._age_s = (turn_timeout + GRACE).total_seconds()
        self._elapsed_s = elapsed_s
        self._looked_s = float("-inf")
        self._seen: deque[tuple[float, int]] = deque()  # when which message was the stream's last

    async def look(self) -> int:
        """Forget what may be forgotten, if it is time to look; how many messages. Raises BusUnavailable."""
        now_s = self._elapsed_s()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return 0
        self._looked_s = now_s
        extent = await self._bus.extent(EVENT_STREAM)
        old = self._old(now_s, extent.last_seq)
        if extent.messages <= KEPT_MSGS + SLACK_MSGS or not old:
            return 0
        handled = {name: await self._bus.handled_up_to(EVENT_STREAM, name) for name in topology.PROCESSES}
        if handled[topology.LOGGER] is None:
            return 0  # what no log has seen is not forgotten
        floors = [place for place in handled.values() if place is not None]
        keep_from = min(old, extent.last_seq - KEPT_MSGS, *floors) + 1
        return await self._bus.forget_before(EVENT_STREAM, keep_from) if keep_from > extent.first_seq else 0

    def _old(self, now_s: float, last_seq: int) -> int:
        """The newest message that is older than any open turn; 0 while that is not known."""
        if self._seen and last_seq < self._seen[-1][1]:
            self._seen.clear()  # another stream: the bus has come back without its data
        self._seen.append((now_s, last_seq))
        while len(self._seen) > 1 and now_s - self._seen[1][0] >= self._age_s:
            self._seen.popleft()
        seen_s, seq = self._seen[0]
        return seq if now_s - seen_s >= self._age_s else 0
