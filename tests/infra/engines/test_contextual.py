"""Minimal mode: what it says without a model, and what it does not claim."""

from datetime import UTC, datetime

import pytest

from infra.engines.contextual import ContextualEngine
from infra.engines.port import Ask, EngineUnavailable, Message


async def answer(*said: str, continues: str = "", schema: dict[str, object] | None = None) -> str:
    """The answer to the last of the texts; those before it alternate between the person and Parley."""
    messages = [Message("user" if (len(said) - n) % 2 else "assistant", text) for n, text in enumerate(said)]
    ask = Ask(tuple(messages), 50, datetime(2030, 1, 1, tzinfo=UTC), continues=continues, schema=schema)
    return "".join([delta.text async for delta in ContextualEngine().generate(ask)])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Hello!", "How can I help"),
        ("good morning", "How can I help"),
        ("Thanks a lot", "welcome"),
        ("What's your name?", "Parley"),
        ("what can you do", "reminders"),
        ("Good night.", "Goodbye"),
        ("How are you today?", "well"),
        ("I'm feeling a bit tired today.", "sorry"),
        ("", "say that again"),
    ],
)
async def test_small_talk_is_answered_by_rule(said: str, expected: str) -> None:
    assert expected in await answer(said)


@pytest.mark.parametrize("question", ["What is the capital of France?", "why is the sky blue", "Tell me a joke."])
async def test_it_says_that_it_cannot_answer_and_invents_nothing(question: str) -> None:
    told = await answer(question)
    assert "language model" in told
    assert "Paris" not in told


async def test_a_question_is_taken_up_in_its_words() -> None:
    assert "capital of France" in await answer("What is the capital of France?")


async def test_a_name_is_remembered_from_earlier_in_the_conversation() -> None:
    assert await answer("My name is ana", "Nice to meet you, Ana.", "what's my name?") == "Your name is Ana."
    assert "haven't told me" in await answer("what's my name?")


async def test_the_latest_name_counts() -> None:
    said = ("My name is Ana", "Hello.", "Call me Bea", "Hello.", "Do you remember my name?")
    assert await answer(*said) == "Your name is Bea."


async def test_a_mood_is_not_taken_for_a_name() -> None:
    assert "haven't told me" in await answer("I am tired.", "I'm sorry.", "who am I?")


async def test_it_repeats_what_was_said_before() -> None:
    assert await answer("Hello", "Hello! How can I help?", "Say that again please") == "Hello! How can I help?"
    assert "buy milk" in await answer("buy milk", "Noted.", "what did I just say?")


async def test_the_same_conversation_gets_the_same_answer() -> None:
    said = ("Hello", "Hi.", "Nice weather today")
    assert await answer(*said) == await answer(*said)


async def test_another_engines_half_answer_is_not_continued_by_a_stranger() -> None:
    assert await answer("What is the capital of France?", continues="The capital of France is") == ""


async def test_no_contract_is_answered() -> None:
    with pytest.raises(EngineUnavailable, match="contract"):
        await answer("Hello", schema={"type": "object"})


async def test_the_examples_of_a_prompt_are_not_taken_for_what_was_said() -> None:
    examples = (
        Message("user", "My name is Eve", example=True),
        Message("assistant", "Hello, Eve.", example=True),
    )
    for asked, expected in (("What is my name?", "haven't told me"), ("What did I say?", "first thing")):
        ask = Ask((*examples, Message("user", asked)), 50, datetime(2030, 1, 1, tzinfo=UTC))
        assert expected in "".join([delta.text async for delta in ContextualEngine().generate(ask)])
