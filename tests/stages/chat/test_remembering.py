"""How much of a conversation goes into a prompt."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.engines.port import Message
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


def numbered(first: int, last: int, reply: str = "reply") -> list[HistoryEntry]:
    """Turns with these numbers, as the router hands them over."""
    return [entry(n, reply).model_copy(update={"number": n}) for n in range(first, last + 1)]


def firsts(kept: Sequence[Message]) -> int:
    """The number of the first turn that was kept."""
    return int(kept[0].content.removeprefix("question "))


def test_turns_leave_in_blocks_whatever_part_of_the_conversation_was_handed_over() -> None:
    begins = [
        firsts(remembered(numbered(max(0, last - 11), last), max_turns=8, max_tokens=10_000, block=4))
        for last in range(24)
    ]
    assert begins == [0] * 8 + [4] * 4 + [8] * 4 + [12] * 4 + [16] * 4


def test_a_block_begins_at_its_first_answered_turn() -> None:
    history = [said.model_copy(update={"reply": ""}) if said.number == 8 else said for said in numbered(0, 12)]
    assert firsts(remembered(history, max_turns=7, max_tokens=10_000, block=4)) == 9


def test_the_token_limit_too_is_kept_by_leaving_whole_blocks() -> None:
    each = tokens_of("question 10") + tokens_of("reply") + 12
    begins = [
        firsts(remembered(numbered(0, last), max_turns=99, max_tokens=6 * each, block=4)) for last in range(10, 18)
    ]
    assert begins == [8, 8, 8, 8, 12, 12, 12, 12]  # six turns fit, of which at most three leave


def test_turns_too_long_for_a_block_are_kept_as_far_as_they_fit() -> None:
    kept = remembered(numbered(0, 10, reply="long " * 40), max_turns=8, max_tokens=200, block=4)
    assert firsts(kept) == 9


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 6), st.integers(40, 400), st.data())
def test_both_limits_hold_however_the_blocks_fall(
    last: int, max_turns: int, block: int, max_tokens: int, data: st.DataObject
) -> None:
    replies = [data.draw(st.sampled_from(["", "reply", "long " * 30])) for _ in range(last + 1)]
    history = [said.model_copy(update={"reply": reply}) for said, reply in zip(numbered(0, last), replies, strict=True)]
    kept = remembered(history, max_turns, max_tokens, block)
    assert len(kept) <= 2 * max_turns
    assert sum(tokens_of(message.content) + 6 for message in kept) <= max_tokens
    everything = [text for said in history if said.reply for text in (said.user, said.reply)]
    assert [message.content for message in kept] == everything[len(everything) - len(kept) :]


def test_a_turn_that_was_never_answered_is_left_out() -> None:
    assert remembered([entry(1, reply=" ")], max_turns=9, max_tokens=1_000) == ()


@pytest.mark.parametrize("text", ["word " * 5_000, "語" * 5_000, "x" * 5_000])
def test_a_long_text_is_cut_to_its_limit(text: str) -> None:
    cut = shortened(text, 100)
    assert tokens_of(cut) <= 103
    assert text.startswith(cut.removesuffix(" ..."))


@settings(deadline=None)
@given(st.text(max_size=200))
def test_a_text_within_the_limit_stays(text: str) -> None:
    assert shortened(text, tokens_of(text)) == text
