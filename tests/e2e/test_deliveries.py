"""Messages that come again, twice, late, or out of order; acknowledgements that are lost; listeners that are slow."""

import asyncio
import json
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from infra.bus.connection import Bus
from infra.bus.delivery import Delivery, Hop
from infra.bus.errors import BusUnavailable
from infra.event_log.log import EventLog
from pipeline import topology
from pipeline.keeping import Keeping
from pipeline.worker import Worker
from schemas import subjects
from schemas.event import Event, Fact
from schemas.turns import TurnCompleted
from tests.e2e.harm import FORGOTTEN_S, Put, forgetful, hurried
from tests.e2e.whole import violations

if TYPE_CHECKING:
    from tests.e2e.whole import Whole

pytestmark = pytest.mark.slow
TALK = "tell me something about dogs"
NOTE = "take a note that the {} key is under the pot"
MARKS = ("Zorbun", "Quilbax", "Drimsel", "Vantok", "Plorga", "Brizen")
TRIES = 3  # of which each message's first ones may go wrong: below the bus's limit


async def people_talk(parley: "Whole") -> None:
    """Six notes and six questions, in three conversations, typed and spoken."""
    for place, mark in enumerate(MARKS):
        spoken = place % 2 == 0
        await parley.say(NOTE.format(mark), mark, to=place % 3, spoken=spoken, speech=spoken)
        await parley.say(TALK, to=place % 3, speech=place % 3 == 0)


@pytest.mark.parametrize("memory", ["as shipped", "of 100 ms"])
@pytest.mark.parametrize("fault", ["acknowledgements are lost", "handled and then failed", "late and out of order"])
async def test_redelivery_is_harmless(parley: "Whole", monkeypatch: Put, fault: str, memory: str) -> None:
    hurried(monkeypatch)
    if memory == "of 100 ms":
        await forgetful(parley)
    FAULTS[fault](monkeypatch, random.Random(7))
    await parley.start(*topology.PROCESSES, topology.KEEPER, *topology.STAGE_NAMES)
    await people_talk(parley)

    assert violations(await parley.verdict()) == set()


def acknowledgements_are_lost(put: Put, chance: random.Random) -> None:
    acknowledge = Delivery.ack

    async def ack(delivery: Delivery) -> None:
        if delivery.attempt < TRIES and chance.random() < 0.3:
            return
        await acknowledge(delivery)

    put.setattr(Delivery, "ack", ack)


def handled_and_then_failed(put: Put, chance: random.Random) -> None:
    """What was to be published was, and whoever published it is told that it was not."""
    say = Bus.say
    failures: dict[str, int] = {}

    async def said(bus: Bus, event: Event[Fact], hop: Hop, **fence: Any) -> Any:
        receipt = await say(bus, event, hop, **fence)
        if hop.stage != "front-end" and failures.get(event.meta.turn, 0) < TRIES - 1 and chance.random() < 0.2:
            failures[event.meta.turn] = failures.get(event.meta.turn, 0) + 1
            raise BusUnavailable("a fault of the test")
        return receipt

    put.setattr(Bus, "say", said)


def late_and_out_of_order(put: Put, chance: random.Random) -> None:
    """Many a message is given back when it first comes, for longer than the next ones take."""

    def given_back(handle: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def handled(whoever: Any, delivery: Delivery) -> None:
            if delivery.attempt < TRIES and chance.random() < 0.3:
                await delivery.again_in(chance.uniform(0.0, 0.6))
            else:
                await handle(whoever, delivery)

        return handled

    put.setattr(Worker, "handle", given_back(Worker.handle))
    put.setattr(Keeping, "_take_in", given_back(Keeping._take_in))


FAULTS: dict[str, Callable[[Put, random.Random], None]] = {
    "acknowledgements are lost": acknowledgements_are_lost,
    "handled and then failed": handled_and_then_failed,
    "late and out of order": late_and_out_of_order,
}


async def test_a_careless_client_that_submits_all_twice_has_it_done_once(parley: "Whole", monkeypatch: Put) -> None:
    hurried(monkeypatch)
    await forgetful(parley)
    await parley.start(*topology.PROCESSES)
    await people_talk(parley)
    await asyncio.sleep(FORGOTTEN_S)  # the bus has let go of the ids
    for turn in parley.accepted:
        await parley.bus.put(turn.event.subject, turn.event.encoded(), {})
    await parley.ended()
    for turn in parley.accepted:
        await parley.bus.put(turn.event.subject, turn.event.encoded(), {})

    assert violations(await parley.verdict()) == set()


async def test_a_subscriber_that_never_reads_holds_up_nobody(parley: "Whole", monkeypatch: Put) -> None:
    """It hears everything that passes, more than the server keeps for it, which then parts with it."""
    hurried(monkeypatch)
    await parley.start(*topology.PROCESSES)
    at = urlsplit(parley.address.url)
    with closing(socket.create_connection((at.hostname, at.port))) as never_read:
        login = json.dumps({"auth_token": parley.address.token}).encode()
        never_read.sendall(b"CONNECT %b\r\nSUB > 1\r\n" % login)
        for _ in range(200):
            await parley.bus.client.publish("noise.of.somebody", b"x" * 500_000)
        await parley.bus.client.flush()
        await people_talk(parley)
        ends = await parley.ended()

    assert {type(end.fact) for end in ends} == {TurnCompleted}
    assert violations(await parley.verdict()) == set()


async def test_a_front_end_that_is_stuck_holds_up_nobody(parley: "Whole", monkeypatch: Put) -> None:
    hurried(monkeypatch)
    await parley.start(*topology.PROCESSES)

    async def stuck(_: Delivery) -> None:
        await asyncio.Event().wait()

    async with Bus(parley.address, name="stuck") as bus, bus.follow(subjects.EVENT_STREAM, "parley.v1.>", stuck):
        await people_talk(parley)
        ends = await parley.ended()

    assert {type(end.fact) for end in ends} == {TurnCompleted}
    assert violations(await parley.verdict()) == set()


async def test_a_log_that_is_slow_holds_up_no_turn_and_misses_none(parley: "Whole", monkeypatch: Put) -> None:
    hurried(monkeypatch)
    append = EventLog.append

    async def slow(log: EventLog, batch: Any) -> Any:
        await asyncio.sleep(2.0)  # more than the bus waits for a silent worker
        return await append(log, batch)

    monkeypatch.setattr(EventLog, "append", slow)
    await parley.start(*topology.PROCESSES)
    await people_talk(parley)
    await parley.ended()
    behind = sum(await parley.bus.backlog(subjects.EVENT_STREAM, topology.LOGGER))

    assert behind > 0, "the turns have not waited for it"
    assert violations(await parley.verdict()) == set()
