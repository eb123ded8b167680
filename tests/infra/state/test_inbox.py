"""An event is handled once: the effect and what was said go together, and a redelivery says the same bytes."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from infra.clock import SetClock
from infra.state import inbox, outbox, turns
from infra.state.errors import StateMisused, TurnOver
from infra.state.port import State
from infra.state.pruning import prune
from schemas.errors import InvalidField
from schemas.event import Event
from schemas.intents import IntentLabel
from schemas.tasks import TaskCompleted, TaskOutcome
from schemas.turns import TextTurnOpened

Heard = Callable[[str], Event[TextTurnOpened]]
OUTCOME = TaskOutcome(
    skill=IntentLabel.CREATE_NOTE,
    success=True,
    data={"text": "Käse – \u2028 line\nbreak 😀", "amount": "12.50", "ratio": 0.1, "list": [1, {"a": None}]},
    message="I've noted 'cheese'.",
)


async def test_the_first_handling_acts_and_a_redelivery_says_the_same_bytes(
    state: State, clock: SetClock, heard: Heard
) -> None:
    event = heard("a")
    async with state.handling(event, "intent-0") as unit:
        assert unit.done is None
        said = unit.say(TaskCompleted(intent=0, outcome=OUTCOME), 0)

    clock.at += timedelta(hours=1)
    async with state.handling(event, "intent-0") as unit:
        assert unit.done is not None
        assert [again.encoded() for again in unit.done] == [said.encoded()]
        assert unit.done[0].subject == said.subject


@pytest.mark.parametrize("status", ["completed", "failed", "interrupted"])
async def test_nothing_is_done_for_a_turn_that_has_ended(state: State, heard: Heard, status: turns.Status) -> None:
    event = heard("a")
    async with state.transaction() as tx:
        await turns.insert(tx, event, "open", event.meta.time)
    async with state.handling(event, "intent-0") as unit:
        said = unit.say(TaskCompleted(intent=0, outcome=OUTCOME), 0)
    async with state.transaction() as tx:
        await turns.set_ended(tx, event.meta, status)

    with pytest.raises(TurnOver):
        async with state.handling(event, "intent-1"):
            pytest.fail("it would have acted")
    async with state.handling(event, "intent-0") as unit:
        assert unit.done == (said,), "what was done before is told as ever"


async def test_steps_of_one_event_are_handled_apart(state: State, heard: Heard) -> None:
    event = heard("a")
    async with state.handling(event, "intent-0") as unit:
        unit.say(TaskCompleted(intent=0, outcome=OUTCOME), 0)

    async with state.handling(event, "intent-1") as unit:
        assert unit.done is None


async def test_a_step_that_says_nothing_is_done_all_the_same(state: State, heard: Heard) -> None:
    event = heard("a")
    async with state.handling(event, "quiet"):
        pass

    async with state.handling(event, "quiet") as unit:
        assert unit.done == ()


async def test_a_step_left_unmarked_is_looked_at_again(state: State, heard: Heard) -> None:
    event = heard("a")
    async with state.handling(event, "later") as unit:
        unit.leave_unmarked()

    async with state.handling(event, "later") as unit:
        assert unit.done is None


async def test_a_handling_that_fails_leaves_neither_effect_nor_note(state: State, heard: Heard) -> None:
    event = heard("a")
    with pytest.raises(RuntimeError):
        async with state.handling(event, "intent-0") as unit:
            await outbox.add(unit.tx, event, unit.now)
            unit.say(TaskCompleted(intent=0, outcome=OUTCOME), 0)
            raise RuntimeError

    async with state.handling(event, "intent-0") as unit:
        assert unit.done is None
        assert await outbox.pending(unit.tx, 10) == []


async def test_saying_something_new_on_a_redelivery_is_refused(state: State, heard: Heard) -> None:
    event = heard("a")
    async with state.handling(event, "intent-0"):
        pass

    async with state.handling(event, "intent-0") as unit:
        with pytest.raises(StateMisused, match="handled before"):
            unit.say(TaskCompleted(intent=0, outcome=OUTCOME), 0)


async def test_an_event_that_is_too_large_is_refused_before_it_is_recorded(state: State, heard: Heard) -> None:
    event = heard("a")
    large = OUTCOME.model_copy(update={"message": "x" * 70_000})

    with pytest.raises(InvalidField, match="TaskCompleted"):
        async with state.handling(event, "intent-0") as unit:
            unit.say(TaskCompleted(intent=0, outcome=large), 0)


async def test_what_waits_in_the_outbox_is_told_in_the_order_of_writing_until_it_is_published(
    state: State, clock: SetClock, heard: Heard
) -> None:
    first, second = heard("first"), heard("second")
    async with state.transaction() as tx:
        await outbox.add(tx, first, clock.now(), {"traceparent": "00-ab"})
        await outbox.add(tx, first, clock.now())  # a second copy changes nothing
        await outbox.add(tx, second, clock.now() - timedelta(hours=1))  # the clock was put back

    async with state.transaction() as tx:
        waiting = await outbox.pending(tx, 10)
        assert [row.id for row in waiting] == [first.meta.id, second.meta.id]
        assert (waiting[0].payload, waiting[0].subject) == (first.encoded(), first.subject)
        assert waiting[0].headers == {"traceparent": "00-ab"}
        assert await outbox.published(tx, [first.meta.id], clock.now()) == 1

    async with state.transaction() as tx:
        assert [row.id for row in await outbox.pending(tx, 10)] == [second.meta.id]
        assert await outbox.published(tx, [first.meta.id], clock.now()) == 0


async def test_pruning_lets_go_of_what_is_old_and_of_nothing_that_still_waits(
    state: State, clock: SetClock, heard: Heard
) -> None:
    old, young, unsent = heard("old"), heard("young"), heard("unsent")
    async with state.handling(old, "step") as unit:
        await outbox.add(unit.tx, old, clock.now())
        await outbox.add(unit.tx, unsent, clock.now())
        await outbox.published(unit.tx, [old.meta.id], clock.now())
    clock.at += inbox.KEPT_FOR + timedelta(seconds=1)
    async with state.handling(young, "step"):
        pass

    assert await prune(state, clock.now()) == 2

    async with state.handling(young, "step") as unit:
        assert unit.done == ()
        assert [row.id for row in await outbox.pending(unit.tx, 10)] == [unsent.meta.id]
    async with state.handling(old, "step") as unit:
        assert unit.done is None
