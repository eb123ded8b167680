"""The keeper's rules, on a real file and a clock that stands still: order, deadlines, interruptions, and one end."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.clock import SetClock, new_id
from infra.state import history, outbox, questions
from infra.state.port import State
from infra.state.scope import Scope, scope_of
from infra.state.sqlite import open_state
from pipeline.keeper import APOLOGY_WITHIN, Keeper
from pipeline.turn_ends import SORRY
from pipeline.turn_limits import WAITING_MAX
from schemas.errors import InvalidField
from schemas.event import Event, Fact, Meta
from schemas.history import HistoryForgotten
from schemas.intents import Intent, IntentClassified, IntentLabel
from schemas.persona import PersonaUpdated
from schemas.tasks import TaskCompleted, TaskOutcome
from schemas.turns import (
    ApologyRequested,
    FeedbackRecorded,
    ReplyCutShort,
    SpeechTurnOpened,
    StageFailed,
    TextTurnOpened,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
)

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

if TYPE_CHECKING:
    from tests.pipeline.conftest import Submitter

    Talk = Callable[..., Submitter]

Said = list[Event[Fact]]


async def told(keeper: Keeper, *events: Event[Fact]) -> Said:
    """What the keeper says to these events."""
    return [said for event in events for said in (await keeper.handle(event)).said]


def kinds(said: Said) -> list[type[Fact]]:
    return [type(event.fact) for event in said]


async def remembered(state: State, turn: Event[Fact]) -> list[tuple[str, str]]:
    """The conversation's history as the next turn would see it."""
    async with state.transaction() as tx:
        found = await history.recent(tx, scope_of(turn.meta), turn.meta.conversation, 1_000, 100)
    return [(entry.user, entry.reply) for entry in found]


# Opening, in order


async def test_the_first_turn_is_opened_with_number_one_and_a_deadline(
    keeper: Keeper, talk: "Talk", clock: SetClock
) -> None:
    turn = talk().text("what time is it")

    [opened] = await told(keeper, turn)

    assert opened.fact == TextTurnOpened(text="what time is it")
    assert (opened.meta.turn, opened.meta.number) == (turn.meta.turn, 1)
    assert opened.meta.deadline == clock.now() + timedelta(seconds=60)
    assert (opened.meta.cause, opened.meta.stage) == (turn.meta.id, "keeper")


async def test_a_spoken_turn_is_opened_with_its_sound(keeper: Keeper, talk: "Talk") -> None:
    turn = talk().sound()

    [opened] = await told(keeper, turn)

    assert isinstance(opened.fact, SpeechTurnOpened)
    assert opened.fact.audio == turn.fact.audio  # type: ignore[attr-defined]  # it was submitted with one


async def test_the_next_turn_opens_when_the_one_before_has_ended(keeper: Keeper, talk: "Talk") -> None:
    ann = talk()
    first, second, third = ann.text("one"), ann.text("two"), ann.text("three")
    await told(keeper, first)
    assert await told(keeper, second, third) == [], "they wait"

    said = await told(keeper, *ann.chosen(first, "Done."))

    assert kinds(said) == [TurnCompleted, TextTurnOpened]
    assert said[1].fact == TextTurnOpened(text="two")
    assert [event.meta.number for event in said] == [1, 2]


async def test_its_deadline_counts_from_its_opening(keeper: Keeper, talk: "Talk", clock: SetClock) -> None:
    ann = talk()
    first, second = ann.text(), ann.text()
    await told(keeper, first, second)
    clock.at += timedelta(seconds=50)

    [_, opened] = await told(keeper, *ann.chosen(first, "Done."))

    assert opened.meta.deadline == clock.now() + timedelta(seconds=60)


async def test_other_conversations_are_not_held_up(keeper: Keeper, talk: "Talk") -> None:
    await told(keeper, talk().text())

    assert kinds(await told(keeper, talk().text(), talk().text())) == [TextTurnOpened, TextTurnOpened]


async def test_conversations_of_the_same_name_in_other_runs_and_tenants_are_others(
    keeper: Keeper, talk: "Talk"
) -> None:
    ann = talk()
    turn, other = ann.text(), ann.text()
    replayed = turn.model_copy(update={"meta": turn.meta.model_copy(update={"run": "replay-1"})})
    elsewhere = other.model_copy(update={"meta": other.meta.model_copy(update={"tenant": "acme"})})

    said = await told(keeper, turn, replayed, elsewhere)

    assert kinds(said) == [TextTurnOpened] * 3
    assert [event.meta.number for event in said] == [1, 1, 1]


async def test_turns_are_numbered_as_they_were_accepted_whatever_becomes_of_them(
    keeper: Keeper, talk: "Talk", clock: SetClock
) -> None:
    ann, numbers = talk(), []
    for n in range(5):
        turn = ann.text(str(n))
        [opened] = await told(keeper, turn)
        numbers.append(opened.meta.number)
        await told(keeper, ann.failed(turn) if n % 2 else ann.chosen(turn, "Done.")[-1])

    assert numbers == [1, 2, 3, 4, 5]


# Completion


async def test_without_speech_a_turn_is_complete_with_its_reply(keeper: Keeper, talk: "Talk", state: State) -> None:
    ann = talk(speech=False)
    turn = ann.text("how are you")
    await told(keeper, turn)
    sentences, reply = ann.chosen(turn, "Fine.", "And you?")[:-1], ann.chosen(turn, "Fine.", "And you?")[-1]
    assert await told(keeper, *sentences) == []

    [end] = await told(keeper, reply)

    assert end.fact == TurnCompleted(reply="Fine. And you?", sentences=2, audio_s=None)
    assert await remembered(state, turn) == [("how are you", "Fine. And you?")]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [3, 4, 0, 1, 2], [2, 4, 1, 0, 3], [0, 3, 1, 2, 4]])
async def test_with_speech_a_turn_is_complete_with_its_last_sound_in_whatever_order_it_is_heard(
    keeper: Keeper, talk: "Talk", order: list[int]
) -> None:
    ann = talk(speech=True)
    turn = ann.text()
    await told(keeper, turn)
    events = [*ann.chosen(turn, "Fine.", "And you?"), *ann.spoken(turn, "Fine.", "And you?")]

    assert await told(keeper, *(events[place] for place in order[:-1])) == []
    [end] = await told(keeper, events[order[-1]])

    assert end.fact == TurnCompleted(reply="Fine. And you?", sentences=2, audio_s=3.0)


async def test_history_holds_what_was_heard_of_a_spoken_turn_as_the_question(
    keeper: Keeper, talk: "Talk", state: State
) -> None:
    ann = talk(speech=True)
    turn = ann.sound()

    await told(keeper, turn, *ann.chosen(turn, "Fine."), *ann.spoken(turn, "Fine."))

    assert await remembered(state, turn) == [("what was heard", "Fine.")]


# Once


async def test_a_repeated_submission_changes_nothing(keeper: Keeper, talk: "Talk") -> None:
    ann = talk()
    turn, second = ann.text(), ann.text()
    await told(keeper, turn)

    assert await told(keeper, turn, turn) == []
    assert await told(keeper, second, second) == []
    assert kinds(await told(keeper, *ann.chosen(turn, "Done."))) == [TurnCompleted, TextTurnOpened]
    assert await told(keeper, turn, second) == [], "also after its end"


async def test_repeated_and_late_events_end_nothing_twice(keeper: Keeper, talk: "Talk", state: State) -> None:
    ann = talk(speech=True)
    turn = ann.text()
    events = [*ann.chosen(turn, "Fine."), *ann.spoken(turn, "Fine.")]
    await told(keeper, turn)

    said = await told(keeper, *(event for event in events for _ in range(2)))

    assert kinds(said) == [TurnCompleted]
    assert await told(keeper, *events, ann.failed(turn), ann.stop(turn)) == []
    assert await remembered(state, turn) == [("hello", "Fine.")]


async def test_feedback_is_recorded_once(keeper: Keeper, talk: "Talk") -> None:
    ann = talk()
    turn = ann.text()
    await told(keeper, turn, *ann.chosen(turn, "Fine."))
    given = ann.feedback(turn)

    [recorded] = await told(keeper, given)

    assert recorded.fact == FeedbackRecorded(about=turn.meta.turn, rating="up")
    assert await told(keeper, given) == []


async def test_feedback_is_recorded_with_all_that_it_says(keeper: Keeper, talk: "Talk") -> None:
    ann = talk()
    turn, other = ann.text(), ann.text("again")
    await told(keeper, turn, *ann.chosen(turn, "Fine."), other)
    said: dict[str, Any] = {"intent": "chit_chat", "preferred": 1, "reward": -0.5, "compared_with": other.meta.turn}

    [recorded] = await told(keeper, ann.feedback(turn, **said))

    assert recorded.fact == FeedbackRecorded(about=turn.meta.turn, rating="up", **said)


@pytest.mark.parametrize("field", ["about", "compared_with"])
async def test_feedback_on_somebody_elses_turn_is_refused(keeper: Keeper, talk: "Talk", field: str) -> None:
    ann, bob = talk(), talk(user="bob")
    mine, theirs = ann.text(), bob.text()
    await told(keeper, mine, theirs)
    said = {"reward": 1.0, field: theirs.meta.turn}

    with pytest.raises(InvalidField, match="a turn of the user 'ann'") as refused:
        await told(keeper, ann.feedback(mine, **said))

    assert refused.value.field == f"fact.{field}"
    assert len(await told(keeper, bob.feedback(theirs))) == 1


async def test_feedback_on_a_turn_that_the_books_do_not_have_is_recorded(keeper: Keeper, talk: "Talk") -> None:
    [recorded] = await told(keeper, talk().feedback(talk().text()))

    assert isinstance(recorded.fact, FeedbackRecorded)


async def test_what_was_learned_of_a_person_is_recorded_once_and_from_nobody_elses_turn(
    keeper: Keeper, talk: "Talk"
) -> None:
    ann, bob = talk(), talk(user="bob")
    mine, theirs = ann.text(), bob.text()
    await told(keeper, mine, theirs)
    given = ann.learned(mine, facets={"concise": 0.7}, reason="too brief")

    [recorded] = await told(keeper, given)

    assert recorded.fact == PersonaUpdated(about=mine.meta.turn, facets={"concise": 0.7}, reason="too brief")
    assert await told(keeper, given) == []
    with pytest.raises(InvalidField, match=r"fact\.about: .* a turn of the user 'ann'"):
        await told(keeper, ann.learned(mine, about=theirs.meta.turn, facets={"concise": 0.7}))


async def test_history_is_forgotten_once_and_only_the_user_s_own(
    keeper: Keeper, state: State, talk: "Talk", clock: SetClock
) -> None:
    ann, elsewhere, bob = talk(), talk(), talk(user="bob")
    for each in (ann, ann, elsewhere, bob):
        turn = each.text("hello")
        await told(keeper, turn, *each.chosen(turn, "Hi."))
    first = ann.forgets(only=ann.conversation)

    [forgotten] = await told(keeper, first)

    assert forgotten.fact == HistoryForgotten(only=ann.conversation, turns=2)
    later = ann.text("and now?")
    await told(keeper, later, *ann.chosen(later, "Hi again."))
    assert await told(keeper, first) == []
    assert await remembered(state, later) == [("and now?", "Hi again.")]
    [all_of_it] = await told(keeper, ann.forgets())
    assert all_of_it.fact == HistoryForgotten(only=None, turns=2)
    assert await remembered(state, turn) == [("hello", "Hi.")]


async def test_what_was_asked_back_is_forgotten_with_the_history(keeper: Keeper, state: State, talk: "Talk") -> None:
    ann, elsewhere = talk(), talk()
    asked = questions.Question(number=1, asked_at=NOON, intent="{}", awaits="when", text="When?")
    whose = Scope("local", "live", "ann")
    async with state.transaction() as tx:
        for each in (ann, elsewhere):
            await questions.ask(tx, whose, each.conversation, asked)

    async def waiting(of: "Submitter") -> bool:
        async with state.transaction() as tx:
            return await questions.waiting(tx, whose, of.conversation, 2, NOON) is not None

    await told(keeper, ann.forgets(only=ann.conversation))
    assert [await waiting(ann), await waiting(elsewhere)] == [False, True]
    await told(keeper, ann.forgets())
    assert not await waiting(elsewhere)


async def test_two_keepers_on_one_file_open_and_end_each_turn_once(
    keeper: Keeper, talk: "Talk", state_file: Path, clock: SetClock
) -> None:
    async with open_state(state_file, clock) as same_file:
        second = Keeper(same_file, clock)
        people = [talk() for _ in range(8)]
        firsts, seconds = [ann.text() for ann in people], [ann.text() for ann in people]
        events: list[Event[Fact]] = [*firsts, *seconds]
        for ann, turn in zip(people, firsts, strict=True):
            events += ann.chosen(turn, "Done.")

        async def all_by(one: Keeper) -> Said:
            return await told(one, *events)

        one_said, other_said = await asyncio.gather(all_by(keeper), all_by(second))
        said = [*one_said, *other_said]

    opened = [event.meta.turn for event in said if isinstance(event.fact, TextTurnOpened)]
    ended = [event.meta.turn for event in said if isinstance(event.fact, TurnCompleted)]
    assert sorted(opened) == sorted(turn.meta.turn for turn in (*firsts, *seconds))
    assert sorted(ended) == sorted(turn.meta.turn for turn in firsts)
    assert sorted({event.meta.number for event in said}) == [1, 2]


async def test_what_is_said_lies_in_the_outbox_until_it_is_published(
    keeper: Keeper, talk: "Talk", state: State
) -> None:
    said = await told(keeper, talk().text(), talk().text())

    async with state.transaction() as tx:
        waiting = await outbox.pending(tx, 10)
    assert sorted(row.payload for row in waiting) == sorted(event.encoded() for event in said)


# Limits


async def test_a_turn_whose_deadline_has_passed_fails_and_the_next_one_opens(
    keeper: Keeper, talk: "Talk", clock: SetClock, state: State
) -> None:
    ann = talk()
    first, second = ann.text("one"), ann.text("two")
    await told(keeper, first, second)
    clock.at += timedelta(seconds=59)
    assert (await keeper.sweep()).said == []
    clock.at += timedelta(seconds=1)

    [late] = await keeper.overdue()
    assert late.turn == first.meta.turn

    failed, opened = (await keeper.sweep({late.turn_id: "how far it came"})).said

    assert isinstance(failed.fact, TurnFailed)
    assert (failed.fact.code, failed.fact.error) == ("deadline", "how far it came")
    assert failed.fact.message == SORRY["deadline"], "which people hear"
    assert opened.fact == TextTurnOpened(text="two")
    assert await keeper.overdue() == []
    assert (await keeper.sweep()).said == []
    assert await remembered(state, first) == [], "nothing was answered"


async def test_a_clock_that_is_put_back_keeps_nobody_waiting_for_longer_than_a_turn_may_take(
    keeper: Keeper, talk: "Talk", clock: SetClock
) -> None:
    ann = talk()
    await told(keeper, ann.text("one"), ann.text("two"))
    clock.at -= timedelta(hours=1)
    assert (await keeper.sweep()).said == []
    clock.at += timedelta(seconds=60)

    failed, opened = (await keeper.sweep()).said

    assert isinstance(failed.fact, TurnFailed)
    assert isinstance(opened.fact, TextTurnOpened)


async def test_a_clock_that_is_set_forward_ends_what_is_open_and_no_more(
    keeper: Keeper, talk: "Talk", clock: SetClock
) -> None:
    ann, bob = talk(), talk()
    one, two = ann.text("one"), bob.text("two")
    await told(keeper, one, ann.text("after one"), two, bob.text("after two"))
    clock.at += timedelta(days=3650)

    said = (await keeper.sweep()).said

    assert kinds(said) == [TurnFailed, TextTurnOpened] * 2
    assert {event.meta.turn for event in said if isinstance(event.fact, TurnFailed)} == {one.meta.turn, two.meta.turn}
    assert (await keeper.sweep()).said == [], "those that waited have their whole time"


async def test_a_conversation_in_which_too_much_waits_is_told_that_it_is_busy(keeper: Keeper, talk: "Talk") -> None:
    ann = talk()
    first = ann.text()
    waiting = [ann.text() for _ in range(WAITING_MAX)]
    assert kinds(await told(keeper, first, *waiting)) == [TextTurnOpened]

    refused = await told(keeper, ann.text())

    assert kinds(refused) == [TurnFailed]
    [failed] = [event.fact for event in refused if isinstance(event.fact, TurnFailed)]
    assert (failed.code, failed.stage, failed.field) == ("busy", "keeper", "conversation")
    assert (failed.value, failed.message) == (f"more than {WAITING_MAX}", SORRY["busy"])
    assert failed.expected is not None
    assert f"at most {WAITING_MAX} turns of one conversation" in failed.expected
    assert kinds(await told(keeper, talk().text())) == [TextTurnOpened], "others are not"
    assert kinds(await told(keeper, ann.chosen(first, "Done.")[-1])) == [TurnCompleted, TextTurnOpened]
    assert await told(keeper, ann.text()) == [], "there is room again"


async def test_who_talks_without_end_is_told_when_to_go_on_and_others_are_not_held_up(
    state: State, talk: "Talk", clock: SetClock
) -> None:
    keeper = Keeper(state, clock, turns_per_minute=3)
    ann, elsewhere = talk(), talk()
    for conversation in (ann, elsewhere, ann):
        clock.at += timedelta(seconds=10)
        await told(keeper, conversation.text())

    clock.at += timedelta(seconds=10)
    [refused] = await told(keeper, elsewhere.text())

    assert isinstance(refused.fact, TurnFailed)
    assert (refused.fact.code, refused.fact.field) == ("too-many", "turns_per_minute")
    assert refused.fact.expected == "at most 3 turns a minute; try again in 30 s"
    assert refused.fact.message.endswith("Please try again in 30 seconds.")
    assert kinds(await told(keeper, talk(user="bob").text())) == [TextTurnOpened]
    clock.at += timedelta(seconds=29)
    assert kinds(await told(keeper, talk().text())) == [TurnFailed]
    clock.at += timedelta(seconds=1)
    assert kinds(await told(keeper, talk().text())) == [TextTurnOpened], "what was refused does not count"
    assert kinds(await told(keeper, talk().text())) == [TurnFailed]


async def test_a_clock_that_was_put_back_locks_nobody_out(state: State, talk: "Talk", clock: SetClock) -> None:
    keeper = Keeper(state, clock, turns_per_minute=1)
    await told(keeper, talk().text())
    clock.at -= timedelta(hours=1)

    assert kinds(await told(keeper, talk().text())) == [TextTurnOpened]


async def test_a_replay_may_go_as_fast_as_it_can(state: State, talk: "Talk", clock: SetClock) -> None:
    keeper = Keeper(state, clock, turns_per_minute=1)
    again = [talk().text() for _ in range(3)]
    again = [event.model_copy(update={"meta": event.meta.model_copy(update={"run": "again"})}) for event in again]

    assert kinds(await told(keeper, *again)) == [TextTurnOpened] * 3


# Failures


async def test_a_stage_that_gave_up_ends_the_turn_without_telling_the_person_its_inner_life(
    keeper: Keeper, talk: "Talk"
) -> None:
    ann = talk()
    turn, second = ann.text(), ann.text()
    await told(keeper, turn, second)

    failed, opened = await told(keeper, ann.failed(turn))

    assert isinstance(failed.fact, TurnFailed)
    assert (failed.fact.code, failed.fact.stage) == ("stage-failed", "stt")
    assert failed.fact.error == "OSError: disk gone"
    assert "disk" not in failed.fact.message
    assert isinstance(opened.fact, TextTurnOpened)


async def test_a_recording_that_cannot_be_used_is_told_by_field_and_value(keeper: Keeper, talk: "Talk") -> None:
    ann = talk()
    turn = ann.sound()
    await told(keeper, turn)
    wrong = {"code": "unusable-audio", "field": "audio.size_bytes", "value": "0", "expected": "a recording"}

    [failed] = await told(keeper, ann.failed(turn, **wrong))

    assert isinstance(failed.fact, TurnFailed)
    assert failed.fact.code == "unusable-audio"
    assert (failed.fact.field, failed.fact.value, failed.fact.expected) == ("audio.size_bytes", "0", "a recording")
    assert failed.fact.message == ("I could not use that recording: there was nothing in it. Please say it again.")


async def test_a_failure_is_told_aloud_where_sound_is_wanted_also_when_the_turn_s_time_is_up(
    keeper: Keeper, talk: "Talk", clock: SetClock
) -> None:
    ann = talk(speech=True)
    first, second = ann.text("one"), ann.text("two")
    await told(keeper, first, second)
    clock.at += timedelta(seconds=60)

    failed, opened, apology = (await keeper.sweep()).said

    assert isinstance(failed.fact, TurnFailed)
    assert isinstance(opened.fact, TextTurnOpened), "the next turn does not wait for it"
    assert apology.fact == ApologyRequested(text=failed.fact.message)
    assert apology.meta.turn == failed.meta.turn
    assert apology.meta.deadline == clock.at + APOLOGY_WITHIN, "the turn's own has passed"
    assert await told(keeper, ann.failed(first)) == [], "a voice that fails at it changes nothing"


@pytest.mark.parametrize("how", ["a stage gives up", "its time is up"])
async def test_a_turn_that_fails_after_skills_have_acted_tells_what_they_did(
    keeper: Keeper, talk: "Talk", state: State, clock: SetClock, how: str
) -> None:
    ann = talk(speech=True)
    turn = ann.text("note to buy tea, a reminder at one, and how are you")
    [opened] = await told(keeper, turn)
    heard = IntentClassified(text="…", intents=(Intent(label=IntentLabel.CREATE_NOTE, confidence=0.9, text="…"),))
    classified = opened.following("intent", 0, heard, clock.now())
    outcomes = [("Noted: buy tea.", True), ("At one is past.", False), ("Reminder set.", True)]
    for step, (message, success) in enumerate(outcomes):
        outcome = TaskOutcome(skill=IntentLabel.CREATE_NOTE, success=success, message=message)
        async with state.handling(classified, f"intent-{step}") as unit:
            unit.say(TaskCompleted(intent=step, outcome=outcome), step)

    if how == "its time is up":
        clock.at += timedelta(seconds=61)
        said = (await keeper.sweep()).said
    else:
        said = await told(keeper, ann.failed(turn))

    failed, apology = [event.fact for event in said]
    assert isinstance(failed, TurnFailed)
    assert failed.done == ("Noted: buy tea.", "Reminder set.")
    assert failed.message.startswith("Noted: buy tea. Reminder set. Then something went wrong")
    assert apology == ApologyRequested(text=failed.message)


@pytest.mark.parametrize("kind", ["TextSubmitted", "AudioSubmitted", "InterruptRequested", "SomethingElse"])
async def test_a_submission_that_cannot_be_read_fails_its_turn_and_holds_up_nobody(
    keeper: Keeper, talk: "Talk", clock: SetClock, kind: str
) -> None:
    ann = talk()
    turn = new_id()
    meta = Meta(id="x", type=kind, conversation=ann.conversation, turn=turn, user="unknown", time=clock.now())
    failure = StageFailed(
        failed_stage="keeper",
        error="InvalidField",
        message="fact.text: ''",
        tries=1,
        code="invalid",
        field="fact.text",
        value="''",
        expected="some text",
    )

    failed, apology = (await keeper.refuse(meta, failure)).said

    assert isinstance(failed.fact, TurnFailed)
    assert isinstance(apology.fact, ApologyRequested)
    assert (failed.fact.code, failed.fact.field, failed.meta.turn) == ("invalid", "fact.text", turn)
    assert (await keeper.refuse(meta, failure)).said == [], "a repetition changes nothing"
    assert kinds(await told(keeper, ann.text())) == [TextTurnOpened]


async def test_an_unreadable_message_about_a_turn_that_exists_does_not_end_it(
    keeper: Keeper, talk: "Talk", clock: SetClock
) -> None:
    ann = talk()
    turn = ann.text()
    await told(keeper, turn)
    failure = StageFailed(failed_stage="keeper", error="InvalidField", message="", tries=1, code="invalid")

    assert (await keeper.refuse(turn.meta, failure)).said == []

    assert kinds(await told(keeper, ann.chosen(turn, "Done.")[-1])) == [TurnCompleted]


# Interruption


async def test_a_turn_that_interrupts_ends_the_open_one_and_opens(keeper: Keeper, talk: "Talk", state: State) -> None:
    ann = talk(speech=True)
    first, newer = ann.text("tell me everything"), ann.text("stop", interrupts=True)
    sentences = ann.chosen(first, "First.", "Second.", "Third.")
    await told(keeper, first, *sentences, *ann.spoken(first, "First.", "Second."))

    ended, opened = await told(keeper, newer)

    assert ended.fact == TurnInterrupted(
        reason="interrupted by a newer turn", by=newer.meta.turn, spoken="First. Second."
    )
    assert opened.fact == TextTurnOpened(text="stop")
    assert await remembered(state, first) == [("tell me everything", "First. Second.")]


async def test_interrupting_where_nothing_is_open_is_an_ordinary_turn(keeper: Keeper, talk: "Talk") -> None:
    assert kinds(await told(keeper, talk().text(interrupts=True))) == [TextTurnOpened]


@pytest.mark.parametrize(
    ("played", "heard"),
    [(None, "First. Second."), (0, ""), (1, "First."), (2, "First. Second."), (9, "First. Second.")],
)
async def test_history_keeps_only_what_the_front_end_says_was_played(
    keeper: Keeper, talk: "Talk", state: State, played: int | None, heard: str
) -> None:
    ann = talk(speech=True)
    turn = ann.text("go on")
    await told(keeper, turn, *ann.chosen(turn, "First.", "Second.", "Third."), *ann.spoken(turn, "First.", "Second."))

    [ended] = await told(keeper, ann.stop(turn, played))

    assert ended.fact == TurnInterrupted(reason="enough", spoken=heard)
    assert await remembered(state, turn) == ([("go on", heard)] if heard else [])


@pytest.mark.parametrize(
    ("ready", "heard"), [((1,), ""), ((0, 2), "First."), ((1, 0), "First. Second.")], ids=["1", "0 and 2", "1, then 0"]
)
async def test_a_sentence_that_is_ready_before_the_one_that_comes_first_was_not_heard(
    keeper: Keeper, talk: "Talk", state: State, ready: tuple[int, ...], heard: str
) -> None:
    ann = talk(speech=True)
    turn = ann.text("go on")
    sounds = ann.spoken(turn, "First.", "Second.", "Third.")
    await told(keeper, turn, *ann.chosen(turn, "First.", "Second.", "Third."), *(sounds[place] for place in ready))

    [ended] = await told(keeper, ann.stop(turn))

    assert ended.fact == TurnInterrupted(reason="enough", spoken=heard)
    assert await remembered(state, turn) == ([("go on", heard)] if heard else [])


async def test_without_speech_what_was_chosen_counts_as_heard(keeper: Keeper, talk: "Talk") -> None:
    ann = talk(speech=False)
    turn = ann.text()
    await told(keeper, turn, *ann.chosen(turn, "First.", "Second.")[:1])

    [ended] = await told(keeper, ann.stop(turn))

    assert ended.fact == TurnInterrupted(reason="enough", spoken="First.")


@pytest.mark.parametrize(("played", "heard"), [(0, ""), (1, "First.")])
async def test_a_reply_that_is_spoken_over_after_its_turn_has_ended_is_remembered_as_it_was_heard(
    keeper: Keeper, talk: "Talk", state: State, played: int, heard: str
) -> None:
    ann = talk(speech=True)
    turn = ann.text("go on")
    await told(keeper, turn, *ann.chosen(turn, "First.", "Second."), *ann.spoken(turn, "First.", "Second."))
    assert await remembered(state, turn) == [("go on", "First. Second.")]

    [cut] = await told(keeper, ann.stop(turn, played))

    assert cut.fact == ReplyCutShort(reason="enough", sentences_played=played, spoken=heard)
    assert cut.meta.number == 1
    assert await remembered(state, turn) == ([("go on", heard)] if heard else [])
    assert await told(keeper, ann.stop(turn, 1)) == []


@pytest.mark.parametrize("played", [None, 2, 9])
async def test_a_reply_that_was_played_to_its_end_was_not_cut_short(
    keeper: Keeper, talk: "Talk", state: State, played: int | None
) -> None:
    ann = talk(speech=True)
    turn = ann.text("go on")
    await told(keeper, turn, *ann.chosen(turn, "First.", "Second."), *ann.spoken(turn, "First.", "Second."))

    assert await told(keeper, ann.stop(turn, played)) == []
    assert await remembered(state, turn) == [("go on", "First. Second.")]


async def test_a_turn_that_waits_can_be_stopped_before_it_opens(keeper: Keeper, talk: "Talk") -> None:
    ann = talk()
    first, second, third = ann.text("one"), ann.text("two"), ann.text("three")
    await told(keeper, first, second, third)

    [ended] = await told(keeper, ann.stop(second))
    assert (type(ended.fact), ended.meta.number) == (TurnInterrupted, 2)

    [_, opened] = await told(keeper, ann.chosen(first, "Done.")[-1])
    assert opened.fact == TextTurnOpened(text="three")


async def test_a_turn_that_is_stopped_before_it_was_taken_in_ends_at_once_and_never_begins(
    keeper: Keeper, talk: "Talk"
) -> None:
    ann = talk()
    turn = ann.text()

    [ended] = await told(keeper, ann.stop(turn))

    assert (type(ended.fact), ended.meta.turn) == (TurnInterrupted, turn.meta.turn)
    assert await told(keeper, turn, ann.stop(turn)) == []
    assert kinds(await told(keeper, ann.text())) == [TextTurnOpened]


async def test_stopping_a_turn_that_has_ended_or_was_long_ago_says_nothing(
    keeper: Keeper, talk: "Talk", clock: SetClock
) -> None:
    ann = talk()
    turn, forgotten = ann.text(), ann.text()
    await told(keeper, turn, *ann.chosen(turn, "Done."))

    assert await told(keeper, ann.stop(turn)) == []
    clock.at = datetime.now(UTC) + timedelta(hours=2)  # ids are made by the real clock
    assert await told(keeper, ann.stop(forgotten)) == []


async def test_a_turn_that_interrupts_does_not_wait_for_those_that_wait(keeper: Keeper, talk: "Talk") -> None:
    ann = talk()
    first, second, third = ann.text("one"), ann.text("two"), ann.text("three")
    await told(keeper, first, second, third)

    said = await told(keeper, ann.text("enough", interrupts=True))

    assert kinds(said) == [TurnInterrupted] * 3 + [TextTurnOpened]
    assert {event.meta.turn for event in said[:3]} == {turn.meta.turn for turn in (first, second, third)}
    assert said[-1].fact == TextTurnOpened(text="enough")


async def test_what_is_told_in_another_conversation_changes_no_turn_of_this_one(keeper: Keeper, talk: "Talk") -> None:
    ann, eve = talk(), talk()
    turn = ann.text()
    await told(keeper, turn)
    for forged in (ann.failed(turn), ann.stop(turn)):
        meta = forged.meta.model_copy(update={"conversation": eve.conversation})

        assert await told(keeper, forged.model_copy(update={"meta": meta})) == []
