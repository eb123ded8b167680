"""The role `rank`: who is asked first, who after it, and who is asked again when it is back."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from infra.clock import SystemClock
from infra.engines.port import EngineError, EngineHealth, EngineRefused, EngineUnavailable
from infra.engines.ranking import Ranker
from infra.engines.seats import Seat


class Fixed:
    """Says the same of all texts, or fails."""

    def __init__(self, model: str, score: float = 0.5, error: EngineError | None = None, delay_s: float = 0) -> None:
        self.model = model
        self.backend = "fixed"
        self.error = error
        self.asked = self.at_once = self.most_at_once = 0
        self._score = score
        self._delay_s = delay_s

    async def score(self, question: str, texts: Sequence[str], deadline: datetime) -> tuple[float, ...]:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self._delay_s)
        self.at_once -= 1
        if self.error is not None:
            raise self.error
        return (self._score,) * len(texts)

    async def health(self) -> EngineHealth:
        return EngineHealth(self.error is None)

    async def aclose(self) -> None:
        return None


def ranker(*engines: Fixed, places: int = 4, hold_off_s: float = 60) -> Ranker:
    return Ranker([Seat(engine, places) for engine in engines], SystemClock(), hold_off_s)


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=30)


async def test_the_first_engine_scores() -> None:
    scores, use = await ranker(Fixed("bge", 0.9), Fixed("second")).score("q", ["a", "b"], soon())
    assert scores == (0.9, 0.9)
    assert (use.model, use.fallback) == ("bge", False)


@pytest.mark.parametrize("error", [EngineUnavailable("down"), EngineRefused("wrong")])
async def test_the_next_one_scores_when_it_cannot_and_says_why(error: EngineError) -> None:
    scores, use = await ranker(Fixed("bge", error=error), Fixed("second", 0.2)).score("q", ["a"], soon())
    assert scores == (0.2,)
    assert (use.model, use.fallback) == ("second", True)
    assert str(error) in (use.reason or "")


async def test_without_any_that_can_all_reasons_are_told() -> None:
    with pytest.raises(EngineRefused, match=r"'rank': down; wrong"):
        await ranker(Fixed("a", error=EngineUnavailable("down")), Fixed("b", error=EngineRefused("wrong"))).score(
            "q", ["a"], soon()
        )


async def test_a_failed_engine_is_held_off_and_comes_back_by_itself() -> None:
    first = Fixed("bge", error=EngineUnavailable("down"))
    ranked = ranker(first, Fixed("second"), hold_off_s=0.2)
    await ranked.score("q", ["a"], soon())
    await ranked.score("q", ["a"], soon())
    assert first.asked == 1
    first.error = None
    await asyncio.sleep(0.3)
    _, use = await ranked.score("q", ["a"], soon())
    assert (use.model, use.fallback) == ("bge", False)


async def test_no_more_are_asked_at_once_than_there_are_places() -> None:
    engine = Fixed("bge", delay_s=0.02)
    ranked = ranker(engine, places=2)
    await asyncio.gather(*(ranked.score("q", ["a"], soon()) for _ in range(8)))
    assert engine.most_at_once == 2
    assert engine.asked == 8


async def test_an_engine_that_hangs_leaves_time_for_the_next_and_is_held_off() -> None:
    hung = Fixed("bge", delay_s=60)
    ranked = ranker(hung, Fixed("second", 0.2))
    for _ in range(3):
        scores, use = await ranked.score("q", ["a"], soon(), within_s=0.5)
        assert scores == (0.2,)
    assert hung.asked == 1
    assert "held off" in (use.reason or "")


async def test_whatever_an_engine_fails_with_the_next_one_scores() -> None:
    odd = Fixed("bge")
    odd.error = OverflowError("too large")  # type: ignore[assignment]  # what no engine should raise
    _, use = await ranker(odd, Fixed("second")).score("q", ["a"], soon())
    assert "OverflowError too large" in (use.reason or "")


async def test_it_tells_what_is_in_flight() -> None:
    ranked = ranker(Fixed("bge", delay_s=0.1), places=1)
    asked = [asyncio.create_task(ranked.score("q", ["a"], soon())) for _ in range(3)]
    await asyncio.sleep(0.03)
    assert ranked.at_work() == {"fixed/bge": (1, 2)}
    await asyncio.gather(*asked)
