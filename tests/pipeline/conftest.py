"""Submissions as front-ends send them, and a keeper over a state in a real file."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.clock import SetClock, new_id
from infra.state.port import State
from infra.state.sqlite import open_state
from pipeline.keeper import Keeper
from schemas import subjects
from schemas.chat import ReplyChosen, SentenceChosen
from schemas.event import Blob, Event, Fact, Meta
from schemas.history import HistoryForgetGiven
from schemas.intake import AudioSubmitted, FeedbackGiven, InterruptRequested, TextSubmitted
from schemas.persona import PersonaGiven
from schemas.speech import ModelUse, SpeechReady
from schemas.turns import StageFailed

if TYPE_CHECKING:
    from infra.bus.connection import Bus

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SOUND = Blob(ref=f"sha256:{'0' * 64}", media_type="audio/wav", size_bytes=1000)


@dataclass
class Submitter:
    """Submits the turns of one conversation, and says what stages would say about them."""

    clock: SetClock
    conversation: str = field(default_factory=new_id)
    user: str = "ann"
    speech: bool = False

    def text(self, text: str = "hello", *, interrupts: bool = False) -> Event[Fact]:
        """A typed turn."""
        return self._first(TextSubmitted(text=text, interrupts=interrupts))

    def sound(self) -> Event[Fact]:
        """A spoken turn."""
        return self._first(AudioSubmitted(audio=SOUND))

    def stop(self, turn: Event[Fact], played: int | None = None) -> Event[Fact]:
        """The request to stop a turn."""
        return self._about(turn, InterruptRequested(reason="enough", sentences_played=played))

    def feedback(self, turn: Event[Fact], **said: Any) -> Event[Fact]:
        """Thumbs up for a turn, and whatever else is said."""
        return self._about(turn, FeedbackGiven(**{"about": turn.meta.turn, "rating": "up", **said}))

    def learned(self, turn: Event[Fact], **said: Any) -> Event[Fact]:
        """How the person likes to be answered, as a front-end learned it from a turn."""
        return self._about(turn, PersonaGiven(**{"about": turn.meta.turn, **said}))

    def forgets(self, only: str | None = None) -> Event[Fact]:
        """The wish that what was said be forgotten."""
        return self._first(HistoryForgetGiven(only=only))

    def chosen(self, turn: Event[Fact], *texts: str) -> list[Event[Fact]]:
        """What the reranker says of a reply with these sentences."""
        asked = getattr(turn.fact, "text", "what was heard")
        told: list[Fact] = [
            SentenceChosen(index=index, text=text, last=index == len(texts) - 1) for index, text in enumerate(texts)
        ]
        reply = ReplyChosen(asked=asked, chosen=0, text=" ".join(texts), sentences=len(texts))
        return [turn.following("reranker", index, fact, self.clock.now()) for index, fact in enumerate((*told, reply))]

    def spoken(self, turn: Event[Fact], *texts: str, audio_s: float = 1.5) -> list[Event[Fact]]:
        """What the voice says of these sentences."""
        voice = ModelUse(backend="test", model="test")
        told = [
            SpeechReady(
                index=index,
                last=index == len(texts) - 1,
                text=text,
                audio=SOUND,
                rate_hz=24_000,
                audio_s=audio_s,
                voice=voice,
            )
            for index, text in enumerate(texts)
        ]
        return [turn.following("tts", index, fact, self.clock.now()) for index, fact in enumerate(told)]

    def failed(self, turn: Event[Fact], **told: Any) -> Event[Fact]:
        """What a worker says that gave up."""
        fact = StageFailed(failed_stage="stt", error="OSError", message="disk gone", tries=5)
        return turn.following("stt", 1_000_000, fact.model_copy(update=told), self.clock.now())

    def _first(self, fact: Fact) -> Event[Fact]:
        turn = new_id()
        return Event[Fact].first(
            fact,
            Meta(
                id=turn,
                type=type(fact).__name__,
                conversation=self.conversation,
                turn=turn,
                user=self.user,
                time=self.clock.now(),
                speech=self.speech,
            ),
        )

    def _about(self, turn: Event[Fact], fact: Fact) -> Event[Fact]:
        update = {"id": new_id(), "type": type(fact).__name__}
        return Event[Fact].first(fact, turn.meta.model_copy(update=update))


@dataclass(frozen=True)
class Letter:
    """A dead letter."""

    subject: str
    payload: bytes
    headers: Mapping[str, str]
    about: Mapping[str, Any]


@pytest.fixture
def dead_letters() -> Callable[["Bus"], Awaitable[list[Letter]]]:
    """Reads all dead letters, oldest first."""

    async def read(bus: "Bus") -> list[Letter]:
        state = (await bus.js.stream_info(subjects.DEAD_STREAM)).state
        places = range(max(state.first_seq, 1), state.last_seq + 1)
        found = [await bus.stored(subjects.DEAD_STREAM, seq) for seq in places]
        return [
            Letter(each.subject, each.data, each.headers, json.loads(each.headers["Parley-About"]))
            for each in found
            if each is not None
        ]

    return read


@pytest.fixture
def said_of() -> Callable[["Bus", Event[Fact]], Awaitable[list[Event[Fact]]]]:
    """Reads all events of an event's turn, oldest first."""

    async def read(bus: "Bus", event: Event[Fact]) -> list[Event[Fact]]:
        meta = event.meta
        found = await bus.turn_events(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id)
        return [said for _, said in found]

    return read


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite3"


@pytest.fixture
async def state(state_file: Path, clock: SetClock) -> AsyncIterator[State]:
    async with open_state(state_file, clock) as opened:
        yield opened


@pytest.fixture
def keeper(state: State, clock: SetClock) -> Keeper:
    return Keeper(state, clock, turn_timeout=timedelta(seconds=60))


@pytest.fixture
def talk(clock: SetClock) -> Callable[..., Submitter]:
    """A new conversation of somebody."""

    def begin(**who: Any) -> Submitter:
        return Submitter(clock, **who)

    return begin
