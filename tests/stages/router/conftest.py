"""A person who talks to the router, turn by turn, over a state in a real file."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from infra.clock import SetClock, new_id
from infra.state.port import State
from infra.state.sqlite import open_state
from schemas.chat import ReplyRequested
from schemas.event import Event, Fact, Meta
from schemas.intents import Intent, IntentClassified, When
from schemas.tasks import TaskCompleted, TaskOutcome
from stages.router.stage import ROUTER, RouterGiven

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=ZoneInfo("Europe/Berlin"))  # a Friday


@dataclass(frozen=True)
class Turn:
    """What the router said in one turn."""

    events: tuple[Event[Fact], ...]

    @property
    def tasks(self) -> list[TaskOutcome]:
        return [event.fact.outcome for event in self.events if isinstance(event.fact, TaskCompleted)]

    @property
    def task(self) -> TaskOutcome:
        (only,) = self.tasks
        return only

    @property
    def reply(self) -> ReplyRequested:
        last = self.events[-1].fact
        assert isinstance(last, ReplyRequested)
        return last


@dataclass
class Person:
    """Says things; each is a turn of the same conversation unless told otherwise."""

    state: State
    clock: SetClock
    user: str = "ann"
    run: str = "live"
    tenant: str = "local"
    zone: str = "Europe/Berlin"
    conversation: str = field(default_factory=new_id)
    number: int = 0

    def event(
        self, *intents: Intent, text: str | None = None, because: Literal["silence", "noise"] | None = None
    ) -> Event[IntentClassified]:
        """The event of this person's next turn."""
        self.number += 1
        turn = new_id()
        meta = Meta(
            id=f"{turn}-0",
            type="IntentClassified",
            tenant=self.tenant,
            run=self.run,
            conversation=self.conversation,
            turn=turn,
            number=self.number,
            user=self.user,
            time=self.clock.now(),
            time_zone=self.zone,
        )
        said = " ".join(intent.text for intent in intents) if text is None else text
        return Event[IntentClassified].first(IntentClassified(text=said, intents=intents, empty_because=because), meta)

    async def says(self, *intents: Intent, text: str | None = None) -> Turn:
        """One turn through the router."""
        return await self.heard(self.event(*intents, text=text))

    async def heard(self, event: Event[IntentClassified]) -> Turn:
        """One event through the router: a redelivery, when it was through before."""
        told = [said async for said in ROUTER.handle(event, RouterGiven(self.state), ())]
        return Turn(tuple(said for said in told if isinstance(said, Event)))


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW.astimezone(UTC))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
async def state(path: Path, clock: SetClock) -> AsyncIterator[State]:
    async with open_state(path, clock) as opened:
        yield opened


@pytest.fixture
def person(state: State, clock: SetClock) -> Person:
    return Person(state, clock)


@pytest.fixture
def someone(state: State, clock: SetClock) -> Callable[..., Person]:
    """Somebody else, somewhere else, or in another run."""

    def make(**who: str) -> Person:
        return Person(state, clock, **who)  # type: ignore[arg-type]  # the names are Person's own

    return make


@pytest.fixture
def at() -> Callable[..., When]:
    """A moment in Berlin, with the words for it."""

    def make(
        day: int, hour: int = 0, minute: int = 0, text: str = "then", month: int = 11, all_day: bool = False
    ) -> When:
        moment = datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo("Europe/Berlin"))
        return When(text=text, at=moment, all_day=all_day)

    return make


@pytest.fixture
def intent() -> Callable[..., Intent]:
    """An intent as the classifier would give it: label, text, and the slots by name."""

    def make(label: str, text: str = "as said", **slots: object) -> Intent:
        return Intent.model_validate({"label": label, "confidence": 0.9, "text": text, "slots": slots})

    return make
