"""Earlier answers: which are kept, for how long, and that nobody hears another's."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.clock import SetClock, SystemClock
from infra.engines.port import Ask, EngineRefused, Message
from infra.engines.recalling import KEPT_FOR, KEPT_MAX, TEXT_MAX_CHARS, RecallingEngine

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def ask(alone: str, **changed: str) -> Ask:
    return Ask((Message("user", alone),), 50, NOW + timedelta(hours=1), alone=alone, continues=changed.get("begun", ""))


async def answered(engine: RecallingEngine, asked: Ask) -> str:
    return "".join([delta.text async for delta in engine.generate(asked)])


async def test_a_question_is_answered_again_whatever_its_case_and_marks() -> None:
    engine = RecallingEngine(SystemClock())
    engine.keep(ask("Why is the sky blue?"), "Because of the air.")
    assert await answered(engine, ask("why is the SKY blue")) == "Because of the air."


@pytest.mark.parametrize("asked", [ask("Why is the sea blue?"), ask(""), ask("Why is the sky blue?", begun="Bec")])
async def test_what_was_not_answered_or_is_half_said_is_for_the_next_engine(asked: Ask) -> None:
    engine = RecallingEngine(SystemClock())
    engine.keep(ask("Why is the sky blue?"), "Because of the air.")
    with pytest.raises(EngineRefused):
        await answered(engine, asked)


async def test_what_was_asked_within_a_conversation_is_not_kept() -> None:
    engine = RecallingEngine(SystemClock())
    engine.keep(Ask((Message("user", "and his wife?"),), 50, NOW, alone=""), "Anna.")
    assert (await engine.health()).detail["answers"] == 0


@pytest.mark.parametrize("text", ["", "  ", "x" * (TEXT_MAX_CHARS + 1)])
async def test_an_answer_without_words_or_of_endless_length_is_not_kept(text: str) -> None:
    engine = RecallingEngine(SystemClock())
    engine.keep(ask("Why?"), text)
    assert (await engine.health()).detail["answers"] == 0


async def test_an_answer_is_forgotten_after_its_time() -> None:
    clock = SetClock(NOW)
    engine = RecallingEngine(clock)
    engine.keep(ask("Why?"), "So.")
    clock.at = NOW + KEPT_FOR - timedelta(seconds=1)
    assert await answered(engine, ask("Why?")) == "So."
    clock.at = NOW + KEPT_FOR + timedelta(seconds=1)
    with pytest.raises(EngineRefused):
        await answered(engine, ask("Why?"))


async def test_no_more_than_so_many_are_kept_and_the_least_recent_goes_first() -> None:
    engine = RecallingEngine(SystemClock())
    for number in range(KEPT_MAX):
        engine.keep(ask(f"question {number}"), f"answer {number}")
    await answered(engine, ask("question 0"))
    engine.keep(ask("one more"), "answer")
    assert (await engine.health()).detail["answers"] == KEPT_MAX
    assert await answered(engine, ask("question 0")) == "answer 0"
    with pytest.raises(EngineRefused):
        await answered(engine, ask("question 1"))
