"""Summaries within a budget, hypotheses in order, tools that there are."""

import pytest

from schemas.contracts import Hypotheses, cut_to, summary_within, tool_calls
from schemas.contracts.tools import CALLS_MAX
from schemas.errors import InvalidField
from schemas.intents import IntentLabel


def letters(text: str) -> int:
    return len(text)


@pytest.mark.parametrize(
    ("text", "budget", "kept"),
    [("one two three", 13, "one two three"), ("one two three", 12, "one two"), ("one two", 3, "one"), ("long", 2, "")],
)
def test_a_summary_is_cut_at_a_word_when_the_tokenizer_says_it_is_too_long(text: str, budget: int, kept: str) -> None:
    assert cut_to(text, budget, letters) == kept


@pytest.mark.parametrize("tokens", [0, 7, 161])
def test_a_budget_that_no_contract_holds_is_refused(tokens: int) -> None:
    with pytest.raises(InvalidField, match="8 to 160"):
        summary_within(tokens)


def test_hypotheses_come_surest_first_and_each_question_once() -> None:
    answer = Hypotheses.model_validate(
        {
            "hypotheses": [
                {"question": "An alarm?", "confidence": 30},
                {"question": "A note?", "confidence": 80},
                {"question": "an alarm?", "confidence": 60},
            ]
        }
    )
    assert [(one.question, one.share) for one in answer.best_first] == [("A note?", 0.8), ("an alarm?", 0.6)]


@pytest.mark.parametrize("tools", [[], [IntentLabel.CHIT_CHAT], [IntentLabel.ADD_FRIEND, IntentLabel.UNKNOWN]])
def test_what_is_no_tool_makes_no_contract(tools: list[IntentLabel]) -> None:
    with pytest.raises(InvalidField, match="create_reminder"):
        tool_calls(tools)


@pytest.mark.parametrize("most", [0, CALLS_MAX + 1])
def test_the_number_of_calls_is_bounded(most: int) -> None:
    with pytest.raises(InvalidField, match="calls"):
        tool_calls(most=most)


def test_only_the_tools_that_are_offered_can_be_called() -> None:
    contract = tool_calls([IntentLabel.ADD_FRIEND], most=1)
    assert contract.model_validate({"calls": [{"tool": "add_friend", "arguments": {"person": "Bo"}}]})
    with pytest.raises(ValueError, match="add_friend"):
        contract.model_validate({"calls": [{"tool": "create_note", "arguments": {"title": "x"}}]})
