"""Whether an utterance wants one thing or several. The head here is a stand-in with fixed guesses where it says so."""

from collections.abc import Awaitable, Callable

import pytest

from schemas.intents import Intent, IntentLabel
from stages.intent.segments import MAX_CUTS, MAX_PARTS, Guess, cuts_of, parts_of

Understood = Callable[[str], Awaitable[tuple[Intent, ...]]]

ONE = [
    "remind me to buy milk and eggs",
    "note that sarah likes tea, coffee and cake",
    "tom and jerry owe me 5 dollars each",
    "add eggs, milk and flour to the shopping list",
    "i paid sixty for food and drinks",
    "remind me to call mom, dad and grandma",
    "schedule a meeting with tom, ann and joe for monday at nine",
    "note that bob and alice moved to leeds and have a dog",
    "what's the difference between jam and marmalade",
    "hi, remind me at ten to call my sister",
    "i'm going to the store so remind me to buy milk",
    "remind me to wash the car and vacuum it tomorrow",
]
SEVERAL = [
    (
        "set a reminder for 1 a.m. to sleep and note to buy chocolate",
        ["set a reminder for 1 a.m. to sleep", "note to buy chocolate"],
    ),
    (
        "Remind me to call Mum at five. Also add milk to my shopping list.",
        ["Remind me to call Mum at five", "add milk to my shopping list."],
    ),
    (
        "i spent ten on coffee plus joe owes me five",
        ["i spent ten on coffee", "joe owes me five"],
    ),
    (
        "anna owes me twelve dollars and i owe ben eight",
        ["anna owes me twelve dollars", "i owe ben eight"],
    ),
    (
        "show my reminders and delete the one about the plumber",
        ["show my reminders", "delete the one about the plumber"],
    ),
    (
        "delete my gym reminder, add eggs to the shopping list, and schedule coffee with mia on friday",
        ["delete my gym reminder", "add eggs to the shopping list", "schedule coffee with mia on friday"],
    ),
]


@pytest.mark.parametrize("text", ONE)
async def test_what_is_listed_or_described_stays_one(understood: Understood, text: str) -> None:
    assert [intent.text for intent in await understood(text)] == [text]


@pytest.mark.parametrize(("text", "parts"), SEVERAL)
async def test_several_requests_are_cut_where_they_are_joined(
    understood: Understood, text: str, parts: list[str]
) -> None:
    assert [intent.text for intent in await understood(text)] == parts


async def test_the_issue_s_example_has_two_intents_with_their_slots(understood: Understood) -> None:
    reminder, note = await understood("set a reminder for 1 a.m. to sleep and note to buy chocolate")
    assert (reminder.label, note.label) == (IntentLabel.CREATE_REMINDER, IntentLabel.CREATE_NOTE)
    assert reminder.slots.title == "sleep" and note.slots.title == "buy chocolate"
    assert reminder.slots.when is not None and reminder.slots.when.text == "1 a.m."


def guessed(text: str, sure: float) -> tuple[str, dict[str, Guess]]:
    """A guess of that probability for every stretch: reminders and notes in turn."""
    labels = (IntentLabel.CREATE_REMINDER, IntentLabel.CREATE_NOTE)
    stretches = cuts_of(text).stretches()
    return text, {part: Guess(labels["note" in part.split(" and ")[0]], sure) for part in stretches}


def test_a_head_that_is_not_sure_of_the_parts_leaves_them_together() -> None:
    text, guesses = guessed("set a reminder to sleep and note to buy chocolate", 0.4)
    assert parts_of(cuts_of(text), guesses) == [text]


def test_a_head_that_is_sure_of_the_parts_cuts() -> None:
    text, guesses = guessed("set a reminder to sleep and note to buy chocolate", 0.9)
    assert parts_of(cuts_of(text), guesses) == ["set a reminder to sleep", "note to buy chocolate"]


def test_there_are_at_most_four_parts() -> None:
    text = ", and ".join(["remind me to call ann", "note that it rained"] * 4)
    text, guesses = guessed(text, 0.95)
    assert len(cuts_of(text).cuts) == MAX_CUTS
    assert len(parts_of(cuts_of(text), guesses)) == MAX_PARTS


def test_a_dictation_is_not_cut() -> None:
    assert cuts_of("note that it rained and remind me to call ann. " * 40).cuts == ()


def test_the_parts_are_stretches_of_the_text_in_order() -> None:
    text = "Hey, remind me to call Ann at six, and then what's the weather in Rome?"
    cuts = cuts_of(text)
    at = 0
    for part in parts_of(cuts, {s: Guess(IntentLabel.CREATE_REMINDER, 0.99) for s in cuts.stretches()}):
        assert part in text[at:]
        at = text.index(part, at) + len(part)
