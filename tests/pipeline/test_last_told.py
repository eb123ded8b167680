"""How far a turn had come, as the stream tells it."""

from typing import TYPE_CHECKING, cast

import pytest

from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.bus.reading import Stored
from pipeline import last_told as module
from pipeline.last_told import last_told
from schemas.turns import TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent


class Held:
    """A bus that holds these messages by their turn; unavailable from the first turn on of which it holds None."""

    def __init__(self, held: dict[str, Stored | None]) -> None:
        self._held = held

    async def last(self, stream: str, subject: str) -> Stored | None:
        turn = subject.split(".")[-2]
        if self._held.get(turn, 0) is None:
            raise BusUnavailable("away")
        return self._held.get(turn)


async def test_the_last_event_of_each_turn_is_told_and_what_cannot_be_known_is_left_out(new_event: "NewEvent") -> None:
    known, strange, unheard, away, later = (new_event(TextTurnOpened(text="hello")) for _ in range(5))
    held = {
        known.meta.turn: Stored(known.subject, known.encoded(), {}),
        strange.meta.turn: Stored(strange.subject, b"no event", {}),
        away.meta.turn: None,
        later.meta.turn: Stored(later.subject, later.encoded(), {}),
    }

    found = await last_told(cast(Bus, Held(held)), [each.meta for each in (known, strange, unheard, away, later)])

    told = f"DeadlinePassed: TextTurnOpened by {known.meta.stage} was the last that was told of it"
    assert found == {known.meta.turn: told}


async def test_beyond_its_time_nothing_more_is_looked_up(
    new_event: "NewEvent", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_UP_S", -1.0)
    event = new_event(TextTurnOpened(text="hello"))
    held: dict[str, Stored | None] = {event.meta.turn: Stored(event.subject, event.encoded(), {})}

    assert await last_told(cast(Bus, Held(held)), [event.meta]) == {}
