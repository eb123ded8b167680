"""The port `score` on top of an engine that generates: it gives each text a digit, within the contract `Ranking`.

Slower than a reranker, and a small model's digits mean little; for whoever has one good model and no reranker.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeAlias

from infra.clock import Clock
from infra.engines.breakers import HOLD_OFF_S
from infra.engines.port import Ask, EngineHealth, EngineRefused, Generator
from infra.engines.roles import Roles
from infra.engines.seats import Seat
from schemas.contracts import ranking_of, tokens_needed
from schemas.contracts.contract import entries
from schemas.contracts.ranking import DIGIT_MAX, RANKED_MAX

Asks: TypeAlias = Callable[[str, Mapping[str, str], datetime], Ask]
"""The request that has texts, by id, ranked by how well they answer a question. Its max_tokens is set here."""
ID: Final = "reply_{}"


class ByGenerating:
    """Scores with a generator, whose seat, and so whose limits, it shares with the other roles that use it."""

    def __init__(self, seat: Seat[Generator], asks: Asks, clock: Clock, hold_off_s: float = HOLD_OFF_S) -> None:
        self._seat = seat
        self._asks = asks
        self._roles = Roles({"rank": [seat]}, clock, hold_off_s)

    @property
    def backend(self) -> str:
        return self._seat.engine.backend

    @property
    def model(self) -> str:
        return self._seat.engine.model

    async def score(self, question: str, texts: Sequence[str], deadline: datetime) -> tuple[float, ...]:
        """Raises EngineError; EngineRefused for more texts than the contract holds."""
        if len(texts) > RANKED_MAX:
            raise EngineRefused(f"{self._seat.name}: {len(texts)} texts to rank; at most {RANKED_MAX}")
        if len(texts) < 2:  # there is nothing to compare
            return (1.0,) * len(texts)
        named = {ID.format(place): text for place, text in enumerate(texts)}
        contract = ranking_of(list(named))
        asked = replace(self._asks(question, named, deadline), max_tokens=tokens_needed(contract))
        ranking, _ = await self._roles.answer("rank", asked, contract)
        digits = entries(ranking)
        return tuple(digits[key] / DIGIT_MAX for key in named)

    async def health(self) -> EngineHealth:
        return await self._seat.engine.health()

    async def aclose(self) -> None:
        """The engine is closed by whoever owns its seat."""
