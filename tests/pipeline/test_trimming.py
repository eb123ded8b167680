"""The stream forgets what all have handled and the log has, and nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus.connection import Bus
from infra.bus.consumers import Consumer
from infra.bus.delivery import Delivery, Hop
from infra.bus.streams import Durable
from pipeline import topology
from pipeline.trimming import GRACE, LOOK_EVERY_S, Trimming
from schemas.event import Event, Fact
from schemas.subjects import EVENT_STREAM
from schemas.turns import TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent

    Until = Callable[..., Awaitable[Any]]

TURN = timedelta(seconds=60)
OLD_S = (TURN + GRACE).total_seconds() + LOOK_EVERY_S


class Hands:
    """Seconds that have passed."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def __call__(self) -> float:
        return self.passed_s


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.trimming.KEPT_MSGS", 10)
    monkeypatch.setattr("pipeline.trimming.SLACK_MSGS", 5)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def trimming(bus: Bus, hands: Hands) -> Trimming:
    return Trimming(bus, TURN, hands)


@pytest.fixture
async def heard_by(bus: Bus) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Starts somebody who hears every TextTurnOpened and acknowledges it, or does not."""
    consumers: list[Consumer] = []

    async def hear(name: str, *, acknowledges: bool = True) -> None:
        async def take(delivery: Delivery) -> None:
            if acknowledges:
                await delivery.ack()

        consumers.append(await bus.hear(Durable(name, EVENT_STREAM, (TextTurnOpened.token,)), take))

    yield hear
    for consumer in consumers:
        await consumer.stop()


async def say(bus: Bus, new_event: "NewEvent", count: int) -> list[Event[Fact]]:
    said = [new_event(TextTurnOpened(text=str(number))) for number in range(count)]
    for event in said:
        await bus.say(event, Hop("keeper"))
    return said


async def all_handled(bus: Bus, until: "Until", *names: str) -> None:
    last = (await bus.extent(EVENT_STREAM)).last_seq
    for name in names:

        async def done(name: str = name) -> bool:
            floor = (await bus.js.consumer_info(EVENT_STREAM, name)).ack_floor
            return floor is not None and floor.stream_seq >= last

        await until(done)


async def test_what_all_have_handled_is_forgotten_but_for_the_newest(
    bus: Bus, trimming: Trimming, hands: Hands, heard_by: Any, new_event: "NewEvent", until: "Until"
) -> None:
    await heard_by(topology.LOGGER)
    await heard_by("intent")
    said = await say(bus, new_event, 40)
    await all_handled(bus, until, topology.LOGGER, "intent")
    await trimming.look()
    hands.passed_s += OLD_S

    assert await trimming.look() == 30

    extent = await bus.extent(EVENT_STREAM)
    assert (extent.messages, extent.first_seq, extent.last_seq) == (10, 31, 40)
    assert [m.subject for _, m in await bus.messages(EVENT_STREAM, ">")] == [e.subject for e in said[30:]]
    hands.passed_s += LOOK_EVERY_S
    assert await trimming.look() == 0


async def test_nothing_is_forgotten_that_a_turn_may_still_need(
    bus: Bus, trimming: Trimming, hands: Hands, heard_by: Any, new_event: "NewEvent", until: "Until"
) -> None:
    await heard_by(topology.LOGGER)
    await say(bus, new_event, 20)
    await trimming.look()
    hands.passed_s += LOOK_EVERY_S
    await say(bus, new_event, 30)
    await all_handled(bus, until, topology.LOGGER)
    await trimming.look()
    hands.passed_s += TURN.total_seconds() - LOOK_EVERY_S
    assert await trimming.look() == 0

    hands.passed_s += GRACE.total_seconds() + LOOK_EVERY_S - 1

    assert await trimming.look() == 20, "those after it are younger than a turn may become"


@pytest.mark.parametrize("behind", [topology.LOGGER, "tts"])
async def test_nothing_is_forgotten_that_somebody_has_not_handled(
    bus: Bus,
    trimming: Trimming,
    hands: Hands,
    heard_by: Any,
    new_event: "NewEvent",
    until: "Until",
    behind: str,
) -> None:
    for name in (topology.LOGGER, "tts"):
        await heard_by(name, acknowledges=name != behind)
    await say(bus, new_event, 40)
    await all_handled(bus, until, *({topology.LOGGER, "tts"} - {behind}))
    await trimming.look()
    hands.passed_s += OLD_S

    assert await trimming.look() == 0
    assert (await bus.extent(EVENT_STREAM)).messages == 40


async def test_nothing_is_forgotten_without_a_log(
    bus: Bus, trimming: Trimming, hands: Hands, heard_by: Any, new_event: "NewEvent", until: "Until"
) -> None:
    await heard_by("intent")
    await say(bus, new_event, 40)
    await all_handled(bus, until, "intent")
    await trimming.look()
    hands.passed_s += OLD_S

    assert await trimming.look() == 0


async def test_a_bus_that_came_back_without_its_data_is_not_trimmed_by_the_old_ones_places(
    bus: Bus, trimming: Trimming, hands: Hands, heard_by: Any, new_event: "NewEvent", until: "Until"
) -> None:
    await heard_by(topology.LOGGER)
    await say(bus, new_event, 60)
    await trimming.look()
    await bus.js.purge_stream(EVENT_STREAM)
    await bus.js.delete_stream(EVENT_STREAM)
    await bus.declare()
    await heard_by(topology.LOGGER)
    await say(bus, new_event, 40)
    await all_handled(bus, until, topology.LOGGER)
    hands.passed_s += OLD_S

    assert await trimming.look() == 0
