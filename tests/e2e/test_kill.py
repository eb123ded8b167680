"""Every worker is killed while turns are under way: turns end once, skills act once, the log has each event once."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from infra import instance
from infra.bus.connection import Bus
from infra.bus.delivery import TYPE, Delivery
from infra.bus.server import BusAddress
from pipeline import topology
from pipeline.logging_stage import ask_log
from schemas import subjects
from schemas.catalogue import decode
from schemas.chat import SentenceChosen
from schemas.event import Event, Fact
from schemas.intake import TextSubmitted
from schemas.speech import SpeechReady
from schemas.tasks import TaskCompleted
from schemas.turns import TurnCompleted, TurnEnd

if TYPE_CHECKING:
    from tests.conftest import NewEvent, Parley

    Until = Callable[..., Awaitable[Any]]
    Said = Callable[[Bus, Event[Fact]], Awaitable[None]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]
TURNS_A_KILL = 6
VICTIMS = (*topology.PROCESSES, "bus")


async def test_whatever_is_killed_every_turn_ends_once_and_every_note_is_taken_once(
    new_parley: "Callable[..., Parley]", new_event: "NewEvent", until: "Until", said_at_last: "Said"
) -> None:
    parley = new_parley(PARLEY_TURN__TIMEOUT_S="120", PARLEY_TTS__BACKEND="scripted")
    await asyncio.to_thread(lambda: parley.up().ready())
    running = instance.find(parley.data)
    assert running is not None
    said: list[Event[Fact]] = []
    ended: Counter[str] = Counter()
    submitted: list[Event[Fact]] = []

    async def hear(delivery: Delivery) -> None:
        event = decode(delivery.payload, delivery.headers.get(TYPE))
        said.append(event)
        if isinstance(event.fact, TurnEnd):
            ended[event.meta.turn] += 1

    async with (
        Bus(BusAddress(running.bus_url, running.bus_token), name="front-end") as bus,
        bus.follow(subjects.EVENT_STREAM, subjects.every("*"), hear),
    ):
        for victim in VICTIMS:
            pid = parley.pid_of(victim)
            for number in range(TURNS_A_KILL):
                turn = new_event(TextSubmitted(text=f"note to buy {victim.replace('_', ' ')} number {number}"))
                await said_at_last(bus, turn)
                submitted.append(turn)
                if number == TURNS_A_KILL // 2:
                    os.kill(pid, signal.SIGKILL)
            await until(lambda: f"restart    {victim} was ended by SIGKILL" in parley.told)  # noqa: B023  # awaited in this round

        await until(lambda: len(ended) == len(submitted), within_s=300)
        await until(lambda: settled(bus, len(said)), within_s=120)

        assert {event.meta.turn for event in submitted} == set(ended)
        assert set(ended.values()) == {1}
        outcomes = [event.fact for event in said if isinstance(event.fact, TurnEnd)]
        assert {type(fact) for fact in outcomes} == {TurnCompleted}, [
            f for f in outcomes if type(f) is not TurnCompleted
        ]
        once = Counter((event.meta.turn, type(event.fact)) for event in said)
        assert {count for (_, kind), count in once.items() if kind is TaskCompleted} == {1}
        for kind in (SentenceChosen, SpeechReady):
            places = Counter((e.meta.turn, e.fact.index) for e in said if isinstance(e.fact, kind))
            assert set(places.values()) == {1}, kind
        table = await ask_log(
            bus, "SELECT count(*), count(DISTINCT id), count(DISTINCT turn) FROM events WHERE run = 'live'"
        )
        assert table.rows == ((len(said), len(said), len(submitted)),)
        assert len({event.meta.id for event in said}) == len(said)

    notes = await asyncio.to_thread(parley.turn, "say", "list my notes", "--no-speech", "--user", "ann")
    assert notes["tasks"][0]["message"].startswith(f"You have {len(submitted)} notes")


async def settled(bus: Bus, count: int) -> bool:
    """Whether the log has read all that the stream holds."""
    info = (await bus.js.stream_info(subjects.EVENT_STREAM)).state
    behind, in_hand = await bus.backlog(subjects.EVENT_STREAM, topology.LOGGER)
    return info.messages == count and behind == in_hand == 0
