"""scripts/bench/contracts: many different questions, an honest count, and a table that a person can read."""

import asyncio
import json

import pytest

from infra.engines.scripted import Answer, ScriptedEngine
from schemas.contracts import SLOTS, IntentAnswer, schema_of, tokens_needed
from schemas.intents import IntentLabel
from scripts.bench.contracting.asking import asked
from scripts.bench.contracting.cases import Case, cases, shape
from scripts.bench.contracting.tables import table

UTTERANCES = [f"{number} things to remind me of" for number in range(40)]
GOOD = json.dumps({"label": "create_note", "confidence": "low"})


def test_all_kinds_are_asked_with_inputs_that_differ_and_the_same_each_time() -> None:
    made = list(cases(UTTERANCES, 30))
    assert len(made) == 330
    assert len({case.kind for case in made}) == 11
    for kind in {case.kind for case in made}:
        assert len({case.messages for case in made if case.kind == kind}) >= 15
    assert [case.messages for case in cases(UTTERANCES, 30)] == [case.messages for case in made]
    assert [case.messages for case in cases(UTTERANCES, 30, seed=2)] != [case.messages for case in made]


def test_prompt_and_answer_fit_the_context_of_the_small_model() -> None:
    for case in cases(UTTERANCES, 30):
        chars = sum(len(message.content) for message in case.messages)
        assert chars / 3 + tokens_needed(case.contract) < 2_048


def test_a_shape_is_what_a_person_would_write_down() -> None:
    assert shape(schema_of(SLOTS[IntentLabel.CANCEL_REMINDER])) == (
        '{"query": "words", "when": "words", "all": "yes" or "no" or "auto"}'
    )


@pytest.mark.parametrize(
    ("answer", "valid", "readable"),
    [
        (Answer(GOOD), True, True),
        (Answer(f"Sure: {GOOD}"), False, True),
        (Answer("prose"), False, False),
        (Answer(GOOD[:-1]), False, False),
        (Answer(GOOD, cut_after=1), False, False),
    ],
)
def test_an_answer_counts_as_what_it_is(answer: Answer, valid: bool, readable: bool) -> None:
    case = Case("intent", IntentAnswer, next(iter(cases(UTTERANCES, 1))).messages)
    (outcome,) = asyncio.run(asked(ScriptedEngine(lambda _: answer), [case], 1, 1.0, forced=True))
    assert (outcome.valid, outcome.readable) == (valid, readable)
    assert bool(outcome.error) == (answer.cut_after is not None)


def test_the_table_has_a_row_for_each_contract_and_one_for_all() -> None:
    made = list(cases(UTTERANCES, 2))
    engine = ScriptedEngine(lambda _: Answer(GOOD))
    outcomes = asyncio.run(asked(engine, made, 4, 1.0, forced=True))
    lines = table(outcomes, outcomes, [tokens_needed(case.contract) for case in made]).splitlines()
    assert len(lines) == 2 + 11 + 1 + 2
    assert lines[2].startswith("| intent | 2 | 100.0% (2) | 100.0% (2) | 100.0% (2) | 0 |")
    assert lines[12].startswith("| follow-up questions | 2 | 0.0% (0) |")
    assert lines[13].startswith("| **all** | 22 | 9.1% (2) |")
    assert all(line.count("|") == lines[0].count("|") for line in lines[:14])
    engine_asked = [ask.schema for ask in engine.asked]
    assert None not in engine_asked
