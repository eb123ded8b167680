"""Cancelling all reminders is confirmed first, and then means those that were counted, once."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from schemas.chat import ReplyRequested
from schemas.intents import Intent, When

if TYPE_CHECKING:
    from tests.stages.router.conftest import Person

Makes = Callable[..., Intent]
At = Callable[..., When]
ASKED = "You have 4 reminders. Shall I cancel all of them?"


@pytest.fixture
async def four(person: "Person", intent: Makes, at: At) -> "Person":
    """Somebody with four reminders."""
    for number in range(4):
        await person.says(intent("create_reminder", title=f"job {number}", when=at(21, 8 + number)))
    return person


async def open_ones(person: "Person", intent: Makes) -> int:
    return int((await person.says(intent("list_reminders"))).task.data["count"])


@pytest.mark.parametrize("decided_by", ["head", "engine", "fallback"])
async def test_it_is_asked_once_with_their_number_whoever_decided(
    four: "Person", intent: Makes, decided_by: str
) -> None:
    wish = intent("cancel_reminder", "cancel all reminders", all=True).model_copy(update={"decided_by": decided_by})

    turn = await four.says(wish)
    yes = await four.says(intent("unknown", "yes please"))

    assert [type(said.fact) for said in turn.events] == [ReplyRequested]
    assert turn.reply.clarification == ASKED
    assert yes.task.message == "I've cancelled 4 reminders: 'job 0', 'job 1', 'job 2', and 'job 3'."
    assert await open_ones(four, intent) == 0


@pytest.mark.parametrize("text", ["no", "Don't!", "keep them", "cancel that"])
async def test_a_no_keeps_them(four: "Person", intent: Makes, text: str) -> None:
    await four.says(intent("cancel_reminder", all=True))

    turn = await four.says(intent("cancel_reminder", text, all=True))

    assert turn.task.message == "All right, I won't do that."
    assert await open_ones(four, intent) == 4


async def test_a_yes_to_something_else_keeps_them(four: "Person", intent: Makes) -> None:
    await four.says(intent("cancel_reminder", all=True))
    await four.says(intent("chit_chat", "how are you"))

    turn = await four.says(intent("chit_chat", "ok"))

    assert turn.tasks == []
    assert await open_ones(four, intent) == 4


async def test_a_redelivered_yes_cancels_once_and_nothing_that_came_later(
    four: "Person", intent: Makes, at: At
) -> None:
    await four.says(intent("cancel_reminder", all=True))
    event = four.event(intent("unknown", "yes"))
    first = await four.heard(event)
    await four.says(intent("create_reminder", title="new", when=at(22, 9)))

    again = await four.heard(event)

    assert [said.encoded() for said in again.events] == [said.encoded() for said in first.events]
    assert await open_ones(four, intent) == 1


async def test_only_those_that_were_counted_go(
    four: "Person", someone: "Callable[..., Person]", intent: Makes, at: At
) -> None:
    await four.says(intent("cancel_reminder", all=True))
    elsewhere = someone()  # the same user, in another conversation
    await elsewhere.says(intent("create_reminder", title="new", when=at(22, 9)))

    await four.says(intent("unknown", "yes"))

    left = await four.says(intent("list_reminders"))
    assert left.task.message == "You have 1 reminder: 'new' on Sunday at 9 AM."


async def test_those_about_something_are_named(four: "Person", intent: Makes, at: At) -> None:
    await four.says(intent("create_reminder", title="call mum", when=at(22, 9)))
    await four.says(intent("create_reminder", title="call dad", when=at(23, 9)))

    turn = await four.says(intent("cancel_reminder", query="call", all=True))

    assert turn.reply.clarification == (
        "That means 2 of your 6 reminders: 'call mum' on Sunday at 9 AM and 'call dad' on Monday at 9 AM. "
        "Shall I cancel both of them?"
    )


async def test_none_and_one(person: "Person", intent: Makes, at: At) -> None:
    none = await person.says(intent("cancel_reminder", all=True))
    await person.says(intent("create_reminder", title="tea", when=at(21, 15)))
    one = await person.says(intent("cancel_reminder", all=True))

    assert (none.task.success, none.task.message) == (False, "You have no open reminders.")
    assert one.reply.clarification == "You have 1 reminder: 'tea' tomorrow at 3 PM. Shall I cancel it?"


async def test_a_wish_beside_it_that_lacks_a_time_does_not_make_it_forgotten_in_silence(
    four: "Person", intent: Makes
) -> None:
    turn = await four.says(
        intent("cancel_reminder", "cancel all my reminders", all=True), intent("create_reminder", title="tea")
    )

    assert turn.reply.clarification == (
        "I've done nothing about 'cancel all my reminders' yet; please say that again on its own. "
        "When should I remind you of 'tea'?"
    )
    assert await open_ones(four, intent) == 4


async def test_more_than_are_ever_listed_go_too(person: "Person", intent: Makes, at: At) -> None:
    for number in range(60):
        await person.says(intent("create_reminder", title=f"job {number}", when=at(21, 8, number)))

    await person.says(intent("cancel_reminder", all=True))
    turn = await person.says(intent("unknown", "yes"))

    assert turn.task.message == "I've cancelled all 60 of those reminders."
    assert await open_ones(person, intent) == 0
