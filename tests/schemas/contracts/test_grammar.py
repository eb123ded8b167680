"""Contracts as schemas: only what grammar compilers obey, and never an answer that does not fit max_tokens."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.engines.llama_cpp import ANSWER_MAX_TOKENS, SLOT_TOKENS
from schemas.contracts import (
    SLOTS,
    Contract,
    IntentAnswer,
    Step,
    Unbounded,
    adaptation_of,
    ranking_of,
    schema_of,
    summary_within,
    tokens_needed,
)
from schemas.contracts.contract import LATIN, Line
from schemas.contracts.plans import STEPS_MAX
from schemas.contracts.summary import BUDGET_MAX
from schemas.intents import IntentLabel
from tests.contract_examples import KINDS

ALL: dict[str, type[Contract]] = {
    **{name: kind.contract for name, kind in KINDS.items()},
    **{f"slots of {label}": contract for label, contract in SLOTS.items()},
    "ten ids": ranking_of([f"{'x' * 38}-{place}" for place in range(10)]),
    "twelve steps": adaptation_of([Step(f"{'x' * 36}-{place}", "go") for place in range(STEPS_MAX)]),
    "long summary": summary_within(BUDGET_MAX),
}
OBEYED = {"type", "properties", "required", "additionalProperties", "anyOf", "const", "enum", "pattern", "items"}
OBEYED |= {"minItems", "maxItems", "minimum", "maximum", "x-guidance"}


def nodes(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema and all schemas within it."""
    yield schema
    for inner in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        yield from nodes(inner)
    if "items" in schema:
        yield from nodes(schema["items"])


def largest(schema: Mapping[str, Any], sign: str) -> Any:
    """The longest answer that a schema allows, its texts made of `sign`."""
    if kinds := schema.get("anyOf"):
        return max(
            (largest(kind, sign) for kind in kinds),
            key=lambda value: len(json.dumps(value, ensure_ascii=False).encode()),
        )
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return max(schema["enum"], key=len)
    match schema["type"]:
        case "object":
            return {name: largest(value, sign) for name, value in schema["properties"].items()}
        case "array":
            return [largest(schema["items"], sign)] * schema["maxItems"]
        case "integer":
            return max(schema["minimum"], schema["maximum"], key=lambda value: len(str(value)))
    longest = 1 + int(re.findall(r"\{0,(\d+)\}\$$", schema["pattern"])[0])
    return (sign if re.fullmatch(schema["pattern"], sign) else "9") * longest


@pytest.mark.parametrize("name", ALL)
def test_the_sent_schema_holds_nothing_that_a_grammar_would_not_obey(name: str) -> None:
    for node in nodes(schema_of(ALL[name])):
        assert set(node) <= OBEYED
        if node.get("type") == "object":
            assert node["required"] == list(node["properties"])
            assert node["additionalProperties"] is False


@pytest.mark.parametrize("name", ALL)
def test_the_largest_answer_fits_its_tokens_byte_by_byte(name: str) -> None:
    contract = ALL[name]
    for sign in ("a", "é", "€", "9"):
        answer = largest(schema_of(contract), sign)
        contract.model_validate(answer)
        roomy = json.dumps(answer, ensure_ascii=False, separators=(" , ", " : "))
        assert len(roomy.encode()) < tokens_needed(contract)


@pytest.mark.parametrize("name", ALL)
def test_the_embedded_engine_can_say_the_largest_answer_and_hear_the_question(name: str) -> None:
    needed = tokens_needed(ALL[name])
    assert needed <= ANSWER_MAX_TOKENS
    assert SLOT_TOKENS - needed >= 1_000


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_good_answers_validate_and_near_misses_do_not(kind: object) -> None:
    assert isinstance(kind, type(next(iter(KINDS.values()))))
    for answer in kind.good:
        kind.contract.model_validate_json(json.dumps(answer))
    for miss in kind.bad:
        with pytest.raises(ValidationError):
            kind.contract.model_validate_json(json.dumps(miss.answer))


@settings(max_examples=200, deadline=None)
@given(st.from_regex(Line(20).pattern, fullmatch=True))
def test_every_text_that_the_grammar_allows_validates(text: str) -> None:
    assert not set(text) & set('"\\\n<>|[]{}')
    assert KINDS["summary"].contract.model_validate({"text": text})


@pytest.mark.parametrize(("said", "kept"), [("  two\n lines\t", "two lines"), ("a\x00b", "a b"), ("日本", "日本")])
def test_a_text_is_made_one_line_and_other_letters_are_not_refused(said: str, kept: str) -> None:
    answer = KINDS["summary"].contract.model_validate({"text": said})
    assert answer.model_dump() == {"text": kept}


def test_a_default_does_not_make_a_field_optional_for_the_grammar() -> None:
    assert schema_of(IntentAnswer)["required"] == ["label", "confidence"]
    assert IntentAnswer.model_validate({"label": "unknown"}).confidence == "medium"


class WithoutEnd(Contract):
    text: str


class WithoutCount(Contract):
    numbers: tuple[bool, ...]


class Unlimited(Contract):
    number: float


class Nested(Contract):
    inner: tuple["Nested", ...]


@pytest.mark.parametrize("contract", [WithoutEnd, WithoutCount, Unlimited, Nested])
def test_a_contract_without_bounds_is_refused_before_it_is_sent(contract: type[Contract]) -> None:
    with pytest.raises(Unbounded):
        schema_of(contract)
    with pytest.raises(Unbounded):
        tokens_needed(contract)


def test_a_property_may_be_called_as_a_keyword_is() -> None:
    slots = schema_of(SLOTS[IntentLabel.CREATE_REMINDER])
    assert list(slots["properties"]) == ["title", "when"]
    assert LATIN in slots["properties"]["title"]["pattern"]
