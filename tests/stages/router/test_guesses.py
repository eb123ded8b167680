"""What was only guessed is asked about before it is done; a yes does it once, a no drops it, a weak guess is none."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from infra.clock import SetClock
from schemas.chat import ReplyRequested
from schemas.intents import Intent, When
from stages.router.guesses import WEAK

if TYPE_CHECKING:
    from tests.stages.router.conftest import Person

Makes = Callable[..., Intent]
At = Callable[..., When]
LINE = "it was the best of times"
ASKED = f"Do you want me to note '{LINE}'?"
FIFTY = {"value": "50", "currency": "USD"}


@pytest.fixture
def guess(intent: Makes) -> Makes:
    """An intent that neither a sure head nor an engine decided."""

    def make(label: str, text: str = "as said", confidence: float = 0.5, **slots: object) -> Intent:
        made = intent(label, text, **slots)
        return made.model_copy(update={"decided_by": "fallback", "confidence": confidence})

    return make


@pytest.fixture
async def asked(person: "Person", guess: Makes) -> "Person":
    """Somebody who was asked whether that is to be noted."""
    turn = await person.says(guess("create_note", LINE, title=LINE))
    assert turn.reply.clarification == ASKED
    return person


async def notes_of(person: "Person", intent: Makes) -> int:
    return int((await person.says(intent("list_notes"))).task.data["count"])


async def test_a_guess_is_asked_about_and_nothing_is_done_or_reported(
    person: "Person", guess: Makes, intent: Makes
) -> None:
    turn = await person.says(guess("create_note", LINE, title=LINE))

    assert [type(said.fact) for said in turn.events] == [ReplyRequested]
    assert turn.reply.clarification == ASKED
    assert (turn.reply.tasks, turn.reply.talk) == ((), ())
    assert await notes_of(person, intent) == 0


@pytest.mark.parametrize("decided_by", ["head", "engine"])
async def test_what_was_decided_is_done_at_once(person: "Person", intent: Makes, decided_by: str) -> None:
    decided = intent("create_note", title="milk").model_copy(update={"decided_by": decided_by, "confidence": 0.42})

    assert (await person.says(decided)).task.message == "I've noted 'milk'."


@pytest.mark.parametrize("label", ["unknown", "chit_chat", "general_query", "create_note", "cancel_reminder"])
@pytest.mark.parametrize("text", ["Yes.", "yes please", "do that"])
async def test_a_yes_does_it_whatever_it_was_taken_for(asked: "Person", intent: Makes, label: str, text: str) -> None:
    turn = await asked.says(intent(label, text))

    assert turn.task.message == f"I've noted '{LINE}'."
    assert (turn.reply.talk, turn.reply.clarification) == ((), None)
    assert await notes_of(asked, intent) == 1


async def test_a_yes_that_was_cut_into_parts_is_one_answer(asked: "Person", intent: Makes) -> None:
    turn = await asked.says(intent("unknown", "Yes,"), intent("chit_chat", "please do that."))

    assert turn.task.message == f"I've noted '{LINE}'."
    assert (turn.reply.talk, turn.reply.clarification) == ((), None)


async def test_a_yes_and_another_wish_in_one_breath_are_both_done(asked: "Person", intent: Makes) -> None:
    turn = await asked.says(intent("unknown", "yes"), intent("add_friend", "add Tom to my friends", person="Tom"))

    assert [task.message for task in turn.tasks] == [f"I've noted '{LINE}'.", "I've added Tom to your friends."]


async def test_a_redelivered_yes_does_it_once(asked: "Person", intent: Makes) -> None:
    event = asked.event(intent("unknown", "yes"))
    first = await asked.heard(event)

    again = await asked.heard(event)

    assert [said.encoded() for said in again.events] == [said.encoded() for said in first.events]
    assert await notes_of(asked, intent) == 1


async def test_a_second_yes_does_nothing(asked: "Person", intent: Makes) -> None:
    await asked.says(intent("unknown", "yes"))

    assert (await asked.says(intent("unknown", "yes"))).tasks == []
    assert await notes_of(asked, intent) == 1


async def test_a_redelivered_guess_asks_the_same_and_not_again_once_it_was_answered(
    person: "Person", guess: Makes, intent: Makes
) -> None:
    event = person.event(guess("create_note", LINE, title=LINE))
    first = await person.heard(event)
    await person.says(intent("unknown", "no"))

    again = await person.heard(event)

    assert [said.encoded() for said in again.events] == [said.encoded() for said in first.events]
    assert (await person.says(intent("unknown", "yes"))).tasks == []


@pytest.mark.parametrize("text", ["No.", "don't", "never mind"])
async def test_a_no_drops_it(asked: "Person", intent: Makes, text: str) -> None:
    turn = await asked.says(intent("unknown", text))

    assert (turn.task.success, turn.task.message) == (False, "All right, I won't do that.")
    assert turn.reply.clarification is None
    assert (await asked.says(intent("unknown", "yes"))).tasks == []
    assert await notes_of(asked, intent) == 0


async def test_another_wish_is_done_and_ends_the_question(asked: "Person", intent: Makes, at: At) -> None:
    other = await asked.says(intent("create_reminder", title="tea", when=at(21, 15)))
    late = await asked.says(intent("unknown", "yes"))

    assert other.task.message == "I've set your reminder for 'tea' tomorrow at 3 PM."
    assert late.tasks == []


async def test_after_small_talk_a_yes_answers_the_small_talk(asked: "Person", intent: Makes) -> None:
    talk = await asked.says(intent("chit_chat", "tell me a joke"))
    turn = await asked.says(intent("chit_chat", "yes"))

    assert talk.reply.talk == ("tell me a joke",)
    assert (turn.tasks, turn.reply.talk) == ([], ("yes",))


async def test_what_is_neither_is_asked_again_and_may_then_be_answered(asked: "Person", intent: Makes) -> None:
    again = await asked.says(intent("unknown", "bananas"))
    turn = await asked.says(intent("unknown", "yes"))

    assert again.reply.clarification == f"I didn't understand that. {ASKED}"
    assert turn.task.message == f"I've noted '{LINE}'."


async def test_after_ten_minutes_a_yes_is_late(asked: "Person", intent: Makes, clock: SetClock) -> None:
    clock.at += timedelta(minutes=10, seconds=1)

    assert (await asked.says(intent("unknown", "yes"))).tasks == []


async def test_a_weak_guess_is_not_understood(person: "Person", guess: Makes, intent: Makes) -> None:
    turn = await person.says(guess("create_note", LINE, confidence=WEAK - 0.01, title=LINE))

    assert turn.tasks == []
    assert turn.reply.clarification is not None
    assert turn.reply.clarification.startswith(f"I'm not sure what to do with '{LINE}'.")
    assert (await person.says(intent("unknown", "yes"))).tasks == []


async def test_a_weak_guess_may_still_hold_the_answer_to_a_question(
    person: "Person", guess: Makes, intent: Makes
) -> None:
    await person.says(intent("create_reminder", "set a reminder"))

    turn = await person.says(guess("create_note", "call mum", confidence=0.35, title="call mum"))

    assert turn.reply.clarification == "When should I remind you of 'call mum'?"


async def test_a_yes_that_was_guessed_to_be_a_deed_is_none(person: "Person", guess: Makes) -> None:
    turn = await person.says(guess("create_note", "yes", title="yes"))

    assert turn.reply.clarification is not None
    assert turn.reply.clarification.startswith("I'm not sure what to do with 'yes'.")


@pytest.mark.parametrize("confidence", [0.5, 0.31])
async def test_what_only_tells_is_answered_on_a_guess(person: "Person", guess: Makes, confidence: float) -> None:
    turn = await person.says(
        guess("list_notes", "my notes", confidence),
        guess("list_reminders", "my reminders", confidence),
        guess("create_ledger", "who owes me money", confidence),
        guess("add_expense", "how much did i spend", confidence),
        guess("chit_chat", "nice", confidence),
    )

    assert len(turn.tasks) == 4 and all(task.success for task in turn.tasks)
    assert (turn.reply.talk, turn.reply.clarification) == (("nice",), None)


@pytest.mark.parametrize(
    ("label", "text", "slots", "question"),
    [
        ("create_reminder", "x", {"title": "tea"}, "Shall I set a reminder for 'tea'?"),
        ("create_reminder", "x", {}, "Shall I set a reminder?"),
        ("create_note", "x", {}, "Do you want me to take a note?"),
        ("schedule_event", "x", {"title": "dinner"}, "Shall I put 'dinner' into your calendar?"),
        ("update_reminder", "push tea back", {}, "Do you want me to change a reminder: 'push tea back'?"),
        ("cancel_reminder", "x", {"query": "dentist"}, "Shall I cancel the reminder for 'dentist'?"),
        ("cancel_reminder", "drop it all", {}, "Do you want me to cancel a reminder: 'drop it all'?"),
        (
            "create_ledger",
            "x",
            {"person": "sarah", "amount": FIFTY, "direction": "owes_me", "purpose": "dinner"},
            "Shall I note that Sarah owes you $50 for dinner?",
        ),
        (
            "create_ledger",
            "x",
            {"person": "Tom", "amount": FIFTY, "direction": "i_owe"},
            "Shall I note that you owe Tom $50?",
        ),
        ("create_ledger", "tom and me", {"person": "Tom"}, "Shall I enter 'tom and me' into your ledger?"),
        (
            "create_ledger",
            "Tom paid me back $50",
            {"person": "Tom", "amount": FIFTY, "direction": "owes_me"},
            "Shall I enter 'Tom paid me back $50' into your ledger?",
        ),
        ("add_expense", "x", {"amount": FIFTY, "purpose": "lunch"}, "Shall I add $50 for lunch to your expenses?"),
        ("add_expense", "lunch again", {}, "Shall I add 'lunch again' to your expenses?"),
        ("add_friend", "x", {"person": "maria"}, "Shall I add Maria to your friends?"),
        ("add_friend", "x", {}, "Shall I add somebody to your friends?"),
    ],
)
async def test_the_question_says_what_would_be_done(
    person: "Person", guess: Makes, label: str, text: str, slots: dict[str, object], question: str
) -> None:
    assert (await person.says(guess(label, text, **slots))).reply.clarification == question


@pytest.mark.parametrize(
    ("label", "day", "hour", "all_day", "question"),
    [
        ("create_reminder", 21, 15, False, "Shall I set a reminder for 'tea' tomorrow at 3 PM?"),
        ("create_reminder", 20, 1, False, "Shall I set a reminder for 'tea' tomorrow at 1 AM?"),  # the night to come
        ("create_reminder", 21, 0, True, "Shall I set a reminder for 'tea' tomorrow at 9 AM?"),
        ("create_reminder", 2, 9, False, "Shall I set a reminder for 'tea'?"),  # past: the skill will ask
        ("schedule_event", 21, 0, True, "Shall I put 'tea' into your calendar tomorrow?"),
        ("schedule_event", 21, 15, False, "Shall I put 'tea' into your calendar tomorrow at 3 PM?"),
    ],
)
async def test_the_question_names_the_time_that_it_will_be(
    person: "Person", guess: Makes, at: At, label: str, day: int, hour: int, all_day: bool, question: str
) -> None:
    turn = await person.says(guess(label, title="tea", when=at(day, hour, all_day=all_day)))

    assert turn.reply.clarification == question


async def test_what_a_confirmed_guess_still_lacks_is_asked_for_and_not_confirmed_again(
    person: "Person", guess: Makes, intent: Makes, at: At
) -> None:
    await person.says(guess("create_reminder", "tea thing", title="tea"))

    yes = await person.says(intent("unknown", "yes"))
    turn = await person.says(intent("unknown", "at three", when=at(20, 15)))

    assert yes.reply.clarification == "When should I remind you of 'tea'?"
    assert turn.task.message == "I've set your reminder for 'tea' today at 3 PM."


async def test_of_two_guesses_one_is_asked_about_and_the_other_told_to_be_undone(
    person: "Person", guess: Makes, intent: Makes
) -> None:
    event = person.event(guess("create_note", "a", title="a"), guess("create_note", "b", title="b"))
    turn = await person.heard(event)
    again = await person.heard(event)
    yes = await person.says(intent("unknown", "yes"))

    assert turn.tasks == []
    assert turn.reply.clarification == (
        "I've done nothing about 'b' yet; please say that again on its own. Do you want me to note 'a'?"
    )
    assert [said.encoded() for said in again.events] == [said.encoded() for said in turn.events]
    assert yes.task.message == "I've noted 'a'."


@pytest.mark.parametrize("guessed_first", [True, False])
async def test_a_guess_beside_what_lacks_a_time_leaves_the_question_for_the_time(
    person: "Person", guess: Makes, intent: Makes, at: At, guessed_first: bool
) -> None:
    intents = [guess("create_note", "a", title="a"), intent("create_reminder", title="tea")]

    turn = await person.says(*(intents if guessed_first else reversed(intents)))
    done = await person.says(intent("unknown", "at three", when=at(20, 15)))

    assert turn.reply.clarification == (
        "I've done nothing about 'a' yet; please say that again on its own. When should I remind you of 'tea'?"
    )
    assert done.task.message == "I've set your reminder for 'tea' today at 3 PM."


async def test_a_guess_beside_what_is_sure_leaves_that_done(person: "Person", guess: Makes, intent: Makes) -> None:
    turn = await person.says(intent("create_note", title="milk"), guess("add_friend", person="Tom"))

    assert turn.task.message == "I've noted 'milk'."
    assert turn.reply.clarification == "Shall I add Tom to your friends?"
