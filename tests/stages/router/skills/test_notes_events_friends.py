"""Notes, events in the calendar, and friends."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from infra.clock import SetClock
from schemas.intents import Intent, When

if TYPE_CHECKING:
    from tests.stages.router.conftest import Person

Makes = Callable[..., Intent]
At = Callable[..., When]


async def test_a_note_is_kept_and_read_out_newest_first(person: "Person", intent: Makes, clock: SetClock) -> None:
    kept = await person.says(intent("create_note", title="buy chocolate"))
    clock.at = clock.at.replace(minute=30)
    await person.says(intent("create_note", title="the wifi password is bluebird42"))

    turn = await person.says(intent("list_notes"))

    assert kept.task.message == "I've noted 'buy chocolate'."
    assert turn.task.message == "You have 2 notes: 'the wifi password is bluebird42' and 'buy chocolate'."


async def test_notes_are_found_by_their_words(person: "Person", intent: Makes) -> None:
    await person.says(intent("create_note", title="The WiFi password is bluebird42"))
    await person.says(intent("create_note", title="buy chocolate"))

    found = await person.says(intent("list_notes", query="the wifi"))
    none = await person.says(intent("list_notes", query="insurance"))

    assert found.task.message == "You have 1 note about 'the wifi': 'The WiFi password is bluebird42'."
    assert none.task.message == "You have no notes about 'insurance'."


async def test_notes_of_a_day(person: "Person", intent: Makes, at: At, clock: SetClock) -> None:
    await person.says(intent("create_note", title="today's"))
    clock.at = clock.at.replace(day=21)
    await person.says(intent("create_note", title="the next day's"))

    turn = await person.says(intent("list_notes", when=at(20, text="yesterday", all_day=True)))

    assert turn.task.message == "You have 1 note from yesterday: 'today's'."


async def test_a_note_without_a_text_is_asked_for(person: "Person", intent: Makes) -> None:
    asked = await person.says(intent("create_note", "take a note"))
    turn = await person.says(intent("chit_chat", "the spare key is under the blue pot."))

    assert asked.reply.clarification == "What should the note say?"
    assert turn.task.message == "I've noted 'the spare key is under the blue pot'."
    assert turn.reply.talk == ()


async def test_a_long_note_is_kept_whole_and_read_out_in_part(person: "Person", intent: Makes) -> None:
    text = "milk and eggs " * 250

    kept = await person.says(intent("create_note", title=text))

    assert len(kept.task.message) < 200
    assert kept.task.data["text"] == text.strip()


async def test_many_long_notes_still_fit_into_an_event(person: "Person", intent: Makes) -> None:
    for _ in range(20):
        await person.says(intent("create_note", title="😀" * 3_900))

    turn = await person.says(intent("list_notes"), intent("list_notes"))

    assert all(task.data["cut"] and task.data["count"] == 20 for task in turn.tasks)


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (None, "tomorrow at 7 PM"),
        ((21, 21), "tomorrow from 7 PM to 9 PM"),
        ((21, 9), "tomorrow from 7 PM to 9 PM"),  # "from seven to nine" in the evening
        ((22, 1), "from tomorrow at 7 PM to Sunday at 1 AM"),
    ],
)
async def test_an_event_is_put_into_the_calendar(
    person: "Person", intent: Makes, at: At, until: tuple[int, int] | None, said: str
) -> None:
    end = None if until is None else at(*until)

    turn = await person.says(intent("schedule_event", title="dinner", when=at(21, 19), until=end))

    assert turn.task.message == f"I've put 'dinner' into your calendar {said}."


async def test_an_event_that_collides_is_kept_and_the_collision_named(person: "Person", intent: Makes, at: At) -> None:
    await person.says(intent("schedule_event", title="dinner", when=at(21, 19)))
    await person.says(intent("schedule_event", title="birthday", when=at(21, all_day=True)))

    turn = await person.says(intent("schedule_event", title="call", when=at(21, 19, 30)))
    touching = await person.says(intent("schedule_event", title="dessert", when=at(21, 20, 30)))

    assert turn.task.message == (
        "I've put 'call' into your calendar tomorrow at 7:30 PM. It overlaps with 'dinner' tomorrow at 7 PM."
    )
    assert [each["title"] for each in turn.task.data["conflicts"]] == ["dinner"]
    assert touching.task.data["conflicts"] == []


async def test_the_same_event_twice_is_kept_once(person: "Person", intent: Makes, at: At) -> None:
    await person.says(intent("schedule_event", title="dinner", when=at(21, 19)))

    turn = await person.says(intent("schedule_event", title="Dinner", when=at(21, 19)))

    assert turn.task.message == "'dinner' is in your calendar already, tomorrow at 7 PM."


async def test_an_event_in_the_past_or_without_a_time_is_asked_for(person: "Person", intent: Makes, at: At) -> None:
    past = await person.says(intent("schedule_event", title="dinner", when=at(18, all_day=True)))
    turn = await person.says(intent("unknown", "tomorrow at seven", when=at(21, 19)))

    assert past.task.message == "'dinner' would be last Wednesday, which is over."
    assert past.reply.clarification == "When is 'dinner'?"
    assert turn.task.message == "I've put 'dinner' into your calendar tomorrow at 7 PM."


async def test_a_friend_is_added_once(person: "Person", intent: Makes) -> None:
    added = await person.says(intent("add_friend", person="maria lopez"))
    again = await person.says(intent("add_friend", person="Maria Lopez"))

    assert added.task.message == "I've added Maria Lopez to your friends."
    assert again.task.message == "Maria Lopez is among your friends already."


async def test_a_friend_without_a_name_is_asked_for(person: "Person", intent: Makes) -> None:
    asked = await person.says(intent("add_friend", "Add a new friend."))
    turn = await person.says(intent("chit_chat", "Her name is Maria."))

    assert asked.reply.clarification == "What's your friend's name?"
    assert turn.task.message == "I've added Maria to your friends."
