"""An open state in a real file, and events to handle."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.clock import SetClock, new_id
from infra.state.port import State
from infra.state.sqlite import open_state
from schemas.event import Event, Meta
from schemas.turns import TextTurnOpened

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.db"


@pytest.fixture
async def state(path: Path, clock: SetClock) -> AsyncIterator[State]:
    async with open_state(path, clock) as opened:
        yield opened


@pytest.fixture
def heard() -> Callable[[str], Event[TextTurnOpened]]:
    """Makes the event of a new turn."""

    def make(text: str = "hello") -> Event[TextTurnOpened]:
        turn = new_id()
        meta = Meta(id=f"{turn}-0", type="TextTurnOpened", conversation=new_id(), turn=turn, user="ann", time=NOON)
        return Event[TextTurnOpened].first(TextTurnOpened(text=text), meta)

    return make
