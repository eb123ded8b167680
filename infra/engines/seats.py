"""An engine's seat in the lists of the roles: its limits, its own sampling, and how it is held off after a failure.

What `Roles` (text) and `Ranker` (scores) share: whose turn it is, how long it may take, what is told about it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from infra.clock import Clock
from infra.engines.admission import Admission
from infra.engines.port import (
    Ask,
    ContractBroken,
    DeadlinePassed,
    Engine,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    Role,
)
from schemas.chat import EngineUse

__all__ = ["OpenedState"]

HOLD_OFF_S: Final = 2.0  # a local engine is back within seconds; each try of a dead one costs its time-out
FALLBACK_RESERVE_S: Final = 2.0  # kept back from the deadline for the engines further down the list
_FAILURES_TO_OPEN: Final = 1
_SPEED_MEMORY: Final = 0.2  # weight of the latest first token in what is expected of the next

E_co = TypeVar("E_co", bound=Engine, covariant=True)


@dataclass(frozen=True, slots=True)
class OwnSampling:
    """How a named model is to speak, whatever the role says; None leaves what was asked."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None

    def applied(self, ask: Ask) -> Ask:
        """The request with these. A structured answer is left as it is: its sampling is part of what is asked."""
        if ask.schema is not None:
            return ask
        own = {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}
        return replace(ask, **own)


class Seat(Generic[E_co]):
    """One engine with its limits: shared by all roles that use it, so that the limits hold."""

    def __init__(
        self,
        engine: E_co,
        places: int,
        background_places: int | None = None,
        sampling: OwnSampling | None = None,
    ) -> None:
        """`places`: requests at once, of which background work gets half unless said otherwise."""
        self.engine = engine
        self.sampling = sampling or OwnSampling()
        self.admission = Admission(places, background_places or max(1, places // 2))
        self.first_token_s = 0.0  # expected; learned from what was seen

    @property
    def name(self) -> str:
        return f"{self.engine.backend}/{self.engine.model}"

    def learn(self, first_token_s: float) -> None:
        self.first_token_s += _SPEED_MEMORY * (first_token_s - self.first_token_s)


class Breakers:
    """Holds an engine off for a moment after a failure, and lets one request through to see whether it is back."""

    def __init__(self, hold_off_s: float = HOLD_OFF_S) -> None:
        self._made = AsyncCircuitBreakerFactory(
            default_threshold=_FAILURES_TO_OPEN,
            default_ttl=hold_off_s,
            # Neither says anything about the engine's health: a bad request, and a turn that was stopped or late.
            exclude=[EngineRefused, ContractBroken, DeadlinePassed, asyncio.CancelledError, GeneratorExit],
        )

    async def of(self, seat: Seat[Engine]) -> AbstractAsyncContextManager[object]:
        """The seat's breaker. Two servers may serve the same model: one's failure says nothing about the other.

        Entering it raises OpenedState while the engine is held off.
        """
        breaker: AbstractAsyncContextManager[object] = await self._made.get_breaker(f"{seat.name}#{id(seat)}")
        return breaker


def held_off(seat: Seat[Engine]) -> EngineUnavailable:
    """What is told of an engine that failed a moment ago."""
    return EngineUnavailable(f"{seat.name}: held off for a moment after a failure")


def deadline_at(place: int, of: int, deadline: datetime, clock: Clock) -> datetime:
    """Until when the engine at a place of a list may take: each but the last leaves the others some time."""
    if place == of - 1:
        return deadline
    left_s = (deadline - clock.now()).total_seconds()
    return deadline - timedelta(seconds=max(0.0, min(FALLBACK_RESERVE_S, left_s / 2)))


def use_of(seat: Seat[Engine], missed: Sequence[EngineError]) -> EngineUse:
    """What an event tells about the engine that answered, after those before it that did not."""
    reason = "; ".join(map(str, missed)) or None
    return EngineUse(backend=seat.engine.backend, model=seat.engine.model, fallback=bool(missed), reason=reason)


def summary(role: Role, missed: Sequence[EngineError]) -> EngineError:
    """The last engine's error, told with all that went before it."""
    return type(missed[-1])(f"no engine could answer for {role!r}: {'; '.join(map(str, missed))}")
