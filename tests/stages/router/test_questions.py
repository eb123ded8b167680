"""What was asked back waits for its answer: a scrap completes it, another wish ends it, "never mind" drops it."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from infra.clock import SetClock
from schemas.intents import Intent, When

if TYPE_CHECKING:
    from tests.stages.router.conftest import Person

Makes = Callable[..., Intent]
At = Callable[..., When]
ASKED = "When should I remind you of 'call mum'?"
DONE = "I've set your reminder for 'call mum' today at 3 PM."


@pytest.fixture
async def asked(person: "Person", intent: Makes) -> "Person":
    """Somebody who was asked when to be reminded."""
    turn = await person.says(intent("create_reminder", "remind me to call mum", title="call mum"))
    assert turn.reply.clarification == ASKED
    return person


@pytest.mark.parametrize("label", ["unknown", "chit_chat", "general_query", "create_reminder", "schedule_event"])
async def test_at_three_completes_the_reminder_whatever_it_was_taken_for(
    asked: "Person", intent: Makes, at: At, label: str
) -> None:
    turn = await asked.says(intent(label, "at three", when=at(20, 15, text="at three")))

    assert turn.task.message == DONE
    assert turn.reply.talk == ()
    assert turn.reply.clarification is None


async def test_an_answer_is_taken_once(asked: "Person", intent: Makes, at: At) -> None:
    await asked.says(intent("unknown", "at three", when=at(20, 15)))

    turn = await asked.says(intent("unknown", "at four", when=at(20, 16)))

    assert turn.tasks == []


async def test_an_answer_may_come_after_small_talk(asked: "Person", intent: Makes, at: At) -> None:
    talk = await asked.says(intent("chit_chat", "you are quick"))
    turn = await asked.says(intent("unknown", "at three", when=at(20, 15)))

    assert talk.reply.talk == ("you are quick",)
    assert turn.task.message == DONE


async def test_what_is_no_answer_is_asked_again(asked: "Person", intent: Makes) -> None:
    turn = await asked.says(intent("unknown", "bananas"))

    assert turn.reply.clarification == f"I didn't understand that. {ASKED}"


async def test_silence_is_asked_again(asked: "Person", intent: Makes) -> None:
    turn = await asked.says(intent("unknown", ""), text="")

    assert turn.reply.clarification == f"I didn't hear anything. {ASKED}"


async def test_another_wish_ends_the_question(asked: "Person", intent: Makes, at: At) -> None:
    other = await asked.says(intent("create_reminder", title="buy milk", when=at(20, 17)))
    turn = await asked.says(intent("unknown", "at three", when=at(20, 15)))

    assert other.task.message == "I've set your reminder for 'buy milk' today at 5 PM."
    assert turn.tasks == []


async def test_an_answer_and_another_wish_in_one_breath_are_both_done(asked: "Person", intent: Makes, at: At) -> None:
    turn = await asked.says(
        intent("unknown", "at three", when=at(20, 15)), intent("create_note", "note milk", title="milk")
    )

    assert [task.message for task in turn.tasks] == [DONE, "I've noted 'milk'."]


@pytest.mark.parametrize("label", ["unknown", "cancel_reminder", "chit_chat"])
async def test_never_mind_drops_it(asked: "Person", intent: Makes, at: At, label: str) -> None:
    dropped = await asked.says(intent(label, "never mind"))
    turn = await asked.says(intent("unknown", "at three", when=at(20, 15)))

    assert dropped.task.message == "All right, I've dropped that."
    assert turn.tasks == []


async def test_a_question_is_forgotten_after_ten_minutes(
    asked: "Person", intent: Makes, at: At, clock: SetClock
) -> None:
    clock.at += timedelta(minutes=10, seconds=1)

    turn = await asked.says(intent("unknown", "at three", when=at(20, 15)))

    assert turn.tasks == []


async def test_a_question_is_forgotten_after_three_turns(asked: "Person", intent: Makes, at: At) -> None:
    for text in ("nice", "weather", "today"):
        await asked.says(intent("chit_chat", text))

    turn = await asked.says(intent("unknown", "at three", when=at(20, 15)))

    assert turn.tasks == []


async def test_title_and_time_are_asked_for_one_after_the_other(person: "Person", intent: Makes, at: At) -> None:
    first = await person.says(intent("create_reminder", "set a reminder"))
    second = await person.says(intent("unknown", "Call mum."))
    turn = await person.says(intent("unknown", "at three", when=at(20, 15)))

    assert first.reply.clarification == "What should I remind you of?"
    assert second.reply.clarification == "When should I remind you of 'Call mum'?"
    assert turn.task.message == "I've set your reminder for 'Call mum' today at 3 PM."


async def test_a_question_in_reply_to_a_question_is_no_title(person: "Person", intent: Makes) -> None:
    await person.says(intent("create_reminder", "set a reminder"))

    turn = await person.says(intent("general_query", "what can you do?"))

    assert turn.tasks == []
    assert turn.reply.talk == ("what can you do?",)


async def test_a_redelivered_answer_completes_it_once(asked: "Person", intent: Makes, at: At) -> None:
    event = asked.event(intent("unknown", "at three", when=at(20, 15)))
    first = await asked.heard(event)

    again = await asked.heard(event)

    assert [said.encoded() for said in again.events] == [said.encoded() for said in first.events]
    assert (await asked.says(intent("list_reminders"))).task.data["count"] == 1


async def test_a_whole_wish_is_no_answer_to_which_one(person: "Person", intent: Makes, at: At) -> None:
    for title, hour in (("call mum", 15), ("buy stamps", 16), ("laundry", 17)):
        await person.says(intent("create_reminder", title=title, when=at(20, hour)))
    asked = await person.says(intent("update_reminder", "actually make it six", when=at(20, 18)))
    assert asked.reply.clarification is not None

    moved = await person.says(
        intent("update_reminder", "move the mum reminder to tomorrow morning", title="mum", when=at(21, 9))
    )

    assert moved.task.success
    assert "'call mum'" in moved.task.message
    assert "tomorrow at 9 AM" in moved.task.message


async def test_a_list_is_given_whatever_was_asked(person: "Person", intent: Makes, at: At) -> None:
    for title, hour in (("call mum", 15), ("buy stamps", 16)):
        await person.says(intent("create_reminder", title=title, when=at(20, hour)))
    await person.says(intent("cancel_reminder", "cancel it"))

    listed = await person.says(intent("list_reminders", "what are my reminders?"))

    assert listed.task.message.startswith("You have 2 reminders")
