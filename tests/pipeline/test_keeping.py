"""The keeper on the real bus: submissions in, turns opened and ended once, whatever dies between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus import streams
from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.server import BusAddress
from infra.bus.streams import Durable
from infra.clock import Clock, SetClock, SystemClock, ms_between
from infra.state import outbox, turns
from infra.state.errors import StateCorrupt, StateError, StateFull
from infra.state.port import State, Transaction
from infra.state.sqlite import open_state
from infra.telemetry import Telemetry, root
from pipeline.books import Words
from pipeline.intake_gate import IntakeGate
from pipeline.keeper import Keeper
from pipeline.keeping import EVENTS, HELD_UP_S, INTAKE, Keeping
from schemas import subjects
from schemas.catalogue import decode
from schemas.event import Event, Fact
from schemas.history import HistoryForgotten
from schemas.tasks import ReminderDue
from schemas.turns import (
    FeedbackRecorded,
    SpeechTurnOpened,
    StageFailed,
    TextTurnOpened,
    TurnCompleted,
    TurnEnd,
    TurnFailed,
    TurnInterrupted,
)

if TYPE_CHECKING:
    from tests.conftest import Collector, OwnServer
    from tests.pipeline.conftest import Letter, Submitter

    Until = Callable[..., Awaitable[Any]]
    Letters = Callable[[Bus], Awaitable[list[Letter]]]
    SaidOf = Callable[[Bus, Event[Fact]], Awaitable[list[Event[Fact]]]]

FRONT = Hop("front-end")
Keep = Callable[..., AbstractAsyncContextManager[Keeping]]


def keeping_of(rules: Keeper, state: State, bus: Bus, clock: Clock) -> Keeping:
    return Keeping(rules, state, bus, clock, Telemetry("keeper"), (IntakeGate(bus, Path(), room_min_mb=1),))


@pytest.fixture
def keep(state_file: Path) -> Keep:
    """Runs a keeper on the state's file inside the block."""

    @asynccontextmanager
    async def keeping(bus: Bus, turn_timeout_s: float = 60.0) -> AsyncIterator[Keeping]:
        clock = SystemClock()
        async with open_state(state_file, clock) as state:
            rules = Keeper(state, clock, turn_timeout=timedelta(seconds=turn_timeout_s))
            one, stop = keeping_of(rules, state, bus, clock), asyncio.Event()
            running = asyncio.create_task(one.run(stop))
            try:
                yield one
            finally:
                stop.set()
                async with asyncio.timeout(30):
                    await running

    return keeping


@pytest.fixture
def ann(talk: "Callable[..., Submitter]") -> "Submitter":
    return talk()


@pytest.fixture
def told(until: "Until", said_of: "SaidOf") -> Callable[..., Awaitable[Event[Fact]]]:
    """Waits for an event of a kind in a turn."""

    async def wait(bus: Bus, turn: Event[Fact], kind: type[Fact]) -> Event[Fact]:
        async def found() -> Event[Fact] | None:
            return next((event for event in await said_of(bus, turn) if isinstance(event.fact, kind)), None)

        event: Event[Fact] = await until(found)
        return event

    return wait


Told = Callable[..., Awaitable[Event[Fact]]]


async def ends(bus: Bus, said_of: "SaidOf", turn: Event[Fact]) -> list[Fact]:
    return [event.fact for event in await said_of(bus, turn) if isinstance(event.fact, TurnEnd)]


async def test_a_turn_goes_from_submission_to_its_end_and_the_next_one_opens(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, said_of: "SaidOf"
) -> None:
    first, second = ann.text("one"), ann.sound()
    async with keep(bus):
        await bus.say(first, FRONT)
        await bus.say(second, FRONT)
        opened = await told(bus, first, TextTurnOpened)
        for event in ann.chosen(opened, "Done."):
            await bus.say(event, Hop("reranker"))

        ended = await told(bus, first, TurnCompleted)
        await told(bus, second, SpeechTurnOpened)

    assert ended.fact == TurnCompleted(reply="Done.", sentences=1)
    assert (opened.meta.number, ended.meta.number) == (1, 1)
    assert (await bus.js.stream_info(subjects.INTAKE_STREAM)).state.messages == 0, "intake holds what waits, no more"


async def test_what_the_keeper_does_are_hops_with_their_wait_and_their_span(
    bus: Bus, state_file: Path, ann: "Submitter", told: Told, collector: "Collector", until: "Until"
) -> None:
    clock, telemetry, stop = SystemClock(), Telemetry("keeper", collector.url), asyncio.Event()
    first, second = ann.text("one"), ann.text("two")
    async with open_state(state_file, clock) as state:
        keeping = Keeping(Keeper(state, clock), state, bus, clock, telemetry)
        running = asyncio.create_task(keeping.run(stop))
        await bus.say(first, Hop("front-end", traceparent=root(first.meta.turn)))
        await bus.say(second, Hop("front-end", traceparent=root(second.meta.turn)))
        opened = await told(bus, first, TextTurnOpened)
        await until(lambda: in_the_books(state, second))
        waits = clock.now()
        [*_, last] = ann.chosen(opened, "Done.")
        reranker = Telemetry("reranker").hop("reranker", first.meta.turn, None, {})
        for event in ann.chosen(opened, "Done."):
            await bus.say(event, Hop("reranker", traceparent=reranker.traceparent))
        ended = await told(bus, first, TurnCompleted)
        opened_after = await told(bus, second, TextTurnOpened)
        stop.set()
        await running
    await asyncio.to_thread(telemetry.close)

    async def hop_of(event: Event[Fact]) -> Hop:
        stored = await bus.js.get_last_msg(subjects.EVENT_STREAM, event.subject)
        return Hop.read(stored.headers or {})

    spans = {span.span_id.hex(): span for span in collector.spans if span.name == "keeper"}
    opening, ending, next_opening = [await hop_of(event) for event in (opened, ended, opened_after)]
    for hop, parent in ((opening, root(first.meta.turn)), (ending, reranker.traceparent)):
        assert hop.traceparent is not None
        assert spans[hop.traceparent[36:52]].parent_span_id.hex() == parent[36:52]
    assert next_opening.traceparent is not None
    in_the_next_trace = spans[next_opening.traceparent[36:52]]
    assert in_the_next_trace.trace_id.hex() == second.meta.turn.replace("-", "")
    assert in_the_next_trace.parent_span_id.hex() == root(second.meta.turn)[36:52]
    assert len(spans) == 3, "what led to no word has none"
    attributes = collector.attributes(in_the_next_trace)
    assert (attributes["parley.attempt"], attributes["parley.event"]) == (1, last.meta.type)
    assert attributes["parley.queue_ms"] == pytest.approx(next_opening.queue_ms, abs=0.01)
    waited_ms = next_opening.queue_ms + next_opening.work_ms
    assert ms_between(waits, opened_after.meta.time) <= waited_ms + 0.01, "for its place too"
    assert waited_ms <= ms_between(second.meta.time, opened_after.meta.time) + 0.01
    for hop, since, said in ((opening, first, opened), (ending, last, ended)):
        assert 0 < hop.queue_ms + hop.work_ms <= ms_between(since.meta.time, said.meta.time) + 0.01


async def in_the_books(state: State, turn: Event[Fact]) -> bool:
    async with state.transaction() as tx:
        return await turns.find(tx, turn.meta) is not None


async def test_a_front_ends_clock_is_not_in_how_long_its_turn_has_waited(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told
) -> None:
    turn = ann.text()
    early = Event[Fact].first(turn.fact, turn.meta.model_copy(update={"time": turn.meta.time - timedelta(hours=1)}))
    async with keep(bus):
        await bus.say(early, FRONT)
        opened = await told(bus, turn, TextTurnOpened)

    stored = await bus.js.get_last_msg(subjects.EVENT_STREAM, opened.subject)
    assert Hop.read(stored.headers or {}).queue_ms < timedelta(minutes=30) / timedelta(milliseconds=1)


async def test_what_cannot_be_read_has_a_span_that_says_why(
    bus: Bus, state_file: Path, ann: "Submitter", told: Told, collector: "Collector"
) -> None:
    clock, telemetry, stop = SystemClock(), Telemetry("keeper", collector.url), asyncio.Event()
    turn = ann.text()
    async with open_state(state_file, clock) as state:
        running = asyncio.create_task(Keeping(Keeper(state, clock), state, bus, clock, telemetry).run(stop))
        await bus.js.publish(turn.subject, b"not JSON")
        await told(bus, turn, TurnFailed)
        stop.set()
        await running
    await asyncio.to_thread(telemetry.close)

    [span] = [span for span in collector.spans if span.name == "keeper"]
    assert span.trace_id.hex() == turn.meta.turn.replace("-", "")
    assert "JSON" in span.status.message


async def test_a_turn_that_nobody_works_on_is_ended_by_its_deadline(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told
) -> None:
    turn = ann.text()
    async with keep(bus, turn_timeout_s=0.2):
        await bus.say(turn, FRONT)
        ended = await told(bus, turn, TurnFailed)

    assert isinstance(ended.fact, TurnFailed)
    assert ended.fact.code == "deadline"
    assert ended.fact.error == "DeadlinePassed: TextTurnOpened by keeper was the last that was told of it"


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (lambda payload: b"not JSON", "event"),
        (lambda payload: payload.replace(b'"hello"', b'""'), "fact.text"),
        (lambda payload: payload.replace(b'"hello"', b'"a\\u0007b"'), "fact.text"),
        (lambda payload: payload.replace(b'"text":"hello"', b'"words":"hello"'), "fact.text"),
        (lambda payload: payload.replace(b'"user":"ann"', b'"user":"a b"'), "meta.user"),
        (lambda payload: payload.replace(b'"schema_version":"1.', b'"schema_version":"2.'), "schema_version"),
        (lambda payload: payload.replace(b'"tenant":"local"', b'"tenant":"others"'), "subject"),
        (lambda payload: payload.replace(b'"hello"', b'"' + b"x" * 100_000 + b'"'), "event"),
    ],
)
async def test_a_submission_that_cannot_be_read_fails_as_a_turn_and_the_next_one_is_taken(
    bus: Bus,
    keep: Keep,
    ann: "Submitter",
    told: Told,
    said_of: "SaidOf",
    dead_letters: "Letters",
    broken: Callable[[bytes], bytes],
    field: str,
) -> None:
    bad, good = ann.text("hello"), ann.text("good")
    payload = broken(bad.encoded())
    async with keep(bus):
        await bus.put(bad.subject, payload, {})
        await bus.say(good, FRONT)
        failed = await told(bus, bad, TurnFailed)
        await told(bus, good, TextTurnOpened)

    assert isinstance(failed.fact, TurnFailed)
    assert (failed.fact.code, failed.fact.field) == ("invalid", field)
    assert failed.fact.expected
    assert failed.fact.message.startswith("I could not take that in")
    [letter] = await dead_letters(bus)
    assert letter.payload == payload
    assert await ends(bus, said_of, bad) == [failed.fact]


async def test_a_turn_in_a_time_zone_that_there_is_not_is_refused_before_it_is_opened(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, said_of: "SaidOf", dead_letters: "Letters"
) -> None:
    turn, good = ann.text("remind me at three to eat"), ann.text("good")
    wrong = turn.model_copy(update={"meta": turn.meta.model_copy(update={"time_zone": "Mars/Olympus"})})
    async with keep(bus):
        await bus.say(wrong, FRONT)
        await bus.say(good, FRONT)
        failed = await told(bus, wrong, TurnFailed)
        await told(bus, good, TextTurnOpened)

    assert isinstance(failed.fact, TurnFailed)
    assert (failed.fact.code, failed.fact.stage) == ("invalid", "keeper")
    assert (failed.fact.field, failed.fact.value) == ("meta.time_zone", "'Mars/Olympus'")
    assert failed.fact.expected == "an IANA name such as Europe/Berlin"
    assert "time zone" in failed.fact.message
    assert (failed.meta.user, failed.meta.number, failed.meta.speech) == ("ann", 1, wrong.meta.speech)
    assert [type(event.fact) for event in await said_of(bus, wrong)] == [TurnFailed], "it was never opened"
    [letter] = await dead_letters(bus)
    assert letter.payload == wrong.encoded()


async def test_what_is_said_of_a_turn_is_taken_whatever_its_time_zone(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told
) -> None:
    turn = ann.text()
    stop = ann.stop(turn)
    elsewhere = stop.model_copy(update={"meta": stop.meta.model_copy(update={"time_zone": "Mars/Olympus"})})
    async with keep(bus):
        await bus.say(turn, FRONT)
        await told(bus, turn, TextTurnOpened)
        await bus.say(elsewhere, FRONT)

        await told(bus, turn, TurnInterrupted)


async def test_feedback_on_somebody_elses_turn_becomes_a_dead_letter_and_nothing_else(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, said_of: "SaidOf", dead_letters: "Letters"
) -> None:
    turn = ann.text()
    own = ann.feedback(turn)
    others = Event[Fact].first(own.fact, own.meta.model_copy(update={"id": "another", "user": "bob"}))
    async with keep(bus):
        await bus.say(turn, FRONT)
        await told(bus, turn, TextTurnOpened)
        await bus.say(others, FRONT)
        await bus.say(own, FRONT)
        recorded = await told(bus, turn, FeedbackRecorded)

    assert recorded.meta.cause == own.meta.id
    [letter] = await dead_letters(bus)
    assert (letter.payload, letter.about["field"]) == (others.encoded(), "fact.about")
    assert sum(isinstance(said.fact, FeedbackRecorded) for said in await said_of(bus, turn)) == 1


async def test_a_wish_to_forget_that_cannot_be_read_fails_no_turn(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, said_of: "SaidOf", dead_letters: "Letters", until: "Until"
) -> None:
    bad, good = ann.forgets(), ann.forgets()
    no_conversation = bad.model_copy(update={"fact": bad.fact.model_copy(update={"only": "all"})})
    async with keep(bus):
        await bus.say(no_conversation, FRONT)
        await bus.say(good, FRONT)
        forgotten = await told(bus, good, HistoryForgotten)

    assert forgotten.meta.cause == good.meta.id
    [letter] = await dead_letters(bus)
    assert letter.about["field"] == "fact.only"
    assert await said_of(bus, bad) == []


class Disk:
    """Lets no transaction begin while `error` is set."""

    def __init__(self, state: State, error: StateError) -> None:
        self._transaction = state.transaction
        self.error: StateError | None = error
        self.refused = 0

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        if self.error is not None:
            self.refused += 1
            raise self.error
        return self._transaction()


async def test_a_full_disk_uses_up_no_submission_s_tries(
    bus: Bus,
    keep: Keep,
    ann: "Submitter",
    told: Told,
    until: "Until",
    dead_letters: "Letters",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.retry.FIRST_DELAY_S", 0.01)
    monkeypatch.setattr("pipeline.patience.LONGEST_WAIT_S", 0.01)
    first, second = ann.text("one"), ann.text("two")
    async with keep(bus) as keeping:
        disk = Disk(keeping._state, StateFull("no space is left"))
        monkeypatch.setattr(keeping._state, "transaction", disk.transaction)
        await bus.say(first, FRONT)
        await bus.say(second, FRONT)
        await until(lambda: disk.refused > 4 * streams.MAX_DELIVER)
        disk.error = None
        opened = await told(bus, first, TextTurnOpened)

    assert opened.meta.number == 1, "in the order of their acceptance"
    assert await dead_letters(bus) == []


async def test_a_damaged_state_ends_the_keeper_and_the_submission_waits_for_the_next(
    bus: Bus, state_file: Path, ann: "Submitter", keep: Keep, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    turn = ann.text()
    monkeypatch.setattr("pipeline.keeping.INTAKE", replace(INTAKE, ack_wait_s=0.5))
    async with open_state(state_file, clock) as state:
        disk = Disk(state, StateCorrupt("the file is damaged"))
        monkeypatch.setattr(state, "transaction", disk.transaction)
        await bus.say(turn, FRONT)
        with pytest.raises(StateCorrupt, match="the file is damaged"):
            async with asyncio.timeout(30):
                await keeping_of(Keeper(state, clock), state, bus, clock).run(asyncio.Event())

    async with keep(bus):
        await told(bus, turn, TextTurnOpened)


async def test_an_interruption_reaches_an_open_turn(bus: Bus, keep: Keep, ann: "Submitter", told: Told) -> None:
    turn = ann.text()
    async with keep(bus):
        await bus.say(turn, FRONT)
        opened = await told(bus, turn, TextTurnOpened)
        await bus.say(ann.chosen(opened, "First.", "Second.")[0], Hop("reranker"))
        await told(bus, turn, type(ann.chosen(opened, "First.")[0].fact))
        await bus.say(ann.stop(turn, played=0), FRONT)
        ended = await told(bus, turn, TurnInterrupted)

    assert ended.fact == TurnInterrupted(reason="enough", spoken="")


@pytest.mark.parametrize("by_a_newer_turn", [False, True])
async def test_what_was_spoken_before_an_interruption_counts_also_when_nobody_has_noted_it_yet(
    bus: Bus,
    keep: Keep,
    talk: "Callable[..., Submitter]",
    told: Told,
    by_a_newer_turn: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.keeping.EVENTS", replace(EVENTS, tokens=(StageFailed.token,)))  # notes do not arrive
    ann = talk(speech=True)
    turn = ann.text()
    async with keep(bus):
        await bus.say(turn, FRONT)
        opened = await told(bus, turn, TextTurnOpened)
        for event in (*ann.chosen(opened, "One.", "Two.")[:2], *ann.spoken(opened, "One.")):
            await bus.say(event, Hop("tts"))

        await bus.say(ann.text(interrupts=True) if by_a_newer_turn else ann.stop(turn), FRONT)
        ended = await told(bus, turn, TurnInterrupted)

    assert isinstance(ended.fact, TurnInterrupted)
    assert ended.fact.spoken == "One."


async def test_what_a_killed_keeper_had_written_and_not_published_is_published_by_another(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, state_file: Path
) -> None:
    turn = ann.text()
    async with open_state(state_file, SystemClock()) as state:
        [opened] = (await Keeper(state, SystemClock()).handle(turn)).said  # committed; then the process is gone

    async with keep(bus):
        found = await told(bus, turn, TextTurnOpened)

    assert found == opened


async def test_a_keeper_that_was_held_up_since_it_wrote_does_not_say_again_what_another_has_said(
    bus: Bus, keep: Keep, ann: "Submitter", said_of: "SaidOf", until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    """So long that the stream has forgotten the turn, whose second end it would take."""
    config = (await bus.js.stream_info(subjects.EVENT_STREAM)).config
    await bus.js.update_stream(config.evolve(duplicate_window=0.1))
    turn, handle = ann.text(), Keeper.handle

    async def held_up(rules: Keeper, event: Event[Any]) -> Words:
        words = await handle(rules, event)
        for written in words.said:
            await bus.say(written, Hop("another keeper"))
        async with rules._state.transaction() as tx:
            await outbox.published(tx, [written.meta.id for written in words.said], datetime.now(UTC))
        await bus.js.purge_stream(subjects.EVENT_STREAM)
        await asyncio.sleep(0.2)  # the window for duplicates has passed
        words.since_s -= HELD_UP_S
        return words

    monkeypatch.setattr(Keeper, "handle", held_up)
    async with keep(bus) as one:
        await bus.say(turn, FRONT)
        await until(lambda: one.counts.handled)

    assert await said_of(bus, turn) == []


async def test_what_a_held_up_keeper_wrote_and_nobody_has_said_is_said_by_a_sweep(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, handle = ann.text(), Keeper.handle

    async def held_up(rules: Keeper, event: Event[Any]) -> Words:
        words = await handle(rules, event)
        words.since_s -= HELD_UP_S
        return words

    monkeypatch.setattr(Keeper, "handle", held_up)
    monkeypatch.setattr("pipeline.keeping.STALE_AFTER", timedelta(seconds=0.1))
    async with keep(bus):
        await bus.say(turn, FRONT)

        assert (await told(bus, turn, TextTurnOpened)).fact == TextTurnOpened(text="hello")


async def test_what_was_published_long_ago_and_not_noted_is_not_published_again(
    bus: Bus, keep: Keep, ann: "Submitter", said_of: "SaidOf", state_file: Path, until: "Until"
) -> None:
    """A router that dies between the two: the bus would take the second copy, which comes beyond its window."""
    config = (await bus.js.stream_info(subjects.EVENT_STREAM)).config
    await bus.js.update_stream(config.evolve(duplicate_window=0.1))
    turn, long_ago = ann.text(), datetime.now(UTC) - timedelta(minutes=1)
    due = ReminderDue(reminder="r", title="tea", due_at=long_ago, message="It is time: tea.")
    announced = turn.following("router", 0, due, long_ago)
    async with open_state(state_file, SystemClock()) as state, state.transaction() as tx:
        await outbox.add(tx, announced, long_ago)
    await bus.say(announced, Hop("router"))
    await asyncio.sleep(0.2)  # the window for duplicates has passed

    async with keep(bus), open_state(state_file, SystemClock()) as state:

        async def noted() -> bool:
            async with state.transaction() as tx:
                return not await outbox.pending(tx, 1)

        await until(noted)

    assert await said_of(bus, turn) == [announced]


async def test_a_keeper_that_died_with_a_submission_in_hand_holds_up_the_others_only_shortly(
    bus: Bus, keep: Keep, ann: "Submitter", talk: "Callable[..., Submitter]", told: Told
) -> None:
    held, other = ann.text(), talk().text()
    await streams.declare_durable(bus.js, INTAKE)
    pull = await bus.js.pull_subscribe_bind(INTAKE.name, INTAKE.stream)
    await bus.say(held, FRONT)
    await bus.say(other, FRONT)
    await pull.fetch(1, timeout=60)  # and is never heard of again

    async with keep(bus), asyncio.timeout(streams.ACK_WAIT_S - 1):
        await told(bus, other, TextTurnOpened)
        await told(bus, held, TextTurnOpened)


async def test_it_is_published_also_when_the_clock_has_been_put_back_since(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, state_file: Path
) -> None:
    turn = ann.text()
    later = SetClock(datetime.now(UTC) + timedelta(hours=1))
    async with open_state(state_file, later) as state:
        await Keeper(state, later).handle(turn)

    async with keep(bus):
        await told(bus, turn, TextTurnOpened)


async def test_what_a_keeper_left_unpublished_comes_before_what_another_says_of_the_conversation(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, state_file: Path
) -> None:
    first, second, third = ann.text("one"), ann.text("two"), ann.text("three", interrupts=True)
    async with open_state(state_file, SystemClock()) as state:
        rules = Keeper(state, SystemClock())
        [opened] = (await rules.handle(first)).said
        await bus.say(opened, FRONT)
        await rules.handle(second)
        for event in ann.chosen(opened, "Done."):
            await rules.handle(event)  # the first has ended and the second is open; nobody has been told

    async with keep(bus):
        await bus.say(third, FRONT)
        await told(bus, third, TextTurnOpened)

    stream = [decode(message.data) for _, message in await bus.messages(subjects.EVENT_STREAM, "parley.v1.>")]
    order = [first.meta.turn, second.meta.turn, third.meta.turn]
    assert [(order.index(event.meta.turn), type(event.fact)) for event in stream] == [
        *((0, TextTurnOpened), (0, TurnCompleted)),
        *((1, TextTurnOpened), (1, TurnInterrupted)),
        (2, TextTurnOpened),
    ]


async def test_a_submission_that_comes_again_after_such_a_death_opens_one_turn(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, state_file: Path, said_of: "SaidOf"
) -> None:
    turn = ann.text()
    await bus.say(turn, FRONT)
    async with open_state(state_file, SystemClock()) as state:
        await Keeper(state, SystemClock()).handle(turn)  # taken, committed, and neither published nor acknowledged

    async with keep(bus):
        await told(bus, turn, TextTurnOpened)

    assert [type(event.fact) for event in await said_of(bus, turn)] == [TextTurnOpened]


async def test_a_second_end_by_another_keeper_is_refused_by_the_bus(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, said_of: "SaidOf", until: "Until", state_file: Path
) -> None:
    turn = ann.text()
    async with keep(bus):
        await bus.say(turn, FRONT)
        opened = await told(bus, turn, TextTurnOpened)
        other = opened.following("keeper", 77, TurnFailed(code="deadline", message="Sorry."), opened.meta.time)
        await bus.say(other, Hop("keeper"))
        for event in ann.chosen(opened, "Done."):
            await bus.say(event, Hop("reranker"))
        async with open_state(state_file, SystemClock()) as state:

            async def completed() -> bool:
                async with state.transaction() as tx:
                    row = await tx.first("SELECT status FROM turns WHERE turn = ?", turn.meta.turn)
                return row is not None and row.text("status") == "completed"

            await until(completed)

    assert await ends(bus, said_of, turn) == [other.fact]


async def test_several_keepers_open_and_end_every_turn_once(
    bus: Bus, bus_address: BusAddress, keep: Keep, talk: "Callable[..., Submitter]", told: Told, said_of: "SaidOf"
) -> None:
    people = [talk() for _ in range(10)]
    turns = [[person.text(str(n)) for n in range(3)] for person in people]
    async with Bus(bus_address, name="second") as second, keep(bus), keep(second):
        for theirs in zip(*turns, strict=True):
            for turn in theirs:
                await bus.say(turn, FRONT)
        for person, mine in zip(people, turns, strict=True):
            for number, turn in enumerate(mine, start=1):
                opened = await told(bus, turn, TextTurnOpened)
                assert opened.meta.number == number
                for event in person.chosen(opened, "Done."):
                    await bus.say(event, Hop("reranker"))
                await told(bus, turn, TurnCompleted)

    for mine in turns:
        for turn in mine:
            assert len(await ends(bus, said_of, turn)) == 1


async def run_out(bus: Bus, durable: Durable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers take the durable's only message and never be heard of again, until the bus gives it to nobody."""
    monkeypatch.setattr(streams, "ACK_WAIT_S", 0.3)
    await streams.declare_durable(bus.js, durable)
    monkeypatch.undo()
    pull = await bus.js.pull_subscribe_bind(durable.name, durable.stream)
    for _ in range(durable.max_deliver):
        await pull.fetch(1, timeout=60)
    with pytest.raises(TimeoutError):  # it says so when somebody asks for the message once more
        await pull.fetch(1, timeout=2)
    await pull.unsubscribe()
    await streams.declare_durable(bus.js, durable)


async def test_a_message_that_no_worker_survived_is_kept_and_its_turn_fails(
    bus: Bus, keep: Keep, ann: "Submitter", told: Told, dead_letters: "Letters", monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = ann.text()
    async with keep(bus):
        await bus.say(turn, FRONT)
        opened = await told(bus, turn, TextTurnOpened)
        await run_out(bus, Durable("stt", subjects.EVENT_STREAM, ("TextTurnOpened",), max_deliver=2), monkeypatch)
        failed = await told(bus, turn, TurnFailed)

    assert isinstance(failed.fact, TurnFailed)
    assert (failed.fact.code, failed.fact.stage) == ("stage-failed", "stt")
    [letter] = await dead_letters(bus)
    assert letter.payload == opened.encoded()
    assert letter.headers["Parley-Tries"] == "2"


async def test_a_submission_that_no_keeper_survived_fails_as_a_turn_and_leaves_intake(
    bus: Bus,
    keep: Keep,
    ann: "Submitter",
    told: Told,
    dead_letters: "Letters",
    until: "Until",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deadly, next_one = ann.text("deadly"), ann.text("next")
    await bus.say(deadly, FRONT)
    await run_out(bus, INTAKE, monkeypatch)
    await bus.say(next_one, FRONT)

    async with keep(bus):
        failed = await told(bus, deadly, TurnFailed)
        await told(bus, next_one, TextTurnOpened)

        async def left() -> bool:
            return (await bus.js.stream_info(subjects.INTAKE_STREAM)).state.messages == 0

        await until(left)

    assert isinstance(failed.fact, TurnFailed)
    assert (failed.fact.code, failed.fact.stage) == ("stage-failed", "keeper")
    [letter] = await dead_letters(bus)
    assert letter.payload == deadly.encoded()


async def test_turns_go_on_after_the_bus_was_killed(
    own_server: "OwnServer", keep: Keep, ann: "Submitter", told: Told, said_of: "SaidOf"
) -> None:
    first, second = ann.text("one"), ann.text("two")
    async with Bus(own_server.address, name="keeper") as bus, keep(bus), asyncio.timeout(90):
        await bus.say(first, FRONT)
        opened = await told(bus, first, TextTurnOpened)
        await own_server.kill()
        await own_server.start()
        async with Bus(own_server.address, name="front-end") as front_end:
            await front_end.say(second, FRONT)
            for event in ann.chosen(opened, "Done."):
                await front_end.say(event, Hop("reranker"))
            await told(front_end, first, TurnCompleted)
            await told(front_end, second, TextTurnOpened)
            assert len(await ends(front_end, said_of, first)) == 1
