"""Intake closes when Parley cannot keep up, and opens again; whoever submits is told why."""

import asyncio
from pathlib import Path

import pytest

from infra.bus import streams
from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.errors import BusFull
from infra.clock import SystemClock, new_id
from pipeline import intake_gate
from pipeline.intake_gate import IntakeGate
from schemas.event import Event, Fact, Meta
from schemas.intake import InterruptRequested, TextSubmitted
from schemas.subjects import INTAKE_STREAM
from schemas.turns import TextTurnOpened


def submitted(fact: Fact) -> Event[Fact]:
    turn = new_id()
    meta = Meta(
        id=turn, type=type(fact).__name__, conversation=new_id(), turn=turn, user="ann", time=SystemClock().now()
    )
    return Event[Fact].first(fact, meta)


async def test_a_full_disk_closes_intake_and_room_opens_it_again(
    bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await streams.declare_streams(bus.js)
    gate = IntakeGate(bus, tmp_path, room_min_mb=1 << 40)
    await bus.say(submitted(TextSubmitted(text="before")), Hop("front-end"))

    await gate.look()

    with pytest.raises(BusFull, match=r"the disk is almost full.*try again in 10 s"):
        await bus.say(submitted(TextSubmitted(text="refused")), Hop("front-end"))
    await streams.declare_streams(bus.js)  # a worker that starts meanwhile does not open it
    with pytest.raises(BusFull):
        await bus.say(submitted(TextSubmitted(text="refused")), Hop("front-end"))
    await bus.say(submitted(InterruptRequested()), Hop("front-end"))  # what is under way can still be stopped
    assert (await bus.js.stream_info(INTAKE_STREAM)).state.messages == 1  # what was accepted is kept

    monkeypatch.setattr(gate, "_room_min_mb", 1)
    monkeypatch.setattr(intake_gate, "LOOK_EVERY_S", 0.0)
    await gate.look()

    await bus.say(submitted(TextSubmitted(text="after")), Hop("front-end"))


async def test_an_event_stream_that_nobody_empties_closes_intake_before_it_is_full(
    bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = submitted(TextTurnOpened(text="x" * 3_000))
    await bus.say(opened, Hop("keeper"))
    monkeypatch.setattr(streams, "EVENTS_MAX_BYTES", 3_000)

    await IntakeGate(bus, tmp_path, room_min_mb=1).look()

    with pytest.raises(BusFull, match="the event stream is almost full"):
        await bus.say(submitted(TextSubmitted(text="refused")), Hop("front-end"))


async def test_a_stage_that_is_far_behind_closes_intake(
    bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await streams.declare_streams(bus.js)
    monkeypatch.setattr(intake_gate, "STAGE_BEHIND_MAX", 3)
    backlog = asyncio.Future[tuple[int, int]]()
    backlog.set_result((4, 0))
    monkeypatch.setattr(bus, "backlog", lambda *_: backlog)

    await IntakeGate(bus, tmp_path, room_min_mb=1).look()

    with pytest.raises(BusFull, match="stt is 4 events behind"):
        await bus.say(submitted(TextSubmitted(text="refused")), Hop("front-end"))
