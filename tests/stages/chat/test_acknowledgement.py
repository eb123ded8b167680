"""What skills did, in their own words."""

import pytest

from schemas.intents import IntentLabel
from schemas.tasks import TaskOutcome
from stages.chat.acknowledgement import acknowledged

REMINDER = "I've set your reminder for 'doctor appointment' at 3 PM."


def done(message: str, success: bool = True) -> TaskOutcome:
    return TaskOutcome(skill=IntentLabel.CREATE_NOTE, success=success, message=message)


@pytest.mark.parametrize(
    ("tasks", "sentences"),
    [
        ([done(REMINDER)], [REMINDER]),
        ([done("I've set 'sleep' at 1 AM."), done("I've noted 'buy chocolate'.")],
         ["I've set 'sleep' at 1 AM, and I've noted 'buy chocolate'."]),
        ([done("I've noted 'milk'."), done("I couldn't find a reminder called 'gym'.", success=False)],
         ["I've noted 'milk', but I couldn't find a reminder called 'gym'."]),
        ([done("I've noted 'milk'."), done("You have 2 notes: milk, eggs.")],
         ["I've noted 'milk'.", "You have 2 notes: milk, eggs."]),
        ([done("I've noted a."), done("I've noted b."), done("I've noted c.")],
         ["I've noted a.", "I've noted b.", "I've noted c."]),
        ([done("I've noted 'milk'"), done("I've noted 'milk'")], ["I've noted 'milk'."]),
        ([done("Done. Sarah owes you $50.00.")], ["Done.", "Sarah owes you $50.00."]),
        ([done("  ")], []),
        ([], []),
    ],
)  # fmt: skip
def test_outcomes_are_told_in_order_and_joined_where_it_sounds_natural(
    tasks: list[TaskOutcome], sentences: list[str]
) -> None:
    assert acknowledged(tasks) == sentences


def test_long_messages_stay_sentences_of_their_own() -> None:
    long = [done(f"I've noted '{'very ' * 20}long {n}'.") for n in range(2)]
    assert len(acknowledged(long)) == 2
