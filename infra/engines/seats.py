"""An engine's seat in the lists of the roles: its limits, its own sampling, what is expected of it.

What `Roles` (text) and `Ranker` (scores) share: whose turn it is, how long it may take, what is told about it. How an
engine is held off after a failure is in breakers.py.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from infra.clock import Clock
from infra.engines.admission import Admission
from infra.engines.port import Ask, Engine, EngineError, Role
from schemas.chat import EngineUse

FALLBACK_RESERVE_S: Final = 2.0  # kept back from the deadline for the engines further down the list
_SPEED_MEMORY: Final = 0.2  # weight of the latest first token in what is expected of the next
_SPEED_HALVES_S: Final = (
    10.0  # what was seen so long ago counts half: an engine that is not asked any more is not known
)

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
        self._first_token_s = 0.0
        self._learned_at = 0.0

    @property
    def name(self) -> str:
        return f"{self.engine.backend}/{self.engine.model}"

    @property
    def first_token_s(self) -> float:
        """How long the next first token may take, as far as was seen lately."""
        return float(self._first_token_s * 0.5 ** ((time.monotonic() - self._learned_at) / _SPEED_HALVES_S))

    def learn(self, first_token_s: float) -> None:
        """Note how long one took."""
        expected = self.first_token_s
        self._first_token_s = expected + _SPEED_MEMORY * (first_token_s - expected)
        self._learned_at = time.monotonic()


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
