"""What needs no model is answered from facts; everything else is left to the model."""

from datetime import UTC, datetime

import pytest

from stages.chat.known import ABILITIES, GOODBYE, NO_WEATHER, known

SAID_AT = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("what's the time?", "It's 3:05 PM."),
        ("What time is it", "It's 3:05 PM."),
        ("Hey Parley, can you tell me the time please", "It's 3:05 PM."),
        ("what day is it today?", "Today is Friday, November 20, 2026."),
        ("What is today's date?", "Today is Friday, November 20, 2026."),
        ("what can you do?", ABILITIES),
        ("help", ABILITIES),
        ("what's the weather like?", NO_WEATHER),
        ("will it rain tomorrow", NO_WEATHER),
        ("bye", GOODBYE),
        ("Good night!", GOODBYE),
    ],
)
def test_facts_are_told_in_the_persons_own_time(text: str, answer: str) -> None:
    assert known(text, SAID_AT, "Europe/Berlin") == answer


@pytest.mark.parametrize(
    "text",
    [
        "what time is it in Tokyo when it is noon in Berlin",
        "what is the time complexity of quicksort?",
        "what is the day after tomorrow called",
        "what is the date of the battle of hastings",
        "why is the weather so bad in england",
        "help me write a poem",
        "byzantium",
        "",
    ],
)
def test_other_questions_are_left_to_the_model(text: str) -> None:
    assert known(text, SAID_AT, "Europe/Berlin") is None


def test_an_unknown_zone_is_no_reason_to_be_silent() -> None:
    assert known("what time is it", SAID_AT, "Mars/Olympus") == "It's 2:05 PM."
