"""Which turns have ended, as one worker knows it, and the stopping of work that is still done for them.

Fed by the turn-end events that pass on the bus; bounded, since a worker that forgets an old turn only does idle work.
"""

import asyncio
from collections import OrderedDict, defaultdict
from types import TracebackType
from typing import Self

from infra.tasks import AGAIN_S

REMEMBERED_MAX = 1_024  # of what waited for more than a second the end is looked up in the stream


class EndedTurns:
    """Work for a turn runs inside `working(turn)`; `end(turn)` cancels it."""

    def __init__(self) -> None:
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._working: defaultdict[str, set[Work]] = defaultdict(set)

    def __contains__(self, turn: str) -> bool:
        return turn in self._ended

    def end(self, turn: str) -> None:
        """The turn is over: stop what is done for it, and begin nothing more."""
        self._ended[turn] = None
        if len(self._ended) > REMEMBERED_MAX:
            self._ended.popitem(last=False)
        for work in tuple(self._working.get(turn, ())):
            work.stop()

    def working(self, turn: str, left_s: float | None = None) -> "Work":
        """A block that is left at once when the turn ends or `left_s` have passed; `stopped` then says so."""
        return Work(self._working, turn, left_s)


class Work:
    """Like asyncio.timeout: cancels the block's task from outside and swallows that cancellation.

    One that got lost on the way (see infra/tasks.py) is followed by another, until the block is left.
    """

    def __init__(self, working: defaultdict[str, set["Work"]], turn: str, left_s: float | None) -> None:
        self._working = working
        self._turn = turn
        self._left_s = left_s
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelled_before = 0
        self._cancelled_times = 0

    @property
    def stopped(self) -> bool:
        """Whether the block was to be left."""
        return self._cancelled_times > 0

    def stop(self) -> None:
        """Leave the block. Called again it does nothing."""
        if not self.stopped:
            self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._cancelled_times += 1
            self._task.cancel()
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(AGAIN_S, self._cancel)

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None  # inside a coroutine there is one
        self._cancelled_before = self._task.cancelling()
        self._working[self._turn].add(self)
        if self._left_s is not None:
            self._timer = asyncio.get_running_loop().call_later(self._left_s, self.stop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        rest = self._working[self._turn]
        rest.discard(self)
        if not rest:
            del self._working[self._turn]
        if self._task is None or not self._cancelled_times:
            return False
        for _ in range(self._cancelled_times):
            left = self._task.uncancel()
        only_ours = left <= self._cancelled_before
        return only_ours and kind is not None and issubclass(kind, asyncio.CancelledError)
