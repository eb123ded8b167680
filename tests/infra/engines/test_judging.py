"""An engine that generates, asked to rank: every text gets one digit, whatever the model would rather say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from infra.clock import SystemClock
from infra.engines.judging import ByGenerating
from infra.engines.port import Ask, ContractBroken, DeadlinePassed, EngineRefused, EngineUnavailable, Message, Priority
from infra.engines.scripted import Answer, ScriptedEngine, saying
from infra.engines.seats import Seat


def asks(question: str, texts: Mapping[str, str], deadline: datetime) -> Ask:
    return Ask((Message("user", f"{question}: {dict(texts)}"),), 1, deadline, Priority.CONTRACT)


def judge(engine: ScriptedEngine, places: int = 4) -> ByGenerating:
    return ByGenerating(Seat(engine, places), asks, SystemClock())


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=30)


async def test_digits_become_scores_in_the_order_of_the_texts() -> None:
    engine = ScriptedEngine(saying('{"reply_0": 3, "reply_1": 9, "reply_2": 0}'))

    scores = await judge(engine).score("why?", ["a", "b", "c"], soon())

    assert scores == (3 / 9, 1.0, 0.0)
    (asked,) = engine.asked
    assert "'reply_1': 'b'" in asked.messages[0].content
    assert asked.schema is not None
    assert list(asked.schema["properties"]) == ["reply_0", "reply_1", "reply_2"]
    assert asked.max_tokens > 10


@pytest.mark.parametrize("said", ['{"reply_0": 3}', '{"reply_0": 3, "reply_1": 12}', "The second one is better."])
async def test_an_answer_that_leaves_one_out_is_asked_again_and_then_no_ranking(said: str) -> None:
    engine = ScriptedEngine(saying(said))

    with pytest.raises(ContractBroken):
        await judge(engine).score("why?", ["a", "b"], soon())
    assert len(engine.asked) == 2


async def test_an_engine_that_is_away_is_told_as_such() -> None:
    engine = ScriptedEngine(lambda _: Answer(error=EngineUnavailable("down")))

    with pytest.raises(EngineUnavailable, match="down"):
        await judge(engine).score("why?", ["a", "b"], soon())


async def test_nothing_to_compare_asks_nobody_and_too_much_is_refused() -> None:
    engine = ScriptedEngine(saying("{}"))

    assert await judge(engine).score("why?", ["a"], soon()) == (1.0,)
    assert await judge(engine).score("why?", [], soon()) == ()
    with pytest.raises(EngineRefused, match="11 texts to rank; at most 10"):
        await judge(engine).score("why?", ["a"] * 11, soon())
    assert engine.asked == []


async def test_the_seat_is_the_one_that_others_use() -> None:
    seat = Seat(ScriptedEngine(saying('{"reply_0": 1, "reply_1": 2}')), 1)
    one = ByGenerating(seat, asks, SystemClock())

    async with seat.admission.place(Priority.LIVE, 30):
        with pytest.raises(DeadlinePassed):
            await one.score("why?", ["a", "b"], datetime.now(UTC) + timedelta(milliseconds=50))
    assert await one.score("why?", ["a", "b"], soon()) == (1 / 9, 2 / 9)
