"""Saying, reading back, following and asking: what the bus refuses, drops and keeps."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus.connection import Bus
from infra.bus.delivery import Delivery, Hop
from infra.bus.errors import BusUnavailable, Overtaken
from infra.bus.reading import READ_BATCH
from infra.bus.server import BusAddress
from infra.bus.streams import Durable
from schemas import subjects
from schemas.chat import SentenceGenerated
from schemas.event import Event, Fact
from schemas.turns import TextTurnOpened, TurnCompleted, TurnFailed

if TYPE_CHECKING:
    from tests.conftest import NewEvent, OwnServer

    Until = Callable[..., Awaitable[Any]]
    Said = Callable[[Bus, Event[Fact]], Awaitable[None]]

HOP = Hop("test")


def sentence(index: int) -> SentenceGenerated:
    return SentenceGenerated(asked="?", index=index, text=f"Sentence {index}.", last=False, firsts=("Sentence 0.",))


async def held(bus: Bus) -> int:
    return (await bus.js.stream_info(subjects.EVENT_STREAM)).state.messages


async def texts(bus: Bus, event: Event[Fact], token: str = "*") -> list[str]:
    meta = event.meta
    found = await bus.turn_events(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id, token)
    return [told.fact.text for _, told in found]  # type: ignore[attr-defined]  # all that these tests say have one


# Saying


async def test_an_event_that_is_said_again_is_kept_once(bus: Bus, new_event: "NewEvent") -> None:
    event = new_event(sentence(0))

    receipts = [await bus.say(event, HOP) for _ in range(3)]

    assert [receipt.again for receipt in receipts] == [False, True, True]
    assert await held(bus) == 1


async def test_what_stands_once_in_a_turn_is_refused_beyond_the_window_for_duplicates(
    bus: Bus, new_event: "NewEvent", until: "Until"
) -> None:
    config = (await bus.js.stream_info(subjects.EVENT_STREAM)).config
    await bus.js.update_stream(config.evolve(duplicate_window=0.1))
    opened, ordinary = new_event(TextTurnOpened(text="hello")), new_event(sentence(0))
    await bus.say(opened, HOP)
    await bus.say(ordinary, HOP)

    async def forgotten() -> bool:
        return not (await bus.say(ordinary, HOP)).again

    await until(forgotten)  # the bus has let go of an id that came after the first one

    assert (await bus.say(opened, HOP)).again
    assert await texts(bus, opened, "TextTurnOpened") == ["hello"]


async def test_a_second_end_of_another_kind_is_refused(bus: Bus, new_event: "NewEvent") -> None:
    opened = new_event(TextTurnOpened(text="hello"))
    done = opened.following("keeper", 1, TurnCompleted(reply="Hi.", sentences=1), opened.meta.time)
    failed = opened.following("keeper", 2, TurnFailed(code="deadline", message="Sorry."), opened.meta.time)
    await bus.say(done, HOP)

    assert (await bus.say(failed, HOP)).again

    meta = opened.meta
    ends = await bus.turn_events(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id, subjects.TURN_END)
    assert [type(end.fact) for _, end in ends] == [TurnCompleted]


async def test_the_fence_stops_a_worker_that_was_overtaken(bus: Bus, new_event: "NewEvent") -> None:
    asked = new_event(TextTurnOpened(text="hello"))
    time = asked.meta.time
    first = await bus.say(asked.following("chat", 0, sentence(0), time), HOP, expect_last=0)
    await bus.say(asked.following("chat", 1, sentence(1), time), HOP, expect_last=first.seq)

    with pytest.raises(Overtaken):
        await bus.say(asked.following("chat", 9, sentence(9), time), HOP, expect_last=first.seq)

    assert await texts(bus, asked) == ["Sentence 0.", "Sentence 1."]


async def test_headers_tell_what_routing_and_the_log_need(bus: Bus, new_event: "NewEvent") -> None:
    event = new_event(sentence(0))
    receipt = await bus.say(event, Hop("chat", 1.5, 20.25, 2, "00-trace"))

    stored = await bus.stored(subjects.EVENT_STREAM, receipt.seq)

    assert stored is not None
    assert stored.subject == event.subject
    assert stored.data == event.encoded()
    assert stored.headers["Nats-Msg-Id"] == event.meta.id
    assert stored.headers["ce-type"] == "SentenceGenerated"
    assert Hop.read(stored.headers) == Hop("chat", 1.5, 20.25, 2, "00-trace")


async def test_a_subject_that_no_stream_takes_is_an_error_and_not_lost_silently(bus: Bus) -> None:
    with pytest.raises(BusUnavailable, match=r"somewhere\.else"):
        await bus.put("somewhere.else", b"{}", {})


async def test_a_message_that_is_forgotten_is_gone(bus: Bus, new_event: "NewEvent") -> None:
    receipt = await bus.say(new_event(sentence(0)), HOP)

    await bus.forget(subjects.EVENT_STREAM, receipt.seq)
    await bus.forget(subjects.EVENT_STREAM, receipt.seq)

    assert await bus.stored(subjects.EVENT_STREAM, receipt.seq) is None


# Reading back


async def test_all_events_of_a_turn_come_back_in_order_and_none_of_another(bus: Bus, new_event: "NewEvent") -> None:
    mine, other = new_event(sentence(0)), new_event(sentence(0))
    count = READ_BATCH + 40
    for index in range(count):
        await bus.say(mine.following("chat", index, sentence(index), mine.meta.time), HOP)
        if index % 50 == 0:
            await bus.say(other.following("chat", index, sentence(index), other.meta.time), HOP)

    meta = mine.meta
    found = await bus.turn_events(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id)

    assert [told.fact for _, told in found] == [sentence(index) for index in range(count)]
    assert [place for place, _ in found] == sorted(place for place, _ in found)


async def test_a_turn_of_which_nothing_was_said_has_no_events(bus: Bus, new_event: "NewEvent") -> None:
    assert await texts(bus, new_event(sentence(0))) == []


async def test_reading_back_leaves_no_consumer_behind(bus: Bus, new_event: "NewEvent") -> None:
    event = new_event(sentence(0))
    await bus.say(event, HOP)

    await texts(bus, event)

    assert await bus.js.consumers_info(subjects.EVENT_STREAM) == []


async def test_the_backlog_tells_what_waits_and_what_is_in_hand(bus: Bus, new_event: "NewEvent") -> None:
    taken, released = asyncio.Event(), asyncio.Event()

    async def hearer(delivery: Delivery) -> None:
        taken.set()
        await released.wait()
        await delivery.ack()

    for n in range(3):
        await bus.say(new_event(sentence(n)), HOP)
    durable = Durable("stage", subjects.EVENT_STREAM, ("SentenceGenerated",))
    assert await bus.backlog(subjects.EVENT_STREAM, "stage") == (0, 0), "there is no such durable yet"
    consumer = await bus.hear(durable, hearer)
    await taken.wait()

    assert await bus.backlog(subjects.EVENT_STREAM, "stage") == (2, 1)

    released.set()
    await consumer.stop()


# Following


async def test_following_a_turn_brings_what_was_said_and_what_comes(bus: Bus, new_event: "NewEvent") -> None:
    asked, heard = new_event(sentence(0)), asyncio.Queue[str]()

    async def hearer(delivery: Delivery) -> None:
        heard.put_nowait(delivery.headers["Nats-Msg-Id"])

    subject = asked.subject.rpartition(".")[0] + ".*"
    events = [asked.following("chat", index, sentence(index), asked.meta.time) for index in range(4)]
    for event in events[:2]:
        await bus.say(event, HOP)
    async with bus.follow(subjects.EVENT_STREAM, subject, hearer), asyncio.timeout(60):
        for event in events[2:]:
            await bus.say(event, HOP)
        got = [await heard.get() for _ in events]

    assert got == [event.meta.id for event in events]


async def test_following_from_now_leaves_out_what_was_said_before(bus: Bus, new_event: "NewEvent") -> None:
    asked, heard = new_event(sentence(0)), asyncio.Queue[str]()

    async def hearer(delivery: Delivery) -> None:
        heard.put_nowait(delivery.headers["Nats-Msg-Id"])

    await bus.say(asked, HOP)
    later = asked.following("chat", 1, sentence(1), asked.meta.time)
    async with bus.follow(subjects.EVENT_STREAM, asked.subject, hearer, from_now=True), asyncio.timeout(60):
        await bus.say(later, HOP)
        assert await heard.get() == later.meta.id


@pytest.mark.parametrize("heard_before", [3, 0])
async def test_following_goes_on_after_the_server_was_killed(
    own_server: "OwnServer", new_event: "NewEvent", heard_before: int, said_at_last: "Said"
) -> None:
    asked, heard = new_event(sentence(0)), asyncio.Queue[str]()

    async def hearer(delivery: Delivery) -> None:
        heard.put_nowait(delivery.headers["Nats-Msg-Id"])

    events = [asked.following("chat", index, sentence(index), asked.meta.time) for index in range(6)]
    async with Bus(own_server.address, name="test") as bus, asyncio.timeout(60):
        await bus.say(asked, HOP)
        async with bus.follow(subjects.EVENT_STREAM, asked.subject, hearer, from_now=True):
            for event in events[:heard_before]:
                await bus.say(event, HOP)
            got = [await heard.get() for _ in range(heard_before)]
            await own_server.kill()
            await own_server.start()
            for event in events[heard_before:]:
                await said_at_last(bus, event)
            got += [await heard.get() for _ in events[heard_before:]]

    assert got == [event.meta.id for event in events], "each once, in order, and nothing from before"


async def test_following_hears_the_new_stream_of_a_bus_that_came_back_without_its_data(
    own_server: "OwnServer", new_event: "NewEvent", said_at_last: "Said"
) -> None:
    asked, heard = new_event(sentence(0)), asyncio.Queue[tuple[int, str]]()

    async def hearer(delivery: Delivery) -> None:
        heard.put_nowait((delivery.stream_seq, delivery.headers["Nats-Msg-Id"]))

    events = [asked.following("chat", index, sentence(index), asked.meta.time) for index in range(6)]
    async with (
        Bus(own_server.address, name="test") as bus,
        asyncio.timeout(60),
        bus.follow(subjects.EVENT_STREAM, asked.subject, hearer),
    ):
        for event in events[:4]:
            await bus.say(event, HOP)
        before = [await heard.get() for _ in events[:4]]
        await own_server.kill()
        shutil.rmtree(own_server.folder / "store" / "jetstream")
        await own_server.start()
        async with Bus(own_server.address, name="worker") as worker:
            await worker.declare()
        for event in events[4:]:
            await said_at_last(bus, event)
        after = [await heard.get() for _ in events[4:]]

    assert [seq for seq, _ in before] == [1, 2, 3, 4]
    assert after == [(1, events[4].meta.id), (2, events[5].meta.id)]


async def test_while_the_server_is_away_saying_fails_and_afterwards_succeeds(
    own_server: "OwnServer", new_event: "NewEvent", monkeypatch: pytest.MonkeyPatch, said_at_last: "Said"
) -> None:
    monkeypatch.setattr("infra.bus.publishing.PUBLISH_TIMEOUT_S", 0.3)
    event = new_event(sentence(0))
    async with Bus(own_server.address, name="test") as bus, asyncio.timeout(60):
        await own_server.kill()
        with pytest.raises(BusUnavailable):
            await bus.say(event, HOP)

        await own_server.start()
        await said_at_last(bus, event)

        assert await held(bus) == 1


async def test_while_the_server_is_away_whatever_is_wanted_of_it_is_told_as_that(
    own_server: "OwnServer", new_event: "NewEvent", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.bus.publishing.PUBLISH_TIMEOUT_S", 0.3)
    meta = new_event(sentence(0)).meta

    async def heard(delivery: object) -> None:
        pytest.fail(f"nothing can have come: {delivery}")

    async with Bus(own_server.address, name="test") as bus, asyncio.timeout(60):
        await own_server.kill()
        for wanted in (
            bus.declare(),
            bus.hear(Durable("chat", subjects.EVENT_STREAM, ()), heard),
            bus.hear_in_batches(Durable("log", subjects.EVENT_STREAM, ()), heard, batch=1, wait_s=0.1),
            bus.turn_events(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id),
            bus.stored(subjects.EVENT_STREAM, 1),
            bus.backlog(subjects.EVENT_STREAM, "chat"),
        ):
            with pytest.raises(BusUnavailable):
                await wanted


# Asking


async def test_a_question_is_answered(bus: Bus, bus_address: BusAddress) -> None:
    async def answerer(payload: bytes) -> bytes:
        return payload.upper()

    bus.answer("test.question", answerer)
    await bus.start_answering()

    async with Bus(bus_address, name="asker") as asker:
        assert await asker.ask("test.question", b"is anybody there?", timeout_s=20) == b"IS ANYBODY THERE?"


async def test_a_question_that_takes_long_holds_up_no_other(bus: Bus, bus_address: BusAddress) -> None:
    enough = asyncio.Event()

    async def answerer(payload: bytes) -> bytes:
        if payload == b"slow":
            await enough.wait()
        return payload

    bus.answer("test.several", answerer, at_once=2)
    await bus.start_answering()

    async with Bus(bus_address, name="asker") as asker:
        slow = asyncio.create_task(asker.ask("test.several", b"slow", timeout_s=20))
        assert await asker.ask("test.several", b"quick", timeout_s=20) == b"quick"
        assert not slow.done()
        enough.set()
        assert await slow == b"slow"


async def test_a_question_that_nobody_answers_says_so_at_once(bus: Bus) -> None:
    with pytest.raises(BusUnavailable, match=r"test\.nobody"):
        await bus.ask("test.nobody", b"?", timeout_s=20)


async def test_each_question_goes_to_one_of_several_that_answer(bus: Bus, bus_address: BusAddress) -> None:
    answered: list[str] = []

    async def answerer(payload: bytes) -> bytes:
        answered.append(payload.decode())
        return payload

    async with Bus(bus_address, name="second") as second:
        for each in (bus, second):
            each.answer("test.shared", answerer)
            await each.start_answering()
            await each.client.flush()
        for n in range(20):
            await bus.ask("test.shared", str(n).encode(), timeout_s=20)

    assert answered == [str(n) for n in range(20)]
