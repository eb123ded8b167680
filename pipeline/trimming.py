"""Lets the event stream forget what everybody has handled and the log has on the disk, so that it never gets full.

The bus keeps an entry in memory for each subject that a stream holds, and each turn has subjects of its own. Nothing is
forgotten that some worker has not acknowledged, nor anything of a turn that is open, nor what is younger than GRACE_S,
nor the newest KEPT_MSGS, which `parley log tail --all` shows. Several keepers may do this.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from infra.bus.connection import Bus
from infra.state import turns
from infra.state.port import State
from pipeline import topology
from schemas.subjects import EVENT_STREAM

LOOK_EVERY_S: Final = 5.0
KEPT_MSGS: Final = 10_000  # some 1,100 turns
SLACK_MSGS: Final = 2_000  # forgetting in portions
GRACE_S: Final = 30.0  # in which what was said of a turn refuses whoever says it again, also after the turn's end


@dataclass(frozen=True, slots=True)
class _Seen:
    """The stream at one moment. No turn but the open ones has anything up to its last message and is not over."""

    at_s: float
    last_seq: int
    open: frozenset[str]


class Trimming:
    """Call `look` often; it looks once in LOOK_EVERY_S."""

    def __init__(self, bus: Bus, state: State, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._state = state
        self._elapsed_s = elapsed_s
        self._looked_s = float("-inf")
        self._seen: deque[_Seen] = deque()

    async def look(self) -> int:
        """Forget what may be forgotten, if it is time to look; how many messages. Raises BusUnavailable, StateError."""
        now_s = self._elapsed_s()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return 0
        self._looked_s = now_s
        extent = await self._bus.extent(EVENT_STREAM)
        async with self._state.transaction() as tx:  # after the extent: a turn is in the books before it is heard of
            still_open = await turns.open_now(tx)
        if still_open is None:
            return 0
        over = self._over(_Seen(now_s, extent.last_seq, still_open))
        if extent.messages <= KEPT_MSGS + SLACK_MSGS or not over:
            return 0
        handled = {name: await self._bus.handled_up_to(EVENT_STREAM, name) for name in topology.PROCESSES}
        if handled[topology.LOGGER] is None:
            return 0  # what no log has seen is not forgotten
        floors = [place for place in handled.values() if place is not None]
        keep_from = min(over, extent.last_seq - KEPT_MSGS, *floors) + 1
        return await self._bus.forget_before(EVENT_STREAM, keep_from) if keep_from > extent.first_seq else 0

    def _over(self, now: _Seen) -> int:
        """The newest message, GRACE_S old, up to which each belongs to a turn that has ended; 0 while none is known."""
        if self._seen and now.last_seq < self._seen[-1].last_seq:
            self._seen.clear()  # another stream: the bus has come back without its data
        self._seen.append(now)
        while len(self._seen) > 1 and self._is_over(self._seen[1], now):
            self._seen.popleft()
        return self._seen[0].last_seq if self._is_over(self._seen[0], now) else 0

    def _is_over(self, seen: _Seen, now: _Seen) -> bool:
        return now.at_s - seen.at_s >= GRACE_S and seen.open.isdisjoint(now.open)
