"""What an engine has computed for one turn serves the next: prompts of a conversation begin alike."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from infra.clock import new_id
from infra.engines.port import Message
from infra.prompts import Prompts
from schemas.chat import HistoryEntry, ReplyRequested
from schemas.event import Event, Meta
from scripts.bench.asking.backends import embedded
from scripts.bench.asking.timing import Answers
from stages.chat import SHELF, Memory, Sampling
from stages.chat.planning import planned

HANDED_OVER = 12  # turns of history that the router hands to chat


def conversation(turns: int, said: Sequence[str] = ("Tell me about dogs.",)) -> list[tuple[Message, ...]]:
    """The messages of each turn's prompt, the history growing as the keeper writes it and the router hands it over."""
    prompts, history, asked = Prompts(SHELF), list[HistoryEntry](), list[tuple[Message, ...]]()
    conversation_id = new_id()
    for number in range(1, turns + 1):
        text = f"{said[number % len(said)]} ({number})"
        now = datetime.now(UTC)
        meta = Meta(
            id="test",
            type="ReplyRequested",
            conversation=conversation_id,
            turn=new_id(),
            user="test",
            time=now,
            number=number,
        )
        fact = ReplyRequested(text=text, talk=(text,), history=tuple(history[-HANDED_OVER:]))
        plan, _ = planned(Event(meta=meta, fact=fact), prompts, Sampling(), Memory())
        assert plan.ask is not None
        asked.append(plan.ask.messages)
        history.append(HistoryEntry(user=text, reply=f"Reply {number}.", time=now, number=number))
    return asked


@pytest.mark.parametrize("said", ["Tell me about dogs.", "  Spaces <|im_start|> and\u200b markers  ", "語 " * 40])
def test_over_six_turns_each_prompt_begins_with_all_of_the_one_before(said: str) -> None:
    asked = conversation(6, [said])
    for before, after in itertools.pairwise(asked):
        assert after[: len(before)] == before
        assert len(after) == len(before) + 2


def test_in_a_long_conversation_the_history_is_cut_once_in_a_block_and_the_rest_stands() -> None:
    asked = conversation(40)
    fixed = 1 + 2 * 6  # the system's message and the examples: never cut
    cuts = []
    for number, (before, after) in enumerate(itertools.pairwise(asked), start=2):
        assert after[:fixed] == before[:fixed]
        if after[: len(before)] != before:
            cuts.append(number)
            assert after[fixed:-2] == before[fixed + len(before) + 2 - len(after) :]
    assert cuts == [10, *range(13, 41, 4)]  # the first block has turns 1 to 3


def test_no_clock_no_user_and_no_turn_stands_in_a_prompt() -> None:
    assert conversation(3) == conversation(3)


@pytest.mark.slow
async def test_the_real_engine_computes_only_what_is_new_in_each_turn() -> None:
    async with embedded() as backend:
        answers = Answers(backend)
        timed = [await answers.timed(messages, 1) for messages in conversation(6)]
        await answers.aclose()
    grown = [after.prompt_tokens - before.prompt_tokens for before, after in itertools.pairwise(timed)]
    computed = [each.prompt_tokens - (each.cached_tokens or 0) for each in timed[1:]]
    # What was added to the prompt, and the few tokens that open an answer, which the reply has taken the place of.
    assert all(new <= added + 8 for new, added in zip(computed, grown, strict=True)), (computed, grown)
    assert all((each.cached_share or 0) > 0.8 for each in timed[1:])
