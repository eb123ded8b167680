"""Reminders: set, listed, moved, renamed, cancelled; asked about when something is missing or could be several."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from infra.clock import SetClock
from schemas.intents import Intent, When
from stages.router.due import announce_due

if TYPE_CHECKING:
    from tests.stages.router.conftest import Person

Makes = Callable[..., Intent]
At = Callable[..., When]


async def _three(person: "Person", intent: Makes, at: At) -> None:
    await person.says(intent("create_reminder", title="call mum", when=at(21, 15)))
    await person.says(intent("create_reminder", title="call dad", when=at(24, 9)))
    await person.says(intent("create_reminder", title="doctor appointment", when=at(23, 10, 30)))


async def _open(person: "Person", intent: Makes) -> list[tuple[str, str]]:
    data = (await person.says(intent("list_reminders"))).task.data
    return [(each["title"], each["due_at"][:16]) for each in data["reminders"]]


async def test_a_reminder_is_set_and_named_with_its_time(person: "Person", intent: Makes, at: At) -> None:
    turn = await person.says(intent("create_reminder", title="doctor appointment", when=at(20, 15)))

    assert turn.task.success
    assert turn.task.message == "I've set your reminder for 'doctor appointment' today at 3 PM."
    assert turn.task.data["due_at"] == "2026-11-20T15:00:00+01:00"
    assert turn.reply.tasks == (turn.task,)
    assert turn.reply.clarification is None


async def test_the_same_reminder_twice_is_kept_once(person: "Person", intent: Makes, at: At) -> None:
    await person.says(intent("create_reminder", title="call mum", when=at(21, 15)))

    turn = await person.says(intent("create_reminder", title="Call Mum.", when=at(21, 15)))

    assert turn.task.message == "You already have a reminder for 'call mum' tomorrow at 3 PM."
    assert len(await _open(person, intent)) == 1


async def test_a_reminder_that_shall_repeat_is_honest_about_it(person: "Person", intent: Makes, at: At) -> None:
    turn = await person.says(
        intent("create_reminder", "remind me to stretch every day at nine", title="stretch", when=at(21, 9))
    )

    assert turn.task.message.endswith("tomorrow at 9 AM. I can't repeat reminders yet, so it is for that one time.")


@pytest.mark.parametrize(
    ("day", "hour", "words", "said"),
    [
        (20, 1, "at 1 am", "tomorrow at 1 AM"),  # said at 2 PM: the night to come
        (20, 13, "at one", "tomorrow at 1 PM"),
        (21, 12, "tomorrow at noon", "tomorrow at noon"),
        (26, 8, "on thursday at 8", "on Thursday at 8 AM"),
        (27, 8, "next friday", "on November 27 at 8 AM"),
    ],
)
async def test_a_time_of_day_that_has_passed_means_the_next_day(
    person: "Person", intent: Makes, at: At, day: int, hour: int, words: str, said: str
) -> None:
    turn = await person.says(intent("create_reminder", title="tea", when=at(day, hour, text=words)))

    assert turn.task.message == f"I've set your reminder for 'tea' {said}."


@pytest.mark.parametrize(
    ("now_hour", "day", "said"),
    [(7, 20, "today at 9 AM"), (14, 20, "today at 6 PM"), (19, 20, "today at 9 PM"), (14, 24, "on Tuesday at 9 AM")],
)
async def test_a_day_without_a_time_gets_a_usual_one(
    person: "Person", intent: Makes, at: At, clock: SetClock, now_hour: int, day: int, said: str
) -> None:
    clock.at = datetime(2026, 11, 20, now_hour, tzinfo=ZoneInfo("Europe/Berlin"))

    turn = await person.says(intent("create_reminder", title="tea", when=at(day, all_day=True)))

    assert turn.task.message == f"I've set your reminder for 'tea' {said}."


@pytest.mark.parametrize(
    ("day", "hour", "words", "why"),
    [
        (20, 3, "today at 3 am", "Today at 3 AM has already passed."),
        (19, 18, "yesterday at 6", "Yesterday at 6 PM has already passed."),
        (2, 18, "on the second at 6 pm", "On November 2 at 6 PM has already passed."),
    ],
)
async def test_a_time_that_is_surely_past_is_refused_and_asked_for_again(
    person: "Person", intent: Makes, at: At, day: int, hour: int, words: str, why: str
) -> None:
    turn = await person.says(intent("create_reminder", title="tea", when=at(day, hour, text=words)))

    assert not turn.task.success
    assert turn.task.message == why
    assert turn.reply.clarification == "When should I remind you of 'tea'?"
    assert await _open(person, intent) == []


async def test_listing_names_titles_and_times(person: "Person", intent: Makes, at: At) -> None:
    await _three(person, intent, at)

    turn = await person.says(intent("list_reminders"))

    assert turn.task.message == (
        "You have 3 reminders: 'call mum' tomorrow at 3 PM, 'doctor appointment' on Monday at 10:30 AM, "
        "and 'call dad' on Tuesday at 9 AM."
    )


async def test_listing_a_day_a_week_or_a_subject_leaves_out_the_rest(person: "Person", intent: Makes, at: At) -> None:
    await _three(person, intent, at)

    day = await person.says(intent("list_reminders", when=at(21, text="tomorrow", all_day=True)))
    week = await person.says(intent("list_reminders", when=at(20, text="this week", all_day=True)))
    subject = await person.says(intent("list_reminders", query="my call reminders"))
    none = await person.says(intent("list_reminders", when=at(22, text="sunday", all_day=True)))

    assert day.task.message == "You have 1 reminder tomorrow: 'call mum' tomorrow at 3 PM."
    assert week.task.message == "You have 1 reminder this week: 'call mum' tomorrow at 3 PM."
    assert subject.task.data["count"] == 2
    assert none.task.message == "You have no reminders on Sunday."


async def test_many_reminders_are_counted_and_only_the_next_ones_read_out(
    person: "Person", intent: Makes, at: At
) -> None:
    for number in range(7):
        await person.says(intent("create_reminder", title=f"job {number}", when=at(21, 8 + number)))

    turn = await person.says(intent("list_reminders"))

    assert turn.task.message.startswith("You have 7 reminders. The next 5 are: 'job 0' tomorrow at 8 AM,")
    assert "job 5" not in turn.task.message
    assert len(turn.task.data["reminders"]) == 7


async def test_one_is_cancelled_by_a_misheard_word_of_its_title(person: "Person", intent: Makes, at: At) -> None:
    await _three(person, intent, at)

    turn = await person.says(intent("cancel_reminder", title="the docter reminder"))

    assert turn.task.message == "I've cancelled your reminder for 'doctor appointment' on Monday at 10:30 AM."
    assert [title for title, _ in await _open(person, intent)] == ["call mum", "call dad"]


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        ("mum", ["call mum"]),
        ("The second one, please.", ["call dad"]),
        ("the one on Tuesday", ["call dad"]),
        ("both of them", ["call mum", "call dad"]),
    ],
)
async def test_when_several_could_be_meant_the_answer_decides(
    person: "Person", intent: Makes, at: At, answer: str, gone: list[str]
) -> None:
    await _three(person, intent, at)

    asked = await person.says(intent("cancel_reminder", title="call"))
    await person.says(intent("unknown", answer))

    assert asked.reply.clarification == (
        "Which one should I cancel: 'call mum' tomorrow at 3 PM or 'call dad' on Tuesday at 9 AM?"
    )
    left = {title for title, _ in await _open(person, intent)}
    assert left == {"call mum", "call dad", "doctor appointment"} - set(gone)


async def test_one_is_found_by_its_day_when_no_title_holds_the_word(person: "Person", intent: Makes, at: At) -> None:
    await _three(person, intent, at)

    moved = await person.says(
        intent("update_reminder", "x", title="monday", when=at(25, text="wednesday", all_day=True))
    )
    gone = await person.says(
        intent(
            "cancel_reminder", query="tuesday", when=at(24, text="tuesday", all_day=True)
        )  # the classifier says both
    )

    assert moved.task.message == (
        "I've moved your reminder for 'doctor appointment': it is now on Wednesday at 10:30 AM."
    )
    assert gone.task.message == "I've cancelled your reminder for 'call dad' on Tuesday at 9 AM."


async def test_cancelling_what_is_not_there_names_what_is(person: "Person", intent: Makes, at: At) -> None:
    none = await person.says(intent("cancel_reminder", title="dentist"))
    await person.says(intent("create_reminder", title="call mum", when=at(21, 15)))

    turn = await person.says(intent("cancel_reminder", title="dentist"))

    assert (none.task.success, none.task.message) == (False, "You have no open reminders.")
    assert not turn.task.success
    assert turn.task.message == "I found no reminder about 'dentist'. The open ones are: 'call mum'."


async def test_all_are_cancelled_or_all_of_a_day_once_that_is_confirmed(
    person: "Person", intent: Makes, at: At
) -> None:
    await _three(person, intent, at)

    whether_day = await person.says(intent("cancel_reminder", all=True, when=at(21, all_day=True)))
    day = await person.says(intent("unknown", "yes"))
    whether_rest = await person.says(intent("cancel_reminder", all=True))
    rest = await person.says(intent("cancel_reminder", "Yes, cancel them.", all=True))
    none = await person.says(intent("cancel_reminder", all=True))

    assert (whether_day.tasks, whether_rest.tasks) == ([], [])
    assert whether_day.reply.clarification == (
        "That means 1 of your 3 reminders: 'call mum' tomorrow at 3 PM. Shall I cancel it?"
    )
    assert whether_rest.reply.clarification == "You have 2 reminders. Shall I cancel both of them?"
    assert day.task.message == "I've cancelled your reminder for 'call mum'."
    assert rest.task.message == "I've cancelled 2 reminders: 'doctor appointment' and 'call dad'."
    assert (none.task.success, none.task.message) == (False, "You have no open reminders.")


@pytest.mark.parametrize(
    ("utterance", "words", "day", "hour", "all_day", "due"),
    [
        ("move the doctor to wednesday", "wednesday", 25, 0, True, "2026-11-25T10:30"),  # the time of day stays
        ("the doctor should be at four", "at four", 20, 16, False, "2026-11-23T16:00"),  # the day stays
        ("move the doctor to tuesday at 8", "tuesday at 8", 24, 8, False, "2026-11-24T08:00"),
        ("push the doctor back an hour", "an hour", 20, 15, False, "2026-11-23T11:30"),
        ("make the doctor half an hour earlier", "half an hour", 20, 14.5, False, "2026-11-23T10:00"),
        ("remind me of the doctor in two hours instead", "in two hours", 20, 16, False, "2026-11-20T16:00"),
    ],
)
async def test_a_reminder_is_moved_as_the_words_mean_it(
    person: "Person", intent: Makes, at: At, utterance: str, words: str, day: int, hour: float, all_day: bool, due: str
) -> None:
    await _three(person, intent, at)
    when = at(day, int(hour), int(hour % 1 * 60), text=words, all_day=all_day)

    turn = await person.says(intent("update_reminder", utterance, title="doctor", when=when))

    assert turn.task.success, turn.task.message
    assert ("doctor appointment", due) in await _open(person, intent)


async def test_a_reminder_is_renamed(person: "Person", intent: Makes, at: At) -> None:
    await _three(person, intent, at)

    turn = await person.says(intent("update_reminder", title="call mum", new_title="visit mum"))

    assert turn.task.message == "I've renamed your reminder for 'call mum' to 'visit mum'."


async def test_a_change_without_saying_what_is_asked_for_and_the_answer_completes_it(
    person: "Person", intent: Makes, at: At
) -> None:
    await _three(person, intent, at)

    asked = await person.says(intent("update_reminder", title="doctor"))
    turn = await person.says(intent("unknown", "tomorrow at noon", when=at(21, 12, text="tomorrow at noon")))

    assert asked.reply.clarification == "What time should your reminder for 'doctor appointment' be moved to?"
    assert turn.task.message == "I've moved your reminder for 'doctor appointment': it is now tomorrow at noon."


async def test_moving_into_the_past_is_refused_and_nothing_moves(person: "Person", intent: Makes, at: At) -> None:
    await _three(person, intent, at)

    turn = await person.says(
        intent("update_reminder", "move it", title="doctor", when=at(19, 8, text="yesterday at 8"))
    )

    assert (turn.task.success, turn.task.message) == (False, "Yesterday at 8 AM has already passed.")
    assert ("doctor appointment", "2026-11-23T10:30") in await _open(person, intent)


async def test_snooze_is_about_the_reminder_that_was_just_announced_and_it_comes_again(
    person: "Person", intent: Makes, at: At, clock: SetClock
) -> None:
    await person.says(intent("create_reminder", title="tea", when=at(20, 14, 10)))
    await person.says(intent("create_reminder", title="later", when=at(22, 9)))
    clock.at += timedelta(minutes=11)
    (first,) = await announce_due(person.state, clock.now())

    in_ten = at(20, 14, 21, text="for ten minutes")
    turn = await person.says(intent("update_reminder", "snooze that for ten minutes", when=in_ten))
    clock.at += timedelta(minutes=11)
    (again,) = await announce_due(person.state, clock.now())

    assert turn.task.data["title"] == "tea"
    assert again.meta.id != first.meta.id  # or the bus would drop it as a copy
    assert again.fact.model_dump()["title"] == "tea"
