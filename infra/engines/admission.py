"""Lets a set number of requests into an engine at once; who waits is let in by priority, then by arrival.

Knows no engine. A place for work that nobody waits for is only given while others stay free for a live turn.
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infra.engines.port import DeadlinePassed, Priority

_Waiter = tuple[int, int, asyncio.Future[None]]


class Admission:
    """The places in one engine, of one event loop."""

    def __init__(self, places: int, background_places: int) -> None:
        """`background_places` of the `places` may be taken by Priority.BACKGROUND."""
        if places < 1 or not 1 <= background_places <= places:
            raise ValueError(f"places: {places} and {background_places} of them; expected 1 <= background <= places")
        self._places = places
        self._background_places = background_places
        self._running = 0
        self._background_running = 0
        self._arrivals = itertools.count()
        self._waiting: list[_Waiter] = []

    @property
    def running(self) -> int:
        """Requests that hold a place."""
        return self._running

    @property
    def waiting(self) -> int:
        """Requests that want one."""
        return sum(not future.done() for _, _, future in self._waiting)

    @asynccontextmanager
    async def place(self, priority: Priority, patience_s: float) -> AsyncIterator[None]:
        """Hold a place. Raises DeadlinePassed when none was free for `patience_s`."""
        await self._taken(priority, patience_s)
        try:
            yield
        finally:
            self._left(priority)

    async def _taken(self, priority: Priority, patience_s: float) -> None:
        if patience_s <= 0:
            raise DeadlinePassed("too late to reach a first token before the deadline")
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (int(priority), next(self._arrivals), future))
        self._admit()
        try:
            async with asyncio.timeout(patience_s):
                await future
        except BaseException as error:
            if future.done() and not future.cancelled():
                self._left(priority)  # the place was given in the very moment of giving up
            future.cancel()
            self._forget(future)
            if isinstance(error, TimeoutError):
                raise DeadlinePassed(f"no place became free in {patience_s:.1f} s") from None
            raise

    def _forget(self, future: asyncio.Future[None]) -> None:
        self._waiting = [waiter for waiter in self._waiting if waiter[2] is not future]
        heapq.heapify(self._waiting)

    def _left(self, priority: Priority) -> None:
        self._running -= 1
        self._background_running -= priority is Priority.BACKGROUND
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._running < self._places:
            priority, _, future = self._waiting[0]
            background = priority == Priority.BACKGROUND
            if not future.done():
                if background and self._background_running >= self._background_places:
                    return  # behind it stands only what is in the background too
                self._running += 1
                self._background_running += background
                future.set_result(None)
            heapq.heappop(self._waiting)
