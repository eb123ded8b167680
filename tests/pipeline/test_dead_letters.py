"""What cannot be processed is kept whole, once, and its turn is told; in that order."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from infra.bus.connection import Bus
from infra.bus.delivery import Delivery
from infra.bus.streams import Durable
from infra.clock import SystemClock
from pipeline import dead_letters
from schemas import subjects
from schemas.errors import InvalidField, NewerSchema
from schemas.event import Event, Fact
from schemas.turns import StageFailed, TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent
    from tests.pipeline.conftest import Letter

    Letters = Callable[[Bus], Awaitable[list[Letter]]]

DURABLE = Durable("stage", subjects.EVENT_STREAM, ("TextTurnOpened",))


@pytest.fixture
def take(bus: Bus) -> Callable[[str, bytes], Awaitable[Delivery]]:
    """Puts a message on the bus and takes it from there."""

    async def taken(subject: str, payload: bytes) -> Delivery:
        from infra.bus import streams

        await bus.put(subject, payload, {})
        await streams.declare_durable(bus.js, DURABLE)
        pull = await bus.js.pull_subscribe_bind(DURABLE.name, DURABLE.stream)
        [raw] = await pull.fetch(1, timeout=30)
        return Delivery.of(raw)

    return taken


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_failure_by_input_tells_field_value_and_what_would_be_right() -> None:
    failure = dead_letters.failure_of("stt", InvalidField("audio.rate_hz", 0, "at least 4000 Hz"), 2)

    assert (failure.failed_stage, failure.error, failure.tries, failure.code) == ("stt", "InvalidField", 2, "invalid")
    assert (failure.field, failure.value, failure.expected) == ("audio.rate_hz", "0", "at least 4000 Hz")


def test_a_newer_schema_is_told_as_input_that_is_wrong() -> None:
    failure = dead_letters.failure_of("stt", NewerSchema("2.0", 1), 1)

    assert (failure.field, failure.value, failure.expected, failure.code) == ("schema_version", "2.0", "1.x", "invalid")


def test_any_other_failure_blames_no_field() -> None:
    failure = dead_letters.failure_of("stt", OSError("x" * 5_000), 0)

    assert (failure.field, failure.code, failure.tries) == (None, "stage-failed", 1)
    assert len(failure.message) == 1_000


async def test_a_burial_that_is_repeated_leaves_one_letter(
    bus: Bus, take: Callable[[str, bytes], Awaitable[Delivery]], new_event: "NewEvent", dead_letters_of: "Letters"
) -> None:
    event = new_event(TextTurnOpened(text="hello"))
    delivery = await take(event.subject, event.encoded())
    error = raised(ValueError("ungültig\nzweite Zeile " + "x" * 2_000))
    failure = dead_letters.failure_of("stage", error, 1)

    for _ in range(2):
        await dead_letters.bury(bus, delivery, failure, error)

    [letter] = await dead_letters_of(bus)
    assert letter.payload == event.encoded()
    assert letter.headers["Parley-Error"].startswith("ValueError: ung\\xfcltig zweite Zeile x")
    assert len(letter.headers["Parley-Error"]) == dead_letters.HEADER_MAX_CHARS
    assert "raise error" in letter.about["stack"]


async def test_the_letters_of_two_stages_about_one_message_are_two(
    bus: Bus, take: Callable[[str, bytes], Awaitable[Delivery]], new_event: "NewEvent", dead_letters_of: "Letters"
) -> None:
    event = new_event(TextTurnOpened(text="hello"))
    delivery = await take(event.subject, event.encoded())
    for stage in ("intent", "keeper"):
        await dead_letters.bury(bus, delivery, dead_letters.failure_of(stage, OSError("x"), 1), OSError("x"))

    assert [letter.subject for letter in await dead_letters_of(bus)] == ["parley.dead.intent", "parley.dead.keeper"]


async def test_giving_up_keeps_the_message_tells_the_turn_and_ends_delivery(
    bus: Bus, take: Callable[[str, bytes], Awaitable[Delivery]], new_event: "NewEvent", dead_letters_of: "Letters"
) -> None:
    event = new_event(TextTurnOpened(text="hello"))
    delivery = await take(event.subject, b"not JSON")

    await dead_letters.give_up(bus, SystemClock(), delivery, "stage", InvalidField("event", "?", "JSON"), None)
    await bus.client.flush()

    assert len(await dead_letters_of(bus)) == 1
    [told] = await _told(bus, event)
    assert isinstance(told.fact, StageFailed)
    assert told.meta.turn == event.meta.turn
    assert told.meta.user == "unknown"
    assert await bus.backlog(subjects.EVENT_STREAM, "stage") == (0, 0)


async def test_a_turn_is_told_once_by_a_stage_however_often_it_gives_up(bus: Bus, new_event: "NewEvent") -> None:
    event = new_event(TextTurnOpened(text="hello"))

    for _ in range(2):
        failure = dead_letters.failure_of("stage", OSError("gone"), 5)
        await dead_letters.tell_keeper(bus, SystemClock(), event.meta, failure)

    assert len(await _told(bus, event)) == 1


async def _told(bus: Bus, event: Event[Fact]) -> list[Event[Fact]]:
    meta = event.meta
    found = await bus.turn_events(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id, StageFailed.token)
    return [told for _, told in found]


@pytest.fixture
def dead_letters_of(request: pytest.FixtureRequest) -> "Letters":
    """The letters, under a name that is not the module's."""
    letters: Letters = request.getfixturevalue("dead_letters")
    return letters
