"""Holds an engine off for a moment after a failure, and lets one request at a time through to see whether it is back.

The only file that knows purgatory. What it does not decide is added here: that only one request probes, that a probe
which was given up tells nothing, and that an engine is well again with its first token, not with its last.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import CLOSED, Context, OpenedState

from infra.engines.port import ContractBroken, DeadlinePassed, Engine, EngineError, EngineRefused, EngineUnavailable
from infra.engines.seats import Seat

HOLD_OFF_S: Final = 2.0  # a local engine is back within seconds; each try of a dead one costs its time-out
SILENCE_COUNTS_S: Final = 0.2  # who was silent for so long until a deadline has failed; less says nothing
_FAILURES_TO_OPEN: Final = 1
_GIVEN_UP: Final = (asyncio.CancelledError, GeneratorExit, DeadlinePassed)  # nothing is known of the engine by these


@dataclass(slots=True)
class Guarded:
    """A request that is let through."""

    _context: Context
    has_answered: bool = False

    def answered(self) -> None:
        """The engine has given a first sign of life: others may ask it again."""
        self.has_answered = True
        if self._context.state != CLOSED:
            self._context.handle_end_request()


class Breakers:
    """One breaker a seat. Of one event loop."""

    def __init__(self, hold_off_s: float = HOLD_OFF_S) -> None:
        self._made = AsyncCircuitBreakerFactory(
            default_threshold=_FAILURES_TO_OPEN,
            default_ttl=hold_off_s,
            # None says anything against the engine's health: a bad request, a turn that was stopped or late.
            exclude=[EngineRefused, ContractBroken, *_GIVEN_UP],
        )
        self._probed: set[int] = set()  # seats that one request is asking, to see whether they are back

    @asynccontextmanager
    async def let_through(self, seat: Seat[Engine]) -> AsyncIterator[Guarded]:
        """Count how a request ends. Raises EngineUnavailable while the engine is held off or being probed."""
        breaker = await self._made.get_breaker(_name(seat))
        if id(seat) in self._probed:
            raise held_off(seat)
        guarded = Guarded(breaker.context)
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(breaker)
            except OpenedState:
                raise held_off(seat) from None
            if breaker.context.state != CLOSED:
                self._probed.add(id(seat))
            try:
                yield guarded
            except _GIVEN_UP:
                if not guarded.has_answered:
                    stack.pop_all()  # the state stays as it was: the next request looks again
                raise
            finally:
                self._probed.discard(id(seat))

    async def refuse(self, seat: Seat[Engine]) -> None:
        """Raise EngineUnavailable while the engine is held off, before anybody waits for one of its places."""
        breaker = await self._made.get_breaker(_name(seat))
        if id(seat) in self._probed and breaker.context.state != CLOSED:
            raise held_off(seat)
        if breaker.context.state != CLOSED:
            try:
                breaker.context.handle_new_request()
            except OpenedState:
                raise held_off(seat) from None

    async def blame(self, seat: Seat[Engine], error: EngineError) -> None:
        """Count a failure that the breaker could not see as one."""
        breaker = await self._made.get_breaker(_name(seat))
        with suppress(OpenedState, EngineUnavailable):
            async with breaker:
                raise EngineUnavailable(str(error))


def held_off(seat: Seat[Engine]) -> EngineUnavailable:
    """What is told of an engine that failed a moment ago."""
    return EngineUnavailable(f"{seat.name}: held off for a moment after a failure")


def _name(seat: Seat[Engine]) -> str:
    """Two servers may serve the same model: one's failure says nothing about the other."""
    return f"{seat.name}#{id(seat)}"
