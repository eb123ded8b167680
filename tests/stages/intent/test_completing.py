"""Whom the intent stage asks for a slot that an intent cannot do without, and what it believes of the answer."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from infra.clock import SystemClock
from infra.engines.port import EngineUnavailable
from infra.engines.roles import Roles
from infra.engines.scripted import Answer, ScriptedEngine
from infra.engines.seats import Seat
from infra.prompts import Prompts
from schemas.intents import Intent, IntentLabel, Slots
from stages.intent.completing import completed
from stages.intent.decision import CANDIDATES, DecidedBy, Doubt
from stages.intent.prompting import SHELF

NOW = datetime(2026, 3, 4, 10, 20, tzinfo=ZoneInfo("UTC"))
LACKING = Intent(
    label=IntentLabel.ADD_FRIEND, confidence=0.6, text="It is someone whom I got to know, Bo", decided_by="engine"
)


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=30)


def doubt(answer: Answer | str, trust: float = 0.6, limit_ms: int = 2_000) -> tuple[ScriptedEngine, Doubt]:
    fixed = Answer(answer) if isinstance(answer, str) else answer
    engine = ScriptedEngine(lambda _: fixed)
    return engine, Doubt(Roles({"slots": [Seat(engine, 1)]}, SystemClock()), Prompts(SHELF), trust, limit_ms)


async def test_the_engine_finds_the_words_that_are_needed() -> None:
    engine, asking = doubt('{"person": "Bo"}')
    intent = await completed(LACKING, NOW, asking, soon())
    assert intent.slots.person == "Bo"
    assert LACKING.text in engine.asked[0].messages[-1].content
    assert engine.asked[0].schema is not None and list(engine.asked[0].schema["properties"]) == ["person"]


async def test_a_name_that_nobody_said_is_not_believed() -> None:
    _, asking = doubt('{"person": "Sarah"}')
    assert (await completed(LACKING, NOW, asking, soon())).slots.person is None


@pytest.mark.parametrize("decided_by", ["head", "fallback"])
async def test_nobody_is_asked_about_what_the_engine_did_not_decide(decided_by: DecidedBy) -> None:
    engine, asking = doubt('{"person": "Bo"}')
    intent = LACKING.model_copy(update={"decided_by": decided_by})
    assert await completed(intent, NOW, asking, soon()) == intent
    assert engine.asked == []


async def test_a_whole_intent_is_left_alone() -> None:
    engine, asking = doubt('{"person": "Sarah"}')
    whole = LACKING.model_copy(update={"slots": Slots(person="Bo")})
    assert await completed(whole, NOW, asking, soon()) == whole
    assert engine.asked == []


async def test_a_model_at_chance_level_is_not_asked() -> None:
    engine, asking = doubt('{"person": "Bo"}', trust=1 / CANDIDATES)
    assert await completed(LACKING, NOW, asking, soon()) == LACKING
    assert engine.asked == []


@pytest.mark.parametrize(
    "answer", [Answer(error=EngineUnavailable("down")), Answer("prose"), Answer('{"person": "Bo"}', first_delay_s=5)]
)
async def test_an_engine_that_fails_or_is_late_leaves_the_intent_as_it_was(answer: Answer) -> None:
    _, asking = doubt(answer, limit_ms=200)
    assert await completed(LACKING, NOW, asking, soon()) == LACKING


async def test_without_the_role_or_a_deadline_nothing_is_asked() -> None:
    asking = Doubt(Roles({}, SystemClock()), Prompts(SHELF), 0.6)
    assert await completed(LACKING, NOW, asking, soon()) == LACKING
    engine, asking = doubt('{"person": "Bo"}')
    assert await completed(LACKING, NOW, asking, None) == LACKING
    assert engine.asked == []
