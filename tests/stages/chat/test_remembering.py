"""How much of a conversation goes into a prompt."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.chat import HistoryEntry
from stages.chat.remembering import remembered, shortened, tokens_of

THEN = datetime(2026, 1, 1, tzinfo=UTC)


def entry(number: int, reply: str = "reply") -> HistoryEntry:
    return HistoryEntry(user=f"question {number}", reply=reply, time=THEN)


def test_the_latest_turns_are_kept_in_their_order() -> None:
    kept = remembered([entry(n) for n in range(9)], max_turns=2, max_tokens=10_000)
    assert [message.content for message in kept] == ["question 7", "reply", "question 8", "reply"]
    assert [message.role for message in kept] == ["user", "assistant"] * 2


def test_the_token_limit_cuts_the_oldest() -> None:
    kept = remembered([entry(1), entry(2, "long " * 500), entry(3)], max_turns=9, max_tokens=200)
    assert [message.content for message in kept] == ["question 3", "reply"]


def test_a_turn_that_was_never_answered_is_left_out() -> None:
    assert remembered([entry(1, reply=" ")], max_turns=9, max_tokens=1_000) == ()


@pytest.mark.parametrize("text", ["word " * 5_000, "語" * 5_000, "x" * 5_000])
def test_a_long_text_is_cut_to_its_limit(text: str) -> None:
    cut = shortened(text, 100)
    assert tokens_of(cut) <= 103
    assert text.startswith(cut.removesuffix(" ..."))


@given(st.text(max_size=200))
def test_a_text_within_the_limit_stays(text: str) -> None:
    assert shortened(text, tokens_of(text)) == text
