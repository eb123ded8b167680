"""Puts the events of a new run into the log, whole turns at a time, so that a run that was broken off can go on."""

import asyncio
from collections.abc import Sequence
from typing import Final

from infra.clock import Clock
from infra.event_log.lines import line_of_event
from infra.event_log.port import StreamIdentity
from pipeline.log_files import PIECE_BYTES, PIECE_LINES, TakeIn
from pipeline.replay.turn import Recorded
from schemas.errors import InvalidField

FLUSH_EVERY_S: Final = 1.0


class RunLog:
    """One run's way into the log. `close` when all turns were added."""

    def __init__(self, take_in: TakeIn, run: str, clock: Clock) -> None:
        self._take_in = take_in
        self._clock = clock
        self._stream = StreamIdentity(run, clock.now())  # no stream of a bus: the log names it as an import
        self._seq = 0
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._tried = False  # to hand over what waits: then some of it may be there already
        self._flushed_at = 0.0
        self._one_at_a_time = asyncio.Lock()
        self.events = 0

    async def add(self, turn: Sequence[Recorded]) -> None:
        """One turn, whole. It is in the log when this returns, or about a second later. Raises what the log raises."""
        async with self._one_at_a_time:
            lines = [self._line(each) for each in turn]
            size = sum(len(line) + 1 for line in lines)
            if self._bytes + size > PIECE_BYTES or len(self._waiting) + len(lines) > PIECE_LINES:
                await self._flush()
            self._waiting += lines
            self._bytes += size
            if asyncio.get_running_loop().time() - self._flushed_at >= FLUSH_EVERY_S:
                await self._flush()

    async def close(self) -> None:
        """What waits goes into the log."""
        async with self._one_at_a_time:
            await self._flush()

    async def _flush(self) -> None:
        if self._waiting:
            again, self._tried = self._tried, True
            done = await self._take_in(b"\n".join(self._waiting))
            self.events += done.recorded
            self._waiting, self._bytes, self._tried = [], 0, False
            if done.known and not again:
                raise InvalidField(
                    "--name", self._stream.name, "a run to which no other replay writes at the same time"
                )
        self._flushed_at = asyncio.get_running_loop().time()

    def _line(self, each: Recorded) -> bytes:
        self._seq += 1
        headers = each.hop.headers() if each.hop is not None else {}
        return line_of_event(self._stream, self._seq, each.event, headers, self._clock.now()).encode()
