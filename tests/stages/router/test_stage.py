"""The router as a whole: one message in, the exact messages out; once, whatever happens."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from infra.clock import SetClock, new_id
from infra.state import history
from infra.state.errors import StateFull, StateMisused
from infra.state.port import Transaction
from schemas.chat import ReplyRequested
from schemas.errors import InvalidField
from schemas.event import PAYLOAD_MAX_BYTES
from schemas.intents import Intent, IntentLabel, When
from schemas.tasks import TaskCompleted
from stages.router.asked import Asked, Result
from stages.router.skills import catalogue, notes
from stages.router.stage import ROUTER

if TYPE_CHECKING:
    from tests.stages.router.conftest import Person

Makes = Callable[..., Intent]
At = Callable[..., When]


async def test_two_intents_are_two_tasks_and_one_request(person: "Person", intent: Makes, at: At) -> None:
    event = person.event(
        intent("create_reminder", "set a reminder for 1 a.m. to sleep", title="sleep", when=at(21, 1)),
        intent("create_note", "note to buy chocolate", title="buy chocolate"),
    )

    turn = await person.heard(event)

    assert [type(said.fact) for said in turn.events] == [TaskCompleted, TaskCompleted, ReplyRequested]
    assert [task.message for task in turn.tasks] == [
        "I've set your reminder for 'sleep' tomorrow at 1 AM.",
        "I've noted 'buy chocolate'.",
    ]
    assert turn.reply.tasks == tuple(turn.tasks)
    assert turn.reply.talk == ()
    assert all(said.meta.cause == event.meta.id and said.meta.stage == "router" for said in turn.events)
    assert len({said.meta.id for said in turn.events}) == 3


async def test_what_is_for_chat_is_handed_on_beside_what_was_done(person: "Person", intent: Makes) -> None:
    turn = await person.says(
        intent("chit_chat", "hello there"),
        intent("create_note", "note milk", title="milk"),
        intent("general_query", "what is the capital of Mongolia"),
    )

    assert turn.reply.talk == ("hello there", "what is the capital of Mongolia")
    assert [task.skill for task in turn.reply.tasks] == [IntentLabel.CREATE_NOTE]


async def test_a_redelivery_says_the_same_bytes_and_acts_once(
    person: "Person", intent: Makes, at: At, clock: SetClock
) -> None:
    event = person.event(
        intent("create_reminder", title="tea", when=at(21, 15)),
        intent("chit_chat", "thanks"),
        intent("add_expense", "x", amount={"value": "5", "currency": "USD"}),
    )
    first = await person.heard(event)
    clock.at += timedelta(minutes=5)

    again = await person.heard(event)

    assert [said.encoded() for said in again.events] == [said.encoded() for said in first.events]
    total = await person.says(intent("add_expense", "how much did i spend"))
    assert total.task.data["total"] == "5.00"


async def test_a_late_redelivery_does_not_answer_a_question_that_came_after_it(
    person: "Person", intent: Makes, at: At
) -> None:
    early = person.event(intent("unknown", "at three", when=at(20, 15)))
    await person.heard(early)
    await person.says(intent("create_reminder", title="tea"))

    again = await person.heard(early)

    assert again.tasks == []


@pytest.fixture
def broken_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A skill with a mistake in it, that is made after its effect."""

    async def fails(tx: Transaction, asked: Asked) -> Result:
        await notes.create(tx, asked)
        raise KeyError("oops")

    monkeypatch.setattr("stages.router.stage.SKILLS", {**catalogue.SKILLS, IntentLabel.CREATE_NOTE: fails})


@pytest.mark.usefixtures("broken_notes")
async def test_a_skill_that_fails_undoes_its_own_and_leaves_the_others_done(
    person: "Person", intent: Makes, at: At
) -> None:
    event = person.event(
        intent("create_reminder", title="tea", when=at(21, 15)),
        intent("create_note", title="lost"),
        intent("add_friend", person="Maria"),
    )

    turn = await person.heard(event)
    again = await person.heard(event)

    assert [task.success for task in turn.tasks] == [True, False, True]
    assert turn.tasks[1].message == "Something went wrong while I was writing your note, so nothing was changed."
    assert turn.tasks[1].data == {"error": "KeyError"}
    assert [said.encoded() for said in again.events] == [said.encoded() for said in turn.events]
    assert (await person.says(intent("list_notes"))).task.data["count"] == 0


@pytest.mark.parametrize("error", [StateFull("no space is left"), StateMisused("no such table")])
async def test_trouble_with_the_state_is_the_workers_and_a_mistake_in_sql_the_skills(
    person: "Person", intent: Makes, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fails(tx: Transaction, asked: Asked) -> Result:
        raise error

    monkeypatch.setattr("stages.router.stage.SKILLS", {IntentLabel.CREATE_NOTE: fails})
    event = person.event(intent("create_note", title="x"))

    if isinstance(error, StateFull):
        with pytest.raises(StateFull):
            await person.heard(event)
    else:
        assert not (await person.heard(event)).task.success


async def test_a_time_zone_that_is_none_is_refused_before_anything_is_done(
    someone: "Callable[..., Person]", intent: Makes
) -> None:
    stranger = someone(zone="Mars/Olympus")

    with pytest.raises(InvalidField, match=r"meta\.time_zone"):
        await stranger.says(intent("create_note", title="x"))


@pytest.mark.parametrize(
    "who", [{"run": "replay-1"}, {"user": "bob"}, {"tenant": "acme"}], ids=["a replay", "another user", "a tenant"]
)
async def test_nobody_else_and_no_replay_touches_what_is_live(
    person: "Person", someone: "Callable[..., Person]", intent: Makes, at: At, who: dict[str, str]
) -> None:
    money = {"value": "50", "currency": "USD"}
    doings = [
        intent("create_reminder", title="tea", when=at(21, 15)),
        intent("create_note", title="secret"),
        intent("create_ledger", "x", person="Tom", amount=money, direction="owes_me"),
        intent("add_expense", "x", amount=money),
        intent("schedule_event", title="dinner", when=at(21, 19)),
        intent("add_friend", person="Tom"),
    ]
    await person.says(*doings)
    other = someone(conversation=person.conversation, **who)

    theirs = await other.says(*doings)
    await other.says(intent("cancel_reminder", all=True))
    gone = await other.says(intent("unknown", "yes"))

    assert "duplicate" not in theirs.tasks[0].data
    assert gone.task.data["count"] == 1
    assert theirs.tasks[2].message == "I've noted $50. Tom now owes you $50."
    assert theirs.tasks[3].message.endswith("That makes $50 this month.")
    assert theirs.tasks[4].data["conflicts"] == []
    assert theirs.tasks[5].message == "I've added Tom to your friends."
    mine = await person.says(intent("list_reminders"), intent("list_notes"))
    assert [task.data["count"] for task in mine.tasks] == [1, 1]


async def test_the_request_carries_the_newest_history_of_this_user_in_this_conversation(
    person: "Person", someone: "Callable[..., Person]", intent: Makes
) -> None:
    for number in range(1, 16):
        person.number = number - 1
        event = person.event(intent("chit_chat", f"q{number}"))
        async with person.state.transaction() as tx:
            await history.record(tx, event.meta, f"q{number}", f"a{number}", event.meta.time)
    other = someone(user="bob", conversation=person.conversation)
    other.number = 20

    mine = await person.says(intent("chit_chat", "and?"))
    theirs = await other.says(intent("chit_chat", "and?"))

    assert [entry.user for entry in mine.reply.history] == [f"q{number}" for number in range(4, 16)]
    assert theirs.reply.history == ()


async def test_a_history_that_is_too_long_for_an_event_loses_its_oldest(person: "Person", intent: Makes) -> None:
    for number in range(1, 13):
        person.number = number - 1
        event = person.event(intent("chit_chat", "x"))
        async with person.state.transaction() as tx:
            await history.record(tx, event.meta, "😀" * 1_000, f"a{number} " + "ü" * 3_000, event.meta.time)

    turn = await person.says(intent("chit_chat", "and?"))

    assert len(turn.events[-1].encoded()) <= PAYLOAD_MAX_BYTES
    assert 3 < len(turn.reply.history) < 12
    assert turn.reply.history[-1].reply.startswith("a12 ")


async def test_what_is_not_understood_is_asked_back(person: "Person", intent: Makes) -> None:
    turn = await person.says(intent("unknown", "play some jazz"), intent("chit_chat", "please"))

    assert turn.tasks == []
    assert turn.reply.talk == ("please",)
    assert turn.reply.clarification is not None
    assert turn.reply.clarification.startswith("I'm not sure what to do with 'play some jazz'.")


@pytest.mark.parametrize(
    ("because", "said"),
    [
        ("silence", "I didn't hear anything."),
        ("noise", "I could only hear noise, no words. Could you say that again?"),
    ],
)
async def test_when_nothing_was_heard_it_says_so(person: "Person", intent: Makes, because: str, said: str) -> None:
    event = person.event(intent("unknown", ""), text="")
    fact = event.fact.model_copy(update={"empty_because": because})

    turn = await person.heard(event.model_copy(update={"fact": fact}))

    assert [type(each.fact) for each in turn.events] == [ReplyRequested]
    assert turn.reply.clarification == said


def test_the_declaration_says_what_the_stage_does() -> None:
    assert ROUTER.name == "router"
    assert {fact.__name__ for fact in ROUTER.says} == {"TaskCompleted", "ReplyRequested"}


async def test_a_turn_of_another_conversation_does_not_answer(
    person: "Person", someone: "Callable[..., Person]", intent: Makes, at: At
) -> None:
    await person.says(intent("create_reminder", title="tea"))
    elsewhere = someone(conversation=new_id())
    elsewhere.number = 5

    turn = await elsewhere.says(intent("unknown", "at three", when=at(20, 15)))

    assert turn.tasks == []
