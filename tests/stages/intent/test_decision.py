"""Who decides: the head when it is sure, else the engine between its best guesses, else the head's best."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from infra.clock import SystemClock
from infra.engines.port import Ask, EngineUnavailable
from infra.engines.roles import Roles
from infra.engines.scripted import Answer, Script, ScriptedEngine, saying
from infra.engines.seats import Seat
from infra.prompts import Prompts
from schemas.intents import IntentLabel
from stages.intent import doubt_with
from stages.intent.decision import (
    CANDIDATES,
    Doubt,
    Shares,
    decide,
    narrowed,
    trust_in,
    weigh,
)
from stages.intent.prompting import SHELF

NOTE, REMINDER, EVENT, CHAT = (
    IntentLabel.CREATE_NOTE, IntentLabel.CREATE_REMINDER, IntentLabel.SCHEDULE_EVENT, IntentLabel.CHIT_CHAT
)  # fmt: skip
THRESHOLD = 0.7


def shares(**named: float) -> Shares:
    rest = (1 - sum(named.values())) / (len(IntentLabel) - len(named))
    return {label: named.get(label.value, rest) for label in IntentLabel}


CLOSE = shares(create_note=0.4, create_reminder=0.35, schedule_event=0.2)


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=20)


def engine_that(script: Script, trust: float = 0.8, limit_ms: int = 5_000) -> tuple[ScriptedEngine, Doubt]:
    engine = ScriptedEngine(script)
    roles = Roles({"intent": [Seat(engine, 4)]}, SystemClock())
    return engine, Doubt(roles, Prompts(SHELF), trust, limit_ms)


def answering(label: IntentLabel) -> Script:
    return saying(json.dumps({"label": label.value, "confidence": "high"}))


async def test_a_sure_head_decides_alone() -> None:
    engine, doubt = engine_that(answering(REMINDER))
    decision = await decide("note it", shares(create_note=0.9), THRESHOLD, doubt, soon())
    assert (decision.label, decision.decided_by, decision.confidence) == (NOTE, "head", 0.9)
    assert decision.prompt is None
    assert engine.asked == []


async def test_in_doubt_a_trusted_engine_decides_between_the_best() -> None:
    engine, doubt = engine_that(answering(REMINDER))
    decision = await decide("note it at six", CLOSE, THRESHOLD, doubt, soon())
    assert (decision.label, decision.decided_by) == (REMINDER, "engine")
    (ask,) = engine.asked
    assert offered(ask) == {NOTE, REMINDER, EVENT}
    assert "note it at six" in ask.messages[-1].content
    assert decision.prompt == Prompts(SHELF).render("choose", {"utterance": "x", "candidates": "y"}).use
    assert ask.max_tokens > 0 and ask.temperature == 0.0


def offered(ask: Ask) -> set[str]:
    """The labels that the grammar allows."""
    assert ask.schema is not None
    return set(ask.schema["properties"]["label"]["enum"])


async def test_an_engine_cannot_overrule_what_the_head_is_much_surer_of() -> None:
    clear = shares(create_note=0.65, create_reminder=0.05, schedule_event=0.04)
    _, doubt = engine_that(answering(EVENT), trust=0.6)
    decision = await decide("note it", clear, THRESHOLD, doubt, soon())
    assert (decision.label, decision.decided_by) == (NOTE, "engine")


async def test_an_engine_at_chance_level_is_not_asked() -> None:
    engine, doubt = engine_that(answering(REMINDER), trust=1 / CANDIDATES)
    decision = await decide("note it at six", CLOSE, THRESHOLD, doubt, soon())
    assert (decision.label, decision.decided_by) == (NOTE, "fallback")
    assert engine.asked == []


@pytest.mark.parametrize(
    "script",
    [
        lambda _: Answer(error=EngineUnavailable("down")),
        saying("I think that this is a note."),
        saying('{"label": "list_notes", "confidence": "high"}'),
        saying(""),
    ],
    ids=["down", "prose", "a label that was not offered", "nothing"],
)
async def test_when_the_engine_fails_the_heads_best_stands(script: Script) -> None:
    _, doubt = engine_that(script)
    decision = await decide("note it at six", CLOSE, THRESHOLD, doubt, soon())
    assert (decision.label, decision.decided_by) == (NOTE, "fallback")


async def test_a_silent_engine_is_waited_for_no_longer_than_the_limit() -> None:
    engine, doubt = engine_that(lambda _: Answer("{}", first_delay_s=60.0), limit_ms=50)
    decision = await decide("note it at six", CLOSE, THRESHOLD, doubt, soon())
    assert (decision.label, decision.decided_by) == (NOTE, "fallback")
    assert engine.running == 0


@pytest.mark.parametrize("deadline", [None, datetime(2020, 1, 1, tzinfo=UTC)])
async def test_without_time_the_heads_best_stands(deadline: datetime | None) -> None:
    _, doubt = engine_that(answering(REMINDER))
    decision = await decide("note it at six", CLOSE, THRESHOLD, doubt, deadline)
    assert (decision.label, decision.decided_by) == (NOTE, "fallback")


async def test_what_the_head_has_no_idea_of_is_unknown() -> None:
    engine, doubt = engine_that(answering(REMINDER))
    decision = await decide("flim flam", shares(create_note=0.2), THRESHOLD, doubt, soon())
    assert decision.label is IntentLabel.UNKNOWN
    assert engine.asked == []


def test_an_answer_at_chance_level_would_change_nothing() -> None:
    weighed = weigh(CLOSE, [NOTE, REMINDER, EVENT], EVENT, 1 / 3)
    assert {label: pytest.approx(CLOSE[label]) for label in weighed} == weighed


def test_the_contract_allows_the_candidates_only() -> None:
    contract = narrowed([NOTE, CHAT])
    assert contract.model_validate({"label": "chit_chat"}).label == CHAT
    with pytest.raises(ValueError, match="create_note"):
        contract.model_validate({"label": "create_reminder"})


def test_the_bundled_model_is_not_trusted_and_a_bigger_one_is() -> None:
    assert trust_in(None) == trust_in("/models/SmolLM2-135M-Instruct.gguf") == 1 / CANDIDATES
    assert trust_in("some-8b-instruct") > 1 / CANDIDATES
    roles = Roles({}, SystemClock())
    assert doubt_with(roles, "some-8b-instruct").engine is roles
