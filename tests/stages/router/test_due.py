"""Reminders that fall due are announced once, also late, also when two routers look at once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from infra.clock import SetClock
from infra.state import outbox, reminders
from infra.state.port import State
from infra.state.sqlite import open_state
from schemas.catalogue import decode
from schemas.event import Event, Fact
from schemas.intents import Intent, When
from schemas.tasks import ReminderDue
from stages.router.due import announce_due

if TYPE_CHECKING:
    from tests.stages.router.conftest import Person

Makes = Callable[..., Intent]
At = Callable[..., When]


def _messages(events: list[Event[Fact]]) -> list[str]:
    return [event.fact.message for event in events if isinstance(event.fact, ReminderDue)]


async def test_a_reminder_is_announced_when_its_time_has_come_and_not_before(
    person: "Person", intent: Makes, at: At, clock: SetClock
) -> None:
    event = person.event(intent("create_reminder", title="tea", when=at(20, 15)))
    await person.heard(event)

    before = await announce_due(person.state, clock.now() + timedelta(minutes=59))
    due = await announce_due(person.state, clock.now() + timedelta(minutes=60))
    after = await announce_due(person.state, clock.now() + timedelta(minutes=61))

    assert (before, after) == ([], [])
    assert _messages(due) == ["It's 3 PM: here is your reminder for 'tea'."]
    meta = due[0].meta
    assert (meta.turn, meta.conversation, meta.user, meta.number) == (
        event.meta.turn,
        event.meta.conversation,
        event.meta.user,
        event.meta.number,
    )
    assert meta.cause == f"reminder:{due[0].fact.model_dump()['reminder']}"
    assert meta.time_zone == "Europe/Berlin"


async def test_the_announcement_waits_in_the_outbox_as_it_is_to_be_published(
    person: "Person", intent: Makes, at: At, clock: SetClock
) -> None:
    await person.says(intent("create_reminder", title="tea", when=at(20, 15)))
    (event,) = await announce_due(person.state, clock.now() + timedelta(hours=1))

    async with person.state.transaction() as tx:
        (waiting,) = await outbox.pending(tx, 10)

    assert (waiting.id, waiting.subject, waiting.payload) == (event.meta.id, event.subject, event.encoded())
    assert decode(waiting.payload) == event


async def test_what_fell_due_while_nobody_looked_is_announced_once_as_late(
    person: "Person", intent: Makes, at: At, clock: SetClock
) -> None:
    await person.says(intent("create_reminder", title="tea", when=at(20, 15)))

    late = await announce_due(person.state, clock.now() + timedelta(days=1))
    again = await announce_due(person.state, clock.now() + timedelta(days=1, seconds=1))

    assert _messages(late) == ["Your reminder for 'tea' was due yesterday at 3 PM, while I was away."]
    assert again == []


async def test_a_cancelled_reminder_and_one_of_a_replay_are_not_announced(
    person: "Person", someone: "Callable[..., Person]", intent: Makes, at: At, clock: SetClock
) -> None:
    replay = someone(run="replay-1")
    await replay.says(intent("create_reminder", title="replayed", when=at(20, 15)))
    await person.says(intent("create_reminder", title="cancelled", when=at(20, 15)))
    await person.says(intent("cancel_reminder", title="cancelled"))

    assert await announce_due(person.state, clock.now() + timedelta(days=1)) == []


async def test_two_routers_announce_each_reminder_once(
    person: "Person", intent: Makes, at: At, clock: SetClock, path: Path
) -> None:
    for number in range(30):
        await person.says(intent("create_reminder", title=f"job {number}", when=at(20, 15, number)))
    later = clock.now() + timedelta(hours=2)

    async with open_state(path, clock) as second:
        said = await asyncio.gather(*(announce_due(state, later) for state in (person.state, second) * 5))

    ids = [event.meta.id for events in said for event in events]
    assert len(ids) == len(set(ids)) == 30


async def test_more_than_fit_into_one_transaction_are_all_announced(
    state: State, person: "Person", intent: Makes, clock: SetClock
) -> None:
    meta = person.event(intent("chit_chat", "x")).meta
    async with state.transaction() as tx:
        for number in range(250):
            await reminders.add(tx, reminders.made_from(meta, f"r{number}", f"job {number}", clock.now()), clock.now())

    assert len(await announce_due(state, clock.now())) == 250


async def test_when_to_look_again_is_known(person: "Person", intent: Makes, at: At, clock: SetClock) -> None:
    async with person.state.transaction() as tx:
        assert await reminders.next_due(tx, "live") is None
    await person.says(intent("create_reminder", title="later", when=at(21, 15)))
    soon = at(20, 15)
    await person.says(intent("create_reminder", title="soon", when=soon))

    async with person.state.transaction() as tx:
        assert await reminders.next_due(tx, "live") == soon.at
