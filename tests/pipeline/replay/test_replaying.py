"""Turns that are run again find the time and the memory of then, and leave what is logged and remembered as it was."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.clock import SystemClock, new_id
from infra.embeddings import MiniLm
from infra.settings import Settings
from infra.state import history
from infra.state.scope import Scope
from infra.state.sqlite import open_in_memory
from pipeline.replay import choosing, stages
from pipeline.replay.choosing import Wanted
from pipeline.replay.diffing import Difference, Limits, difference
from pipeline.replay.folding import Folding
from pipeline.replay.logged import LoggedEvents
from pipeline.replay.replaying import Outcome, Pace, replay
from pipeline.replay.run_log import RunLog
from pipeline.replay.turn import Run
from schemas.errors import InvalidField
from schemas.event import Event, Fact
from schemas.intents import IntentClassified, IntentLabel
from schemas.tasks import TaskCompleted
from schemas.turns import TextTurnOpened
from tests.pipeline.replay.conftest import NOON, Past, wants

Replay = Callable[..., Awaitable[Outcome]]
THREE = datetime(2026, 11, 19, 14, 0, tzinfo=UTC)  # three in the afternoon of the next day, in Berlin


@pytest.fixture
def run_again(past: Past, minimal: Settings) -> Replay:
    """Runs turns of the past again from the router on."""

    async def again(
        name: str = "again",
        *,
        start: str = "router",
        pace: Pace | None = None,
        done: frozenset[str] | None = None,
        **wanted: Any,
    ) -> Outcome:
        clock = SystemClock()
        order = Wanted(**wanted)
        done = await choosing.ended_in(past.ask, name) if done is None else done
        chosen = await choosing.chosen(past.ask, order, done)
        shared = Run(name, order.of, start, {"chat.temperature": "0"}, timedelta(seconds=30))
        async with stages.opened(start, minimal, None, clock) as opened:
            log = RunLog(past.take_in, name, clock)
            return await replay(shared, chosen, past.ask, log, opened, pace or Pace(), lambda *_: None)

    return again


async def rows(past: Past, sql: str) -> list[Any]:
    return [row[0] if len(row) == 1 else row for row in (await past.log.ask(sql)).rows]


async def replies(past: Past, run: str) -> list[Any]:
    return await rows(past, f"SELECT reply FROM turns WHERE run = '{run}' ORDER BY turn")


async def a_life(past: Past, *, write: bool = True) -> str:
    """Reminders, one of which falls due, a question that is answered, another person; the conversation's id."""
    talk, other = new_id(), new_id()
    add, listed = IntentLabel.CREATE_REMINDER, IntentLabel.LIST_REMINDERS
    await past.turn("remind me tomorrow at three to call", wants(add, "…", title="call", at=THREE), conversation=talk)
    await past.turn("my reminders", wants(listed, "my reminders"), conversation=talk)
    await past.turn("remind me to walk", wants(add, "…", title="walk", at=THREE), conversation=other, user="bob")
    soon = past.at + timedelta(minutes=10)
    await past.turn("in ten minutes the oven", wants(add, "…", title="oven", at=soon), conversation=talk)
    await past.turn("my reminders", wants(listed, "my reminders"), conversation=talk)
    await past.reminders_fall_due(soon + timedelta(seconds=1))
    await past.turn("my reminders", wants(listed, "my reminders"), conversation=talk)
    cancel = wants(IntentLabel.CANCEL_REMINDER, "cancel all", all=True)
    await past.turn("one more", wants(add, "…", title="milk", at=THREE), conversation=talk)
    await past.turn("cancel all", cancel, conversation=talk)
    await past.turn("yes", wants(IntentLabel.CHIT_CHAT, "yes", confidence=0.9), conversation=talk)
    await past.turn("my reminders", wants(listed, "my reminders"), conversation=talk)
    await past.turn("my reminders", wants(listed, "my reminders"), conversation=other, user="bob")
    if write:
        await past.write()
    return talk


async def compared(past: Past, run: str, base: str = "live") -> Difference:
    return await difference(past.ask, run, base, MiniLm())


async def test_a_replay_of_everything_says_and_does_the_same(past: Past, run_again: Replay) -> None:
    await a_life(past)
    before = await rows(
        past, "SELECT md5(string_agg(e::VARCHAR, '|' ORDER BY log_seq)) FROM events e WHERE run = 'live'"
    )

    outcome = await run_again()

    assert (outcome.completed, outcome.failed, outcome.otherwise, outcome.troubles) == (11, 0, 0, [])
    live = await replies(past, "live")
    assert "'oven'" in live[4], "both reminders were listed"
    assert "'oven'" not in live[5], "one had been announced"
    assert live[-1] == "You have 1 reminder: 'walk' tomorrow at 3 PM."
    assert await replies(past, "again") == live
    told = await compared(past, "again")
    assert (told.turns, told.same, told.changes, told.regressions(Limits())) == (11, 11, [], [])
    after = await rows(
        past, "SELECT md5(string_agg(e::VARCHAR, '|' ORDER BY log_seq)) FROM events e WHERE run = 'live'"
    )
    assert after == before
    assert await rows(
        past, "SELECT count(*) FROM events WHERE run = 'again' AND id IN (SELECT id FROM events WHERE run = 'live')"
    ) == [0]


async def test_a_turn_alone_finds_what_was_remembered_then(past: Past, run_again: Replay) -> None:
    await a_life(past)
    live = dict(await rows(past, "SELECT turn, reply FROM turns WHERE run = 'live' AND text = 'my reminders'"))

    await run_again(where="text = 'my reminders'")

    assert dict(await rows(past, "SELECT turn, reply FROM turns WHERE run = 'again'")) == live
    assert len(set(live.values())) == 4


async def test_one_conversation_and_a_span_of_time_can_be_chosen(past: Past, run_again: Replay) -> None:
    talk = await a_life(past)

    assert (await run_again("talk", conversation=talk)).turns == 9
    span = {"since": NOON + timedelta(minutes=2), "until": NOON + timedelta(minutes=4)}
    assert (await run_again("span", **span)).turns == 2
    assert await rows(past, "SELECT DISTINCT run, of, start, turns FROM runs ORDER BY run") == [
        ("span", "live", "router", 2),
        ("talk", "live", "router", 9),
    ]


async def test_days_later_now_is_still_then(past: Past, run_again: Replay) -> None:
    """The past is of November 2026, and "ten minutes ago" in a reply would tell of the clock of today."""
    await a_life(past)

    await run_again(where="text = 'in ten minutes the oven'")

    [(opened, ended, reply)] = await rows(past, "SELECT opened_at, ended_at, reply FROM turns WHERE run = 'again'")
    assert opened.startswith("2026-11-18T12:04")
    assert ended.startswith("2026-11-18T12:04")
    assert "today at 1:1" in reply


async def test_a_run_that_was_broken_off_goes_on_with_the_turns_that_are_missing(past: Past, run_again: Replay) -> None:
    talk = await a_life(past)
    await run_again("whole", conversation=talk)

    assert (await run_again("whole")).turns == 2

    assert await replies(past, "whole") == await replies(past, "live")
    assert await rows(past, "SELECT count(*) - count(DISTINCT id) FROM events WHERE run = 'whole'") == [0]


async def test_two_replays_are_compared_with_one_another(past: Past, run_again: Replay) -> None:
    await a_life(past)
    await run_again("first")
    await run_again("second")

    told = await compared(past, "second", "first")

    assert (told.same, told.turns, told.start) == (11, 11, "router")


async def test_a_run_that_lacks_turns_of_the_replay_it_is_compared_with_is_worse(past: Past, run_again: Replay) -> None:
    talk = await a_life(past)
    await run_again("whole")
    await run_again("part", conversation=talk)

    assert (await compared(past, "part", "whole")).regressions(Limits())[0].startswith("2 turns of whole are missing")
    assert (await compared(past, "part")).regressions(Limits()) == [], "of what was had live any part may be replayed"


async def test_what_skills_do_otherwise_today_is_counted_and_the_turns_are_run_all_the_same(
    past: Past, run_again: Replay
) -> None:
    await a_life(past, write=False)
    place, old = next((n, e) for n, e in enumerate(past.said) if isinstance(e.fact, TaskCompleted))
    assert isinstance(old.fact, TaskCompleted)
    outcome = old.fact.outcome.model_copy(update={"message": "Done as in the old days."})
    past.said[place] = Event[Fact].first(old.fact.model_copy(update={"outcome": outcome}), old.meta)
    await past.write()

    told = await run_again()

    assert (told.completed, told.otherwise) == (11, 1)
    assert (await compared(past, "again")).counts == {("tasks", "worse"): 1}


async def test_what_was_recorded_late_is_remembered_from_when_it_happened(past: Past, run_again: Replay) -> None:
    """A killed logger, and a dump that is taken in later, record what happened earlier after what happened later."""
    await a_life(past, write=False)
    first = [event for event in past.said if event.meta.turn == past.said[0].meta.turn]
    past.said[:] = [event for event in past.said if event not in first] + first
    await past.write()

    told = await run_again()

    assert (told.completed, told.otherwise) == (11, 0)
    assert (await compared(past, "again")).same == 11


async def test_of_a_turn_that_was_cut_short_only_what_was_done_is_remembered(past: Past, run_again: Replay) -> None:
    talk, add = new_id(), IntentLabel.CREATE_REMINDER
    both = [wants(add, "…", title=title, at=THREE) for title in ("call", "walk")]
    cut = await past.turn("call and walk", *both, conversation=talk)
    of_turn = [event for event in past.said if event.meta.turn == cut.meta.turn]
    kept = [e for e in of_turn if isinstance(e.fact, TextTurnOpened | IntentClassified)]
    kept.append(next(e for e in of_turn if isinstance(e.fact, TaskCompleted)))
    past.said[:] = kept
    past.interrupted(cut)
    await past.turn("my reminders", wants(IntentLabel.LIST_REMINDERS, "my reminders"), conversation=talk)
    await past.write()

    await run_again(where="text = 'my reminders'")

    [reply] = await replies(past, "again")
    assert reply == "You have 1 reminder: 'call' tomorrow at 3 PM."


async def test_a_turn_that_never_came_to_its_end_is_no_worse_for_coming_to_it(past: Past, run_again: Replay) -> None:
    opened = await past.turn("hello", wants(IntentLabel.CHIT_CHAT, "hello"))
    past.said[:] = past.said[:2]
    past.interrupted(opened)
    failed = await past.turn("hello again", wants(IntentLabel.CHIT_CHAT, "hello again"))
    past.said[:] = [e for e in past.said if e.meta.turn != failed.meta.turn or isinstance(e.fact, TextTurnOpened)]
    past.failed(failed)
    await past.write()

    told = await run_again("intent", start="intent")

    assert (told.completed, told.failed) == (2, 0)
    found = await compared(past, "intent")
    assert found.counts == {("end", "better"): 1}
    assert found.regressions(Limits()) == []


async def test_two_replays_under_one_name_are_not_mixed(past: Past, run_again: Replay) -> None:
    await a_life(past)
    await run_again("one")
    first = await rows(past, "SELECT count(*) FROM events WHERE run = 'one'")

    with pytest.raises(InvalidField, match="no other replay"):
        await run_again("one", done=frozenset())

    assert await rows(past, "SELECT count(*) FROM events WHERE run = 'one'") == first


async def test_the_state_of_many_turns_stays_small(past: Past, run_again: Replay) -> None:
    """It is copied for each turn: what handled events have said, and old history, are of no use in it."""
    talk = new_id()
    for number in range(60):
        text = f"tell me more about it, the {number}th time " + "x" * 200
        await past.turn(text, wants(IntentLabel.CHIT_CHAT, text), conversation=talk)
    await past.write()
    logged = await LoggedEvents.opened(past.ask, "live")
    sizes = []
    async with Folding("again", "EUR") as folding:
        async for event in logged.of_users([("local", "anna")]):
            assert isinstance(event, Event)
            await folding.take_in(event)
            if event.meta.type == "TurnCompleted":
                sizes.append(len(await folding.image(event)))

    assert len(sizes) == 60
    assert sizes[-1] <= 1.1 * sizes[30]


async def test_what_was_forgotten_then_is_not_remembered_in_a_replay(past: Past) -> None:
    talk = new_id()
    first = await past.turn("hello", wants(IntentLabel.CHIT_CHAT, "hello"), conversation=talk)
    await past.forgets(first)
    later = await past.turn("hello again", wants(IntentLabel.CHIT_CHAT, "hello again"), conversation=talk)
    await past.write()
    logged = await LoggedEvents.opened(past.ask, "live")
    remembered: list[list[str]] = []

    async with Folding("again", "EUR") as folding:
        async for event in logged.of_users([("local", "anna")]):
            assert isinstance(event, Event)
            await folding.take_in(event)
            async with open_in_memory(past.clock, await folding.image(event)) as state, state.transaction() as tx:
                found = await history.page(tx, Scope("local", "again", "anna"), None, 9)
            remembered.append([said.user for said in found])

    assert ["hello"] in remembered
    assert remembered[-1] == ["hello again"]
    assert [event.meta.type for event in past.said].count("HistoryForgotten") == 1
    assert later.meta.conversation == talk


async def test_turns_of_a_log_without_what_was_said_are_left_out_and_told(past: Past, run_again: Replay) -> None:
    past.log._appending.keeps_content = False  # as `training_data: false` opens it
    await a_life(past)

    told = await run_again()

    assert (told.turns, dict(told.left)) == (0, {"what was said is not in the log (training_data was off)": 11})


async def test_from_the_middle_what_was_said_before_is_repeated(past: Past, run_again: Replay) -> None:
    await a_life(past)

    outcome = await run_again("voice", start="tts")

    assert outcome.completed == 11
    assert await replies(past, "voice") == await replies(past, "live")
    kinds = "SELECT DISTINCT type FROM events WHERE run = '{}' ORDER BY 1"
    assert set(await rows(past, kinds.format("voice"))) == set(await rows(past, kinds.format("live"))) - {
        "ReminderDue"
    } | {"TurnReplayed"}


async def test_a_pace_keeps_the_distance(past: Past, run_again: Replay) -> None:
    await past.turn("one", wants(IntentLabel.LIST_NOTES, "one"))
    await past.turn("two", wants(IntentLabel.LIST_NOTES, "two"))
    await past.write()

    outcome = await run_again(pace=Pace(times=60.0))

    assert outcome.took_s >= 1.0
    spans = await rows(
        past, "SELECT max(recorded_at) - min(recorded_at) > INTERVAL 0.5 SECOND FROM events WHERE run = 'again'"
    )
    assert spans == [True]
