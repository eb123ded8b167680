"""A worker on the real bus: nothing said twice, spliced or lost, and nothing done for a turn that has ended."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus import streams
from infra.bus.connection import Bus
from infra.bus.consumers import Consumer
from infra.bus.delivery import Hop
from infra.bus.errors import BusFull, BusUnavailable
from infra.bus.server import BusAddress
from infra.clock import SystemClock
from infra.state.errors import StateCorrupt, StateFull, TurnOver
from infra.telemetry import Telemetry
from pipeline.worker import Worker
from schemas import subjects
from schemas.catalogue import decode
from schemas.chat import Candidate, EngineUse, ReplyGenerated, SentenceGenerated
from schemas.errors import InvalidField
from schemas.event import Event, Fact
from schemas.stage import Handler, Stage
from schemas.turns import ApologyRequested, StageFailed, TextTurnOpened, TurnInterrupted

if TYPE_CHECKING:
    from tests.conftest import Collector, NewEvent
    from tests.pipeline.conftest import Letter

    Until = Callable[..., Awaitable[Any]]
    Letters = Callable[[Bus], Awaitable[list[Letter]]]
    SaidOf = Callable[[Bus, Event[Fact]], Awaitable[list[Event[Fact]]]]

KILLED = Path(__file__).with_name("worker_that_is_killed.py")
FRONT = Hop("keeper")
Opened = Event[TextTurnOpened]
Earlier = tuple[Fact, ...]
Start = Callable[..., Awaitable[Worker[None]]]


def sentence(index: int, text: str | None = None) -> SentenceGenerated:
    return SentenceGenerated(asked="?", index=index, text=text or f"s{index}", last=False, firsts=("s0",))


def texts(events: list[Event[Fact]]) -> list[str]:
    return [event.fact.text for event in events if isinstance(event.fact, SentenceGenerated)]


@pytest.fixture
async def start(bus: Bus) -> AsyncIterator[Start]:
    """Starts a worker of a stage with this handler, on a connection of its own or the test's; it ends with the test."""
    consumers: list[Consumer] = []

    async def started(
        handle: Handler[None], *, on: Bus | None = None, resumes: bool = False, slots: int = 1
    ) -> Worker[None]:
        stage = Stage("chat", (TextTurnOpened,), (SentenceGenerated,), handle, slots=slots, resumes=resumes)
        worker = Worker(stage, None, on or bus, SystemClock(), Telemetry("test"))
        consumers.append(await worker.start())
        return worker

    yield started
    async with asyncio.timeout(30):
        for consumer in consumers:
            await consumer.stop()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another at once."""
    monkeypatch.setattr("pipeline.retry.FIRST_DELAY_S", 0.01)


async def facts_of(bus: Bus, event: Event[Fact]) -> list[Fact]:
    """What stands on the subjects of the event's turn, whatever its meta says."""
    meta = event.meta
    subject = subjects.subject_of(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id, StageFailed.token)
    return [decode(message.data).fact for _, message in await bus.messages(subjects.EVENT_STREAM, subject)]


def answered(bus: Bus) -> Callable[[], Awaitable[bool]]:
    """Whether everything that chat hears has been answered.

    By places and not by the count of what waits: the server counts a new message a moment after it has stored it.
    """

    async def none_left() -> bool:
        heard = await bus.js.get_last_msg(subjects.EVENT_STREAM, subjects.every(TextTurnOpened.token))
        floor = (await bus.js.consumer_info(subjects.EVENT_STREAM, "chat")).ack_floor
        return floor is not None and floor.stream_seq >= (heard.seq or 0)

    return none_left


async def two_sentences(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
    yield sentence(0)
    yield sentence(1)


# What it says


async def test_it_publishes_what_the_stage_yields_and_acknowledges(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf"
) -> None:
    worker = await start(two_sentences)
    opened = new_event(TextTurnOpened(text="hello"), number=3, deadline=datetime.now(UTC) + timedelta(minutes=5))

    await bus.say(opened, FRONT)
    await until(answered(bus))

    _, *said = await said_of(bus, opened)
    assert texts(said) == ["s0", "s1"]
    assert {(event.meta.cause, event.meta.stage, event.meta.number) for event in said} == {(opened.meta.id, "chat", 3)}
    assert said == [
        opened.following("chat", index, sentence(index), event.meta.time) for index, event in enumerate(said)
    ], "ids follow from the cause, so that a repetition has the same ones"
    assert (worker.counts.handled, worker.counts.retried, worker.counts.in_flight) == (1, 0, 0)


async def test_headers_tell_the_wait_the_work_and_the_try(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until"
) -> None:
    async def slow(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        await asyncio.sleep(0.05)  # its work
        yield sentence(0)

    await start(slow)
    opened = new_event(TextTurnOpened(text="hello"), time=datetime.now(UTC) - timedelta(seconds=2))
    trace = f"00-{opened.meta.turn.replace('-', '')}-00f067aa0ba902b7-01"

    await bus.say(opened, Hop("keeper", traceparent=trace))
    await until(answered(bus))

    stored = await bus.stored(subjects.EVENT_STREAM, 2)
    assert stored is not None
    hop = Hop.read(stored.headers)
    assert (hop.stage, hop.attempt) == ("chat", 1)
    assert hop.queue_ms >= 2_000
    assert 50 <= hop.work_ms < 2_000
    assert hop.traceparent is not None
    assert hop.traceparent[:36] == trace[:36], "the same trace"
    assert hop.traceparent != trace, "another span"


async def test_a_span_tells_wait_work_try_engine_and_model(
    bus: Bus, new_event: "NewEvent", until: "Until", collector: "Collector"
) -> None:
    async def answer(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        yield ReplyGenerated(
            asked="?",
            candidates=(Candidate(text="Yes.", sentences=("Yes.",)),),
            engine=EngineUse(backend="vllm", model="a-model"),
        )

    telemetry = Telemetry("chat", collector.url)
    worker = Worker(Stage("chat", (TextTurnOpened,), (ReplyGenerated,), answer), None, bus, SystemClock(), telemetry)
    consumer = await worker.start()
    await bus.say(new_event(TextTurnOpened(text="hello"), time=datetime.now(UTC) - timedelta(seconds=2)), FRONT)
    await until(answered(bus))
    await consumer.stop()
    await asyncio.to_thread(telemetry.close)

    [span] = collector.spans
    told = collector.attributes(span)
    assert span.name == "chat"
    assert told["parley.queue_ms"] >= 2_000
    assert told["parley.work_ms"] >= 0
    assert (told["parley.attempt"], told["parley.event"]) == (1, "TextTurnOpened")
    assert (told["parley.engine"], told["parley.model"]) == ("vllm", "a-model")


async def test_a_finished_event_from_a_store_is_published_as_it_is(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf"
) -> None:
    opened = new_event(TextTurnOpened(text="hello"))
    kept = opened.following("router", 7, sentence(7), datetime(2026, 1, 1, tzinfo=UTC))

    async def from_store(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Event[Fact]]:
        yield kept

    await start(from_store)
    await bus.say(opened, FRONT)
    await until(answered(bus))

    assert [event.encoded() for event in await said_of(bus, opened)][1:] == [kept.encoded()]


# Again


@pytest.mark.usefixtures("soon")
async def test_a_redelivery_says_nothing_twice_even_when_the_bus_has_forgotten_the_ids(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf", monkeypatch: pytest.MonkeyPatch
) -> None:
    config = (await bus.js.stream_info(subjects.EVENT_STREAM)).config
    await bus.js.update_stream(config.evolve(duplicate_window=0.1))
    monkeypatch.setattr("pipeline.retry.FIRST_DELAY_S", 0.5)
    tries = 0

    async def fails_once(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        nonlocal tries
        tries += 1
        yield sentence(0)
        if tries == 1:
            raise OSError("for a moment")
        yield sentence(1)

    worker = await start(fails_once)
    opened = new_event(TextTurnOpened(text="hello"))
    await bus.say(opened, FRONT)
    await until(answered(bus))

    assert texts(await said_of(bus, opened)) == ["s0", "s1"]
    assert (worker.counts.handled, worker.counts.retried, worker.counts.dead) == (1, 1, 0)


@pytest.mark.usefixtures("soon")
async def test_a_stage_that_resumes_is_told_what_it_has_said_and_goes_on(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf"
) -> None:
    seen: list[Earlier] = []

    async def fails_midway(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        seen.append(earlier)
        for index in range(len(earlier), 4):
            if index == 2 and len(seen) == 1:
                raise OSError("for a moment")
            yield sentence(index, f"s{index} of try {len(seen)}")

    await start(fails_midway, resumes=True)
    opened = new_event(TextTurnOpened(text="hello"))
    await bus.say(opened, FRONT)
    await until(answered(bus))

    assert texts(await said_of(bus, opened)) == ["s0 of try 1", "s1 of try 1", "s2 of try 2", "s3 of try 2"]
    assert seen == [(), (sentence(0, "s0 of try 1"), sentence(1, "s1 of try 1"))]


async def test_a_worker_that_was_overtaken_splices_nothing_into_the_reply(
    bus: Bus,
    bus_address: BusAddress,
    start: Start,
    new_event: "NewEvent",
    until: "Until",
    said_of: "SaidOf",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "ACK_WAIT_S", 1.0)  # the heartbeat does not come before it: the first worker is stuck
    stuck, overtaken = asyncio.Event(), asyncio.Event()

    async def first(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        yield sentence(0, "s0 of the first")
        stuck.set()
        await overtaken.wait()
        yield sentence(1, "s1 of the first")
        yield sentence(2, "s2 of the first")

    async def second(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        for index in range(len(earlier), 3):
            yield sentence(index, f"s{index} of the second")
        overtaken.set()

    worker = await start(first, resumes=True)
    opened = new_event(TextTurnOpened(text="hello"))
    await bus.say(opened, FRONT)
    await stuck.wait()
    async with Bus(bus_address, name="second") as other, asyncio.timeout(60):
        await start(second, on=other, resumes=True)
        await overtaken.wait()
        await until(answered(bus))
        await until(lambda: worker.counts.in_flight == 0)

        assert texts(await said_of(bus, opened)) == ["s0 of the first", "s1 of the second", "s2 of the second"]
        assert (worker.counts.handled, worker.counts.retried, worker.counts.dead) == (0, 0, 0)
        await other.client.flush()
    assert await said_of(bus, opened)


async def test_another_worker_finishes_what_a_killed_one_had_begun(
    bus: Bus,
    bus_address: BusAddress,
    start: Start,
    new_event: "NewEvent",
    until: "Until",
    said_of: "SaidOf",
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "ACK_WAIT_S", 1.0)
    command = (sys.executable, str(KILLED), bus_address.url, bus_address.token or "", "1.0")
    killed = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    assert killed.stdout is not None
    opened = new_event(TextTurnOpened(text="hello"))
    async with asyncio.timeout(60):
        await bus.say(opened, FRONT)
        assert await killed.stdout.readline() == b"begun\n"
        assert await killed.stdout.readline() == b"said\n"
        killed.kill()
        await killed.wait()

        async def goes_on(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
            for index in range(len(earlier), 2):
                yield sentence(index, "Said by the second.")

        await start(goes_on, resumes=True)
        await until(answered(bus))

    assert texts(await said_of(bus, opened)) == ["Said by the first.", "Said by the second."]


async def test_a_heartbeat_keeps_the_message_of_a_slow_handler(
    bus: Bus,
    bus_address: BusAddress,
    start: Start,
    new_event: "NewEvent",
    until: "Until",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "ACK_WAIT_S", 2.0)
    monkeypatch.setattr("pipeline.heartbeat.BEAT_S", 0.2)
    begun: list[str] = []

    async def slow(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        begun.append(event.meta.id)
        await asyncio.sleep(5.0)  # its work: longer than the bus waits for a silent worker
        yield sentence(0)

    worker = await start(slow)
    async with Bus(bus_address, name="idle") as other:
        idle = await start(slow, on=other)
        await bus.say(new_event(TextTurnOpened(text="hello")), FRONT)
        await until(answered(bus))

        assert len(begun) == 1
        assert worker.counts.handled + idle.counts.handled == 1


# Failing


class WrongInput(InvalidField):
    """What a stage raises for input that can never be processed."""


async def test_what_can_never_be_processed_is_kept_whole_and_told_at_once(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf", dead_letters: "Letters"
) -> None:
    async def refuses(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        raise WrongInput("text", event.fact.text, "a question — höflich")
        yield

    worker = await start(refuses)
    opened = new_event(TextTurnOpened(text="häßlich"))
    await bus.say(opened, FRONT)
    await until(answered(bus))

    [letter] = await dead_letters(bus)
    assert letter.payload == opened.encoded()
    assert letter.subject == "parley.dead.chat"
    assert letter.headers["Parley-Stage"] == "chat"
    assert letter.headers["Parley-Tries"] == "1"
    assert letter.headers["Parley-Subject"] == opened.subject
    assert letter.headers["Parley-Error"].startswith("WrongInput: text: ")
    assert "raise WrongInput" in letter.about["stack"]
    assert (letter.about["stream_seq"], letter.about["subject"]) == (1, opened.subject)
    [failed] = [event for event in await said_of(bus, opened) if isinstance(event.fact, StageFailed)]
    assert isinstance(failed.fact, StageFailed)
    assert (failed.fact.failed_stage, failed.fact.error, failed.fact.tries) == ("chat", "WrongInput", 1)
    assert (failed.fact.field, failed.fact.expected) == ("text", "a question — höflich")
    assert (worker.counts.dead, worker.counts.retried) == (1, 0)


@pytest.mark.usefixtures("soon")
async def test_what_fails_for_a_while_is_tried_again_and_kept_after_the_last_try(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf", dead_letters: "Letters"
) -> None:
    async def fails(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        raise ConnectionError("the engine is away")
        yield

    worker = await start(fails)
    opened = new_event(TextTurnOpened(text="hello"))
    await bus.say(opened, FRONT)
    await until(answered(bus))

    [letter] = await dead_letters(bus)
    assert letter.payload == opened.encoded()
    assert letter.headers["Parley-Tries"] == str(streams.MAX_DELIVER)
    [failed] = [event.fact for event in await said_of(bus, opened) if isinstance(event.fact, StageFailed)]
    assert isinstance(failed, StageFailed)
    assert (failed.tries, failed.code, failed.field) == (streams.MAX_DELIVER, "stage-failed", None)
    assert (worker.counts.dead, worker.counts.retried) == (1, streams.MAX_DELIVER - 1)


@pytest.mark.usefixtures("soon")
async def test_what_is_no_message_s_fault_uses_up_none_of_its_tries(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf", dead_letters: "Letters"
) -> None:
    troubles: list[Exception] = [StateFull("no room"), BusFull("full"), BusUnavailable("away")] * streams.MAX_DELIVER

    async def fails_for_long(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        yield sentence(0)
        if troubles:
            raise troubles.pop()
        yield sentence(1)

    worker = await start(fails_for_long)
    opened = new_event(TextTurnOpened(text="hello"), deadline=datetime.now(UTC) + timedelta(minutes=5))
    await bus.say(opened, FRONT)
    await until(answered(bus))

    assert texts(await said_of(bus, opened)) == ["s0", "s1"]
    assert await dead_letters(bus) == []
    assert (worker.counts.handled, worker.counts.retried) == (1, 3 * streams.MAX_DELIVER)


@pytest.mark.usefixtures("soon")
async def test_such_trouble_is_waited_out_only_until_the_deadline(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", dead_letters: "Letters"
) -> None:
    async def fails_for_ever(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        raise StateFull("no room")
        yield

    worker = await start(fails_for_ever)
    await bus.say(new_event(TextTurnOpened(text="hello"), deadline=datetime.now(UTC) + timedelta(seconds=1)), FRONT)
    await until(answered(bus))

    assert await dead_letters(bus) == [], "the keeper ends the turn"
    assert (worker.counts.handled, worker.counts.dropped) == (0, 1)


async def test_a_damaged_state_is_for_the_process_to_end_with_and_the_message_waits(
    bus: Bus, start: Start, new_event: "NewEvent", dead_letters: "Letters"
) -> None:
    async def finds_damage(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        raise StateCorrupt("the file is damaged")
        yield

    worker = await start(finds_damage)
    await bus.say(new_event(TextTurnOpened(text="hello")), FRONT)
    async with asyncio.timeout(30):
        await worker.broke.wait()

    assert str(worker.broken) == "the file is damaged"
    assert await dead_letters(bus) == []
    assert sum(await bus.backlog(subjects.EVENT_STREAM, "chat")) == 1


@pytest.mark.usefixtures("soon")
async def test_a_timeout_of_the_stages_own_is_an_error_like_others(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf"
) -> None:
    tries = 0

    async def times_out_once(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise TimeoutError
        yield sentence(0)

    worker = await start(times_out_once)
    opened = new_event(TextTurnOpened(text="hello"), deadline=datetime.now(UTC) + timedelta(minutes=5))
    await bus.say(opened, FRONT)
    await until(answered(bus))

    assert texts(await said_of(bus, opened)) == ["s0"]
    assert (worker.counts.handled, worker.counts.retried) == (1, 1)


async def test_a_fact_that_is_larger_than_any_event_is_not_tried_again(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", dead_letters: "Letters"
) -> None:
    async def boundless(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        yield sentence(0, "x" * streams.MESSAGE_MAX_BYTES)

    await start(boundless)
    await bus.say(new_event(TextTurnOpened(text="hello")), FRONT)
    await until(answered(bus))

    [letter] = await dead_letters(bus)
    assert letter.about["field"] == "event"


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (lambda payload: b"not JSON at all", "event"),
        (lambda payload: b"\xff\xfe\x00", "event"),
        (lambda payload: payload.replace(b'"text"', b'"txet"'), "fact.text"),
        (lambda payload: payload.replace(b'"schema_version":"1.', b'"schema_version":"2.'), "schema_version"),
        (lambda payload: payload.replace(b'"TextTurnOpened"', b'"StageReady"'), "meta.type"),
        (lambda payload: payload.replace(b'"user":"ann"', b'"user":"a.b"'), "meta.user"),
        (lambda payload: payload + b" " * 70_000, "event"),
    ],
)
@pytest.mark.parametrize("typed", [True, False])
async def test_an_event_that_cannot_be_read_is_kept_and_told_and_the_worker_goes_on(
    bus: Bus,
    start: Start,
    new_event: "NewEvent",
    until: "Until",
    said_of: "SaidOf",
    dead_letters: "Letters",
    broken: Callable[[bytes], bytes],
    field: str,
    typed: bool,
) -> None:
    worker = await start(two_sentences)
    bad, good = new_event(TextTurnOpened(text="bad")), new_event(TextTurnOpened(text="good"))
    payload = broken(bad.encoded())

    await bus.put(bad.subject, payload, {"ce-type": "TextTurnOpened"} if typed else {})
    await bus.say(good, FRONT)
    await until(answered(bus))

    [letter] = await dead_letters(bus)
    assert letter.payload == payload, "the original, byte for byte"
    assert letter.about["field"] == field
    meta = bad.meta
    [(_, told)] = await bus.turn_events(
        meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id, StageFailed.token
    )
    assert isinstance(told.fact, StageFailed)
    assert (told.fact.code, told.fact.field, told.meta.turn) == ("invalid", field, bad.meta.turn)
    assert texts(await said_of(bus, good)) == ["s0", "s1"]
    assert (worker.counts.dead, worker.counts.handled) == (1, 1)


async def test_an_event_on_another_turn_s_subject_speaks_for_neither(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf", dead_letters: "Letters"
) -> None:
    worker = await start(two_sentences)
    claimed, real = new_event(TextTurnOpened(text="forged")), new_event(TextTurnOpened(text="real"))

    await bus.put(real.subject, claimed.encoded(), {})
    await until(answered(bus))

    [letter] = await dead_letters(bus)
    assert (letter.about["field"], letter.about["subject"]) == ("subject", real.subject)
    assert await said_of(bus, claimed) == [], "the turn that the event names has not been touched"
    assert [type(fact) for fact in await facts_of(bus, real)] == [StageFailed]
    assert worker.counts.handled == 0


# Ended


async def test_work_stops_when_its_turn_ends(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf"
) -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def for_ever(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        try:
            yield sentence(0)
            begun.set()
            await asyncio.Event().wait()
        finally:
            left.set()

    worker = await start(for_ever)
    opened = new_event(TextTurnOpened(text="hello"))
    async with asyncio.timeout(60):
        await bus.say(opened, FRONT)
        await begun.wait()
        await bus.say(opened.following("keeper", 1, TurnInterrupted(reason="enough"), opened.meta.time), FRONT)
        await left.wait()
        await until(answered(bus))

    assert texts(await said_of(bus, opened)) == ["s0"]
    assert (worker.counts.dropped, worker.counts.handled, worker.counts.retried) == (1, 0, 0)


async def test_nothing_is_begun_for_a_turn_that_has_ended(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf"
) -> None:
    worker = await start(two_sentences)
    opened, next_one = new_event(TextTurnOpened(text="late")), new_event(TextTurnOpened(text="next"))
    await bus.say(opened.following("keeper", 1, TurnInterrupted(reason="enough"), opened.meta.time), FRONT)
    await bus.say(opened, FRONT)
    await bus.say(next_one, FRONT)
    await until(answered(bus))

    assert texts(await said_of(bus, opened)) == []
    assert texts(await said_of(bus, next_one)) == ["s0", "s1"]
    assert (worker.counts.dropped, worker.counts.handled) == (1, 1)


async def test_nothing_is_begun_for_a_turn_that_ended_while_no_worker_listened(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf"
) -> None:
    long_ago = datetime.now(UTC) - timedelta(seconds=5)
    opened = new_event(TextTurnOpened(text="late"), time=long_ago)
    waiting = new_event(TextTurnOpened(text="not ended"), time=long_ago)
    await bus.say(opened, FRONT)
    await bus.say(waiting, FRONT)
    await bus.say(opened.following("keeper", 1, TurnInterrupted(reason="enough"), datetime.now(UTC)), FRONT)

    worker = await start(two_sentences)
    await until(answered(bus))

    assert texts(await said_of(bus, opened)) == []
    assert texts(await said_of(bus, waiting)) == ["s0", "s1"]
    assert (worker.counts.dropped, worker.counts.handled) == (1, 1)


async def test_work_stops_after_a_lost_connection_when_its_turn_ended_meanwhile(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def for_ever(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        begun.set()
        await asyncio.Event().wait()
        yield sentence(0)

    async def hears_nothing(*_: object) -> None: ...

    monkeypatch.setattr(Worker, "_hear_end", hears_nothing)  # what passes while the connection is lost
    worker = await start(for_ever)
    ended, going_on = new_event(TextTurnOpened(text="ended")), new_event(TextTurnOpened(text="going on"))
    await bus.say(ended, FRONT)
    await begun.wait()
    await bus.say(going_on.following("keeper", 1, TurnInterrupted(reason="enough"), datetime.now(UTC)), FRONT)
    await bus._reconnected()
    assert worker.counts.in_flight == 1

    await bus.say(ended.following("keeper", 1, TurnInterrupted(reason="enough"), datetime.now(UTC)), FRONT)
    await bus._reconnected()

    await until(lambda: worker.counts.dropped == 1)
    assert worker.counts.in_flight == 0


async def test_what_is_wanted_after_the_end_is_done_also_when_the_end_is_heard_meanwhile(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf"
) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def apologise(event: Event[ApologyRequested], given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        begun.set()
        await release.wait()
        yield sentence(0, event.fact.text)

    stage = Stage("chat", (ApologyRequested,), (SentenceGenerated,), apologise)
    worker = Worker(stage, None, bus, SystemClock(), Telemetry("test"))
    consumer = await worker.start()
    sorry = new_event(ApologyRequested(text="Sorry."))
    end = sorry.following("keeper", 1, TurnInterrupted(reason="enough"), datetime.now(UTC))

    await bus.say(sorry, FRONT)
    await begun.wait()
    await bus.say(end, FRONT)
    await until(lambda: sorry.meta.turn in worker._ended)
    release.set()
    await until(lambda: worker.counts.handled == 1)

    assert texts(await said_of(bus, sorry)) == ["Sorry."]
    await consumer.stop()


async def test_a_turn_that_the_state_knows_to_be_over_is_dropped_and_nobody_is_told(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", dead_letters: "Letters"
) -> None:
    async def too_late(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        raise TurnOver("it has ended")
        yield sentence(0)

    worker = await start(too_late)
    opened = new_event(TextTurnOpened(text="late"))
    await bus.say(opened, FRONT)
    await until(answered(bus))

    assert (worker.counts.dropped, worker.counts.retried, worker.counts.dead) == (1, 0, 0)
    assert await dead_letters(bus) == []


async def test_nothing_is_begun_after_the_deadline(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf"
) -> None:
    worker = await start(two_sentences)
    opened = new_event(TextTurnOpened(text="late"), deadline=datetime.now(UTC) - timedelta(milliseconds=1))
    await bus.say(opened, FRONT)
    await until(answered(bus))

    assert texts(await said_of(bus, opened)) == []
    assert worker.counts.dropped == 1


async def test_work_stops_at_the_deadline(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", dead_letters: "Letters"
) -> None:
    left = asyncio.Event()

    async def for_ever(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        try:
            await asyncio.Event().wait()
            yield sentence(0)
        finally:
            left.set()

    worker = await start(for_ever)
    await bus.say(new_event(TextTurnOpened(text="hello"), deadline=datetime.now(UTC) + timedelta(seconds=2)), FRONT)
    await until(lambda: worker.counts.dropped == 1)

    await until(answered(bus))
    assert left.is_set()
    assert (worker.counts.retried, worker.counts.dead) == (0, 0)
    assert await dead_letters(bus) == []


# Draining


async def test_stopping_finishes_what_is_in_hand(
    bus: Bus, start: Start, new_event: "NewEvent", until: "Until", said_of: "SaidOf"
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(event: Opened, given: None, earlier: Earlier) -> AsyncIterator[Fact]:
        begun.set()
        await go_on.wait()
        yield sentence(0)

    stage = Stage("chat", (TextTurnOpened,), (SentenceGenerated,), slow)
    worker: Worker[None] = Worker(stage, None, bus, SystemClock(), Telemetry("test"))
    consumer = await worker.start()
    opened, waiting = new_event(TextTurnOpened(text="in hand")), new_event(TextTurnOpened(text="waits"))
    async with asyncio.timeout(60):
        await bus.say(opened, FRONT)
        await bus.say(waiting, FRONT)
        await begun.wait()
        stopping = asyncio.create_task(consumer.stop())
        await asyncio.sleep(0)  # it has begun
        go_on.set()
        await stopping

    assert texts(await said_of(bus, opened)) == ["s0"]
    assert texts(await said_of(bus, waiting)) == []
    assert await bus.backlog(subjects.EVENT_STREAM, "chat") == (1, 0), "the other one is left for somebody else"
