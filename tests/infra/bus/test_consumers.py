"""Competing workers on a durable: no more in hand than can be worked on, and nothing lost with a worker or a server."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from nats.errors import NoRespondersError
from nats.js.errors import NotFoundError

from infra.bus import consumers, pulling, streams
from infra.bus.connection import Bus
from infra.bus.delivery import Delivery, Hop
from infra.bus.server import BusAddress
from infra.bus.streams import Durable
from pipeline import keeping
from schemas import subjects
from schemas.chat import SentenceGenerated

if TYPE_CHECKING:
    from tests.conftest import NewEvent, OwnServer

    Until = Callable[..., Awaitable[Any]]

DURABLE = Durable("stage", subjects.EVENT_STREAM, ("SentenceGenerated",))
IN_ORDER = Durable("stage", subjects.EVENT_STREAM, ("SentenceGenerated",), in_order=True)
BATCHES = Durable("stage", subjects.EVENT_STREAM, (), max_deliver=-1)
ENOUGH_S = 60.0


@pytest.fixture
def say(new_event: "NewEvent") -> Callable[..., Awaitable[None]]:
    """Says events numbered `first` to `last`."""
    asked = new_event(SentenceGenerated(asked="?", index=0, text="-", last=False, firsts=("-",)))

    async def said(bus: Bus, first: int, last: int) -> None:
        for n in range(first, last + 1):
            fact = SentenceGenerated(asked="?", index=n, text=str(n), last=False, firsts=("-",))
            await bus.say(asked.following("chat", n, fact, asked.meta.time), Hop("chat"))

    return said


class Hands:
    """Takes messages and keeps each until it is let go."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[Delivery] = asyncio.Queue()
        self.gate = asyncio.Event()

    async def hold(self, delivery: Delivery) -> None:
        self.taken.put_nowait(delivery)
        await self.gate.wait()
        await delivery.ack()

    async def take(self, count: int) -> list[int]:
        """Wait for `count` messages; their places in the stream."""
        async with asyncio.timeout(ENOUGH_S):
            return [(await self.taken.get()).stream_seq for _ in range(count)]


async def in_hand(bus: Bus) -> int:
    return (await bus.backlog(subjects.EVENT_STREAM, "stage"))[1]


async def unanswered(bus: Bus) -> int:
    return sum(await bus.backlog(subjects.EVENT_STREAM, "stage"))


@pytest.mark.parametrize("slots", [1, 3])
async def test_a_worker_never_has_more_in_hand_than_its_slots(
    bus: Bus, say: Callable[..., Awaitable[None]], slots: int, until: "Until"
) -> None:
    hands = Hands()
    consumer = await bus.hear(DURABLE, hands.hold, slots=slots)

    await say(bus, 1, 10)
    await hands.take(slots)

    assert await in_hand(bus) == slots, "the server keeps the rest for others"
    hands.gate.set()
    await hands.take(10 - slots)
    await until(lambda: _none_left(bus))
    await consumer.stop()


async def _none_left(bus: Bus) -> bool:
    return await unanswered(bus) == 0


async def open_requests(bus: Bus) -> int:
    return (await bus.js.consumer_info(subjects.EVENT_STREAM, "stage")).num_waiting or 0


async def test_what_a_worker_has_asked_for_is_forgotten_when_it_does_not_ask_again(bus: Bus, until: "Until") -> None:
    await streams.declare_durable(bus.js, DURABLE)
    inbox = bus.client.new_inbox()
    await bus.client.subscribe(inbox)  # of a worker that was stopped: it is there and does nothing
    asked_at = time.monotonic()
    await bus.client.publish(
        f"$JS.API.CONSUMER.MSG.NEXT.{subjects.EVENT_STREAM}.stage", pulling.request(1), reply=inbox
    )
    await until(lambda: _asked(bus, 1))

    await until(lambda: _asked(bus, 0))

    assert time.monotonic() - asked_at < 3 * pulling.PULL_EXPIRES_S  # by its own account, 5 s; the machine is shared


async def _asked(bus: Bus, requests: int) -> bool:
    return await open_requests(bus) == requests


@pytest.mark.parametrize("ack_wait_s", [streams.ACK_WAIT_S, keeping.ACK_WAIT_S])
def test_a_stopped_worker_does_not_have_a_message_so_often_that_nobody_else_may_try(ack_wait_s: float) -> None:
    most = 1 + int(pulling.PULL_EXPIRES_S / ack_wait_s)

    assert most < streams.MAX_DELIVER


async def test_a_worker_that_waits_asks_for_no_more_than_its_slots(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = asyncio.Semaphore(0)
    look = consumers._Slot._look

    def looked(slot: consumers._Slot) -> None:
        look(slot)
        looks.release()

    monkeypatch.setattr(consumers._Slot, "_look", looked)
    consumer = await bus.hear(DURABLE, Hands().hold, slots=2)

    async with asyncio.timeout(ENOUGH_S):
        for _ in range(4):  # each slot twice
            await looks.acquire()

    assert await open_requests(bus) == 2
    await consumer.stop()


async def test_asking_again_does_not_add_to_what_was_asked(
    bus: Bus, say: Callable[..., Awaitable[None]], until: "Until"
) -> None:
    hands = Hands()
    consumer = await bus.hear(DURABLE, hands.hold)
    for _ in range(3):
        consumer.ask_again()
        await until(lambda: _waits_once(bus))

    await say(bus, 1, 6)
    await hands.take(1)

    assert await in_hand(bus) == 1
    hands.gate.set()
    assert sorted(await hands.take(5)) == [2, 3, 4, 5, 6]
    await until(lambda: _none_left(bus))
    await until(lambda: _waits_once(bus))
    await consumer.stop()


async def _waits_once(bus: Bus) -> bool:
    return await open_requests(bus) == 1


async def test_what_a_busy_worker_cannot_take_goes_to_an_idle_one(
    bus: Bus, bus_address: BusAddress, say: Callable[..., Awaitable[None]]
) -> None:
    busy, idle = Hands(), Hands()
    idle.gate.set()
    first = await bus.hear(DURABLE, busy.hold)
    await say(bus, 1, 1)
    await busy.take(1)

    async with Bus(bus_address, name="idle") as other:
        second = await other.hear(DURABLE, idle.hold)
        await say(bus, 2, 20)
        taken = await idle.take(19)
        await second.stop()

    assert taken == list(range(2, 21))
    busy.gate.set()
    await first.stop()


async def test_two_workers_share_messages_and_none_is_handled_twice(
    bus: Bus, bus_address: BusAddress, say: Callable[..., Awaitable[None]]
) -> None:
    handled: Counter[int] = Counter()
    done = asyncio.Event()

    async def count(delivery: Delivery) -> None:
        handled[delivery.stream_seq] += 1
        await delivery.ack()
        if len(handled) == 200:
            done.set()

    async with Bus(bus_address, name="other") as other, asyncio.timeout(ENOUGH_S):
        consumers = [await each.hear(DURABLE, count, slots=4) for each in (bus, other)]
        await say(bus, 1, 200)
        await done.wait()
        for consumer in consumers:
            await consumer.stop()

    assert set(handled.values()) == {1}


async def test_what_is_given_back_comes_again_as_the_next_attempt(
    bus: Bus, say: Callable[..., Awaitable[None]]
) -> None:
    attempts: asyncio.Queue[int] = asyncio.Queue()

    async def twice(delivery: Delivery) -> None:
        attempts.put_nowait(delivery.attempt)
        await (delivery.ack() if delivery.attempt == 3 else delivery.again_in(0.05))

    consumer = await bus.hear(DURABLE, twice)
    await say(bus, 1, 1)

    async with asyncio.timeout(ENOUGH_S):
        assert [await attempts.get() for _ in range(3)] == [1, 2, 3]
    await consumer.stop()


async def test_in_order_nothing_overtakes_what_is_tried_again(bus: Bus, say: Callable[..., Awaitable[None]]) -> None:
    seen: list[tuple[int, int]] = []
    done = asyncio.Event()

    async def unwilling(delivery: Delivery) -> None:
        seen.append((delivery.stream_seq, delivery.attempt))
        if delivery.stream_seq % 2 == 1 and delivery.attempt < 3:
            await delivery.again_in(0.05)
            return
        await delivery.ack()
        if delivery.stream_seq == 6:
            done.set()

    consumer = await bus.hear(IN_ORDER, unwilling, slots=3)
    await say(bus, 1, 6)
    async with asyncio.timeout(ENOUGH_S):
        await done.wait()
    await consumer.stop()

    assert seen == [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2), (3, 3), (4, 1), (5, 1), (5, 2), (5, 3), (6, 1)]


async def test_stopping_finishes_what_is_in_hand_and_leaves_the_rest_to_others_at_once(
    bus: Bus, bus_address: BusAddress, say: Callable[..., Awaitable[None]]
) -> None:
    leaving, staying = Hands(), Hands()
    staying.gate.set()
    consumer = await bus.hear(DURABLE, leaving.hold, slots=2)
    await say(bus, 1, 6)
    await leaving.take(2)

    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0)  # it has begun
    leaving.gate.set()
    async with asyncio.timeout(ENOUGH_S):
        await stopping

    async with Bus(bus_address, name="other") as other:
        loop = asyncio.get_running_loop()
        began = loop.time()
        second = await other.hear(DURABLE, staying.hold, slots=2)
        assert sorted(await staying.take(4)) == [3, 4, 5, 6]
        assert loop.time() - began < 5, "none of them waits until the bus takes the first worker for dead"
        await second.stop()


async def test_one_that_was_stopped_while_idle_keeps_nothing_from_others(
    bus: Bus, bus_address: BusAddress, say: Callable[..., Awaitable[None]]
) -> None:
    hands = Hands()
    hands.gate.set()
    for _ in range(5):
        await (await bus.hear(DURABLE, hands.hold, slots=4)).stop()

    async with Bus(bus_address, name="other") as other:
        await say(bus, 1, 4)
        began = asyncio.get_running_loop().time()
        second = await other.hear(DURABLE, hands.hold)
        assert await hands.take(4) == [1, 2, 3, 4]
        assert asyncio.get_running_loop().time() - began < 5
        await second.stop()


@pytest.mark.parametrize("stream_too", [False, True])
async def test_a_durable_that_the_bus_has_lost_is_made_anew(
    bus: Bus, say: Callable[..., Awaitable[None]], until: "Until", stream_too: bool
) -> None:
    hands = Hands()
    hands.gate.set()
    consumer = await bus.hear(DURABLE, hands.hold, slots=2)
    await say(bus, 1, 1)
    assert await hands.take(1) == [1]
    await bus.js.delete_consumer(subjects.EVENT_STREAM, "stage")
    if stream_too:
        await bus.js.delete_stream(subjects.EVENT_STREAM)

    await until(lambda: durables(bus))
    await say(bus, 2, 2)
    assert (await hands.take(1 if stream_too else 2))[-1] == (1 if stream_too else 2), "a new stream begins at 1"
    await consumer.stop()


async def durables(bus: Bus) -> list[str]:
    """Of the event stream; none where there is no such stream."""
    with contextlib.suppress(NotFoundError):
        return [info.name for info in await bus.js.consumers_info(subjects.EVENT_STREAM)]
    return []


async def test_a_consumer_that_cannot_be_made_anew_does_not_spin(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    hands = Hands()
    consumer = await bus.hear(DURABLE, hands.hold, slots=2)

    async def starting(*_: object) -> None:
        raise NoRespondersError

    monkeypatch.setattr("infra.bus.streams.declare_durable", starting)
    await bus.js.delete_consumer(subjects.EVENT_STREAM, "stage")
    await bus.client.flush()

    before = bus.client.stats["out_msgs"]
    for _ in range(100):
        await bus.client.flush()
    assert bus.client.stats["out_msgs"] - before < 20, "it asks now and then, not as fast as it is refused"
    await consumer.stop()


@pytest.mark.parametrize("busy", [False, True])
async def test_hearing_goes_on_soon_after_the_server_was_killed(
    own_server: "OwnServer", say: Callable[..., Awaitable[None]], busy: bool
) -> None:
    hands = Hands()
    async with Bus(own_server.address, name="worker") as bus:
        consumer = await bus.hear(DURABLE, hands.hold)
        if busy:
            await say(bus, 1, 1)
            await hands.take(1)
        await own_server.kill()
        await own_server.start()
        hands.gate.set()
        async with Bus(own_server.address, name="front-end") as other:
            began = asyncio.get_running_loop().time()
            await say(other, 2, 3)
            said = {2, 3} if busy else {1, 2}
            while said:  # what was in hand may come again
                said -= set(await hands.take(1))
        assert asyncio.get_running_loop().time() - began < 20, "well below a pull's expiry"
        await consumer.stop()


# Batches


class Batches:
    """Takes batches and keeps the places of their messages; acknowledges all of them when told to."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[list[int]] = asyncio.Queue()
        self.acknowledges = True

    async def hear(self, deliveries: list[Delivery]) -> None:
        self.taken.put_nowait([delivery.stream_seq for delivery in deliveries])
        if self.acknowledges:
            for delivery in deliveries:
                await delivery.ack()

    async def take(self, count: int) -> list[int]:
        """Wait until `count` messages have come."""
        found: list[int] = []
        async with asyncio.timeout(ENOUGH_S):
            while len(found) < count:
                found += await self.taken.get()
        return found


async def test_messages_come_in_batches_in_order_and_all_are_acknowledged(
    bus: Bus, say: Callable[..., Awaitable[None]], until: "Until"
) -> None:
    batches = Batches()
    await say(bus, 1, 50)
    consumer = await bus.hear_in_batches(BATCHES, batches.hear, batch=20, wait_s=0.1)
    running = asyncio.create_task(consumer.run())

    came = [await batches.taken.get() for _ in range(3)]

    assert [place for batch in came for place in batch] == list(range(1, 51))
    assert max(map(len, came)) <= 20
    await until(lambda: _none_left(bus))
    consumer.close()
    await running


async def test_a_batch_does_not_wait_for_ever_to_be_full(bus: Bus, say: Callable[..., Awaitable[None]]) -> None:
    batches = Batches()
    consumer = await bus.hear_in_batches(BATCHES, batches.hear, batch=1000, wait_s=0.05)
    running = asyncio.create_task(consumer.run())

    await say(bus, 1, 3)

    assert await batches.take(3) == [1, 2, 3]
    consumer.close()
    await running


async def test_what_a_killed_worker_had_in_hand_is_not_acknowledged_by_what_its_successor_hears_first(
    bus: Bus, bus_address: BusAddress, say: Callable[..., Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.bus.streams.ACK_WAIT_S", 2.0)
    await say(bus, 1, 5)
    lost, found = Batches(), Batches()
    lost.acknowledges = False
    async with Bus(bus_address, name="killed") as killed:
        consumer = await killed.hear_in_batches(BATCHES, lost.hear, batch=10, wait_s=0.05)
        running = asyncio.create_task(consumer.run())
        assert await lost.take(5) == [1, 2, 3, 4, 5]
        running.cancel()

    await say(bus, 6, 9)
    consumer = await bus.hear_in_batches(BATCHES, found.hear, batch=10, wait_s=0.05)
    running = asyncio.create_task(consumer.run())

    assert sorted(await found.take(9)) == list(range(1, 10))
    consumer.close()
    await running


async def test_batches_go_on_after_the_server_was_killed(
    own_server: "OwnServer", say: Callable[..., Awaitable[None]]
) -> None:
    batches = Batches()
    async with Bus(own_server.address, name="worker") as bus:
        consumer = await bus.hear_in_batches(BATCHES, batches.hear, batch=10, wait_s=0.05)
        running = asyncio.create_task(consumer.run())
        await say(bus, 1, 5)
        assert await batches.take(5) == [1, 2, 3, 4, 5]
        await own_server.kill()
        await own_server.start()
        async with Bus(own_server.address, name="front-end") as other:
            began = asyncio.get_running_loop().time()
            await say(other, 6, 12)
            said = set(range(6, 13))
            while said:  # what the server had not written down as acknowledged may come again
                said -= set(await batches.take(1))
        assert asyncio.get_running_loop().time() - began < 20
        consumer.close()
        await running


async def test_a_hearer_that_fails_ends_the_run_and_the_batch_comes_again(
    bus: Bus, say: Callable[..., Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.bus.streams.ACK_WAIT_S", 1.0)
    batches = Batches()

    async def fails(deliveries: list[Delivery]) -> None:
        raise OSError("disk full")

    await say(bus, 1, 3)
    first = await bus.hear_in_batches(BATCHES, fails, batch=10, wait_s=0.05)
    with pytest.raises(OSError, match="disk full"):
        await first.run()

    second = await bus.hear_in_batches(BATCHES, batches.hear, batch=10, wait_s=0.05)
    running = asyncio.create_task(second.run())
    assert sorted(await batches.take(3)) == [1, 2, 3]
    second.close()
    await running


@pytest.mark.slow
async def test_a_bus_that_was_held_up_is_heard_again_at_once_by_the_connection_that_was_there(
    own_server: "OwnServer",
    say: Callable[..., Awaitable[None]],
    until: "Until",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for constant in ("SILENCE_S", "HEARTBEAT_S", "DRAIN_WITHIN_S"):
        monkeypatch.setattr(consumers, constant, 0.3)
    loop, hands = asyncio.get_running_loop(), Hands()
    hands.gate.set()
    async with Bus(own_server.address, name="worker") as bus, Bus(own_server.address, name="front-end") as front_end:
        consumer = await bus.hear(DURABLE, hands.hold)
        assert own_server.process is not None
        own_server.process.send_signal(signal.SIGSTOP)
        before, since = consumer._slots[0]._next, loop.time()
        await until(lambda: consumer._slots[0]._next is not before)  # nothing is heard: it asks anew
        await until(lambda: loop.time() - since > 2)  # longer than whatever it may be waiting for
        own_server.process.send_signal(signal.SIGCONT)

        await say(front_end, 1, 1)
        [taken] = await hands.take(1)

        assert taken == 1
        assert bus.client.stats["reconnects"] == 0
        await consumer.stop()
