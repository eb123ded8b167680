"""The stream forgets what all have handled and the log has, and nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus.connection import Bus
from infra.bus.consumers import Consumer
from infra.bus.delivery import Delivery, Hop
from infra.bus.streams import Durable
from infra.clock import SystemClock
from infra.state import turns
from infra.state.port import State
from infra.state.sqlite import open_state
from pipeline import topology
from pipeline.trimming import GRACE_S, LOOK_EVERY_S, Trimming
from schemas.event import Event, Fact
from schemas.subjects import EVENT_STREAM
from schemas.turns import TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent

    Until = Callable[..., Awaitable[Any]]

OLD_S = GRACE_S + LOOK_EVERY_S


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
async def books(tmp_path: Path) -> AsyncIterator[State]:
    async with open_state(tmp_path / "state.sqlite3", SystemClock()) as state:
        yield state


@pytest.fixture
def trimming(bus: Bus, books: State, hands: Hands) -> Trimming:
    return Trimming(bus, books, hands)


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


async def opened(books: State, event: Event[Fact]) -> None:
    async with books.transaction() as tx:
        await turns.insert(tx, event, "open", SystemClock().now())


async def ended(books: State, event: Event[Fact]) -> None:
    async with books.transaction() as tx:
        await turns.set_ended(tx, event.meta, "completed")


async def test_nothing_of_an_open_turn_is_forgotten_however_old_it_is(
    bus: Bus, trimming: Trimming, books: State, hands: Hands, heard_by: Any, new_event: "NewEvent", until: "Until"
) -> None:
    await heard_by(topology.LOGGER)
    await say(bus, new_event, 20)
    await trimming.look()
    hands.passed_s += LOOK_EVERY_S
    said = await say(bus, new_event, 30)
    await opened(books, said[0])
    await all_handled(bus, until, topology.LOGGER)
    await trimming.look()
    hands.passed_s += 10 * OLD_S

    assert await trimming.look() == 20, "up to where that turn was not open yet"

    await ended(books, said[0])
    hands.passed_s += LOOK_EVERY_S
    assert await trimming.look() == 20, "all but the newest"


async def test_what_has_just_been_said_is_not_forgotten_although_its_turn_is_over(
    bus: Bus, trimming: Trimming, hands: Hands, heard_by: Any, new_event: "NewEvent", until: "Until"
) -> None:
    await heard_by(topology.LOGGER)
    await say(bus, new_event, 40)
    await all_handled(bus, until, topology.LOGGER)
    await trimming.look()
    hands.passed_s += GRACE_S - 1

    assert await trimming.look() == 0


async def test_nothing_is_forgotten_while_more_turns_are_open_than_can_be_told(
    bus: Bus,
    trimming: Trimming,
    books: State,
    hands: Hands,
    heard_by: Any,
    new_event: "NewEvent",
    until: "Until",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infra.state.turns.OPEN_MAX", 1)
    await heard_by(topology.LOGGER)
    said = await say(bus, new_event, 40)
    await all_handled(bus, until, topology.LOGGER)
    await trimming.look()
    for event in said[-2:]:
        await opened(books, event)
    hands.passed_s += OLD_S

    assert await trimming.look() == 0


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
