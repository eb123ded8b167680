"""Streams and durables: made once, brought up to date, and refusing instead of discarding."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from infra.bus import streams
from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.errors import BusFull
from infra.bus.streams import Durable
from schemas import subjects
from schemas.errors import InvalidField
from schemas.intake import TextSubmitted
from schemas.turns import StageFailed, TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent

HOP = Hop("test")


async def test_streams_are_declared_twice_and_keep_what_they_hold(bus: Bus, new_event: "NewEvent") -> None:
    await bus.say(new_event(TextTurnOpened(text="hello")), HOP)

    await streams.declare_streams(bus.js)

    assert (await bus.js.stream_info(subjects.EVENT_STREAM)).state.messages == 1


async def test_settings_that_differ_are_brought_up_to_date(bus: Bus) -> None:
    config = (await bus.js.stream_info(subjects.INTAKE_STREAM)).config
    await bus.js.update_stream(config.evolve(max_msgs=7))

    await streams.declare_streams(bus.js)

    assert (await bus.js.stream_info(subjects.INTAKE_STREAM)).config.max_msgs == streams.INTAKE_MAX_MSGS


async def test_changed_settings_are_applied_to_a_durable_that_exists_and_keeps_its_place(
    bus: Bus, new_event: "NewEvent"
) -> None:
    first = Durable("stage", subjects.EVENT_STREAM, ("TextTurnOpened",), max_deliver=3)
    await streams.declare_durable(bus.js, first)
    await bus.say(new_event(TextTurnOpened(text="hello")), HOP)
    await (await (await bus.js.pull_subscribe_bind("stage", subjects.EVENT_STREAM)).fetch(1))[0].ack_sync()

    await streams.declare_durable(bus.js, replace(first, max_deliver=9, tokens=("TextTurnOpened", "StageFailed")))

    now = await bus.js.consumer_info(subjects.EVENT_STREAM, "stage")
    assert now.config.max_deliver == 9
    assert sorted(now.config.filter_subjects or []) == [
        subjects.every("StageFailed"),
        subjects.every("TextTurnOpened"),
    ]
    assert now.num_pending == 0, "it goes on where it was"


async def test_a_setting_that_can_never_change_makes_the_durable_anew(bus: Bus, new_event: "NewEvent") -> None:
    every = ConsumerConfig(durable_name="stage", ack_policy=AckPolicy.ALL, max_deliver=5)
    await bus.js.add_consumer(subjects.EVENT_STREAM, every)

    await streams.declare_durable(bus.js, Durable("stage", subjects.EVENT_STREAM, ()))

    now = await bus.js.consumer_info(subjects.EVENT_STREAM, "stage")
    assert now.config.ack_policy == AckPolicy.EXPLICIT


async def test_a_durable_hears_only_its_events(bus: Bus, new_event: "NewEvent") -> None:
    await streams.declare_durable(bus.js, Durable("stage", subjects.EVENT_STREAM, ("TextTurnOpened",)))
    await bus.say(new_event(TextTurnOpened(text="hello")), HOP)
    await bus.say(new_event(StageFailed(failed_stage="stt", error="E", message="", tries=1)), HOP)

    assert await bus.backlog(subjects.EVENT_STREAM, "stage") == (1, 0)


async def test_a_full_intake_refuses_and_accepts_nothing(bus: Bus, new_event: "NewEvent") -> None:
    config = (await bus.js.stream_info(subjects.INTAKE_STREAM)).config
    await bus.js.update_stream(config.evolve(max_msgs=2))
    for _ in range(2):
        await bus.say(new_event(TextSubmitted(text="hello")), HOP)
    refused = new_event(TextSubmitted(text="one too many"))

    with pytest.raises(BusFull, match="maximum messages exceeded"):
        await bus.say(refused, HOP)

    held = await bus.js.stream_info(subjects.INTAKE_STREAM)
    assert (held.state.messages, held.state.last_seq) == (2, 2)
    await bus.forget(subjects.INTAKE_STREAM, 1)
    assert not (await bus.say(refused, HOP)).again, "once there is room, the same submission is taken"


async def test_a_full_event_stream_refuses_and_discards_nothing(bus: Bus, new_event: "NewEvent") -> None:
    await bus.say(new_event(TextTurnOpened(text="the oldest")), HOP)
    held = await bus.js.stream_info(subjects.EVENT_STREAM)
    await bus.js.update_stream(held.config.evolve(max_bytes=held.state.bytes + 10))

    with pytest.raises(BusFull, match="maximum bytes exceeded"):
        await bus.say(new_event(TextTurnOpened(text="no room")), HOP)

    assert b"the oldest" in (await bus.stored(subjects.EVENT_STREAM, 1) or pytest.fail("gone")).data


async def test_a_submission_larger_than_any_event_is_refused_by_the_bus_itself(bus: Bus, new_event: "NewEvent") -> None:
    event = new_event(TextSubmitted(text="x"))

    with pytest.raises(InvalidField, match=r"event: '\d+ bytes' is not allowed; expected at most \d+ bytes"):
        await bus.put(event.subject, b"x" * (streams.MESSAGE_MAX_BYTES + 1), {})

    assert (await bus.js.stream_info(subjects.INTAKE_STREAM)).state.messages == 0
