"""Turns as the stream holds them: real events, encoded, with the headers that pipeline/ puts on them."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.clock import SetClock, new_id
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import Batch, Row, StreamIdentity
from schemas.chat import Candidate, EngineUse, ReplyChosen, ReplyGenerated, TokenUse
from schemas.event import Blob, Event, Fact, Meta
from schemas.intents import Intent, IntentClassified, IntentLabel
from schemas.speech import ModelUse, SpeechReady, TranscriptReady
from schemas.tasks import TaskCompleted, TaskOutcome
from schemas.turns import SpeechTurnOpened, TextTurnOpened, TurnCompleted

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = {
    "Parley-Hop": "1.500 20.250 1",
    "traceparent": TRACE,
    "Nats-Msg-Id": "whatever",
}
Said = list[Event[Fact]]


def opened(fact: Fact, *, conversation: str | None = None, number: int = 1, run: str = "live") -> Event[Fact]:
    """The first event of a turn."""
    turn = new_id()
    meta = Meta(
        id=f"{turn}-opened-{run}",
        type=type(fact).__name__,
        run=run,
        conversation=conversation or new_id(),
        turn=turn,
        number=number,
        user="anna",
        cause=f"{turn}-submitted",
        stage="keeper",
        time=NOON,
        deadline=NOON + timedelta(seconds=60),
        time_zone="Europe/Berlin",
    )
    return Event[Fact].first(fact, meta)


def typed_turn(text: str = "note to buy chocolate", *, conversation: str | None = None, run: str = "live") -> Said:
    """Opened, classified, done, completed: 4 events, 50 ms."""
    start = opened(TextTurnOpened(text=text), conversation=conversation, run=run)
    note = IntentLabel.CREATE_NOTE
    classified = start.following(
        "intent", 0, IntentClassified(text=text, intents=(Intent(label=note, confidence=0.9, text=text),)), at(20)
    )
    outcome = TaskOutcome(skill=note, success=True, data={"note": 7}, message="Noted: buy chocolate.")
    done = classified.following("router", 0, TaskCompleted(intent=0, outcome=outcome), at(30))
    return [start, classified, done, done.following("keeper", 0, TurnCompleted(reply="Noted.", sentences=1), at(50))]


def spoken_turn(text: str = "how are you") -> Said:
    """Opened, heard, classified, generated, chosen, spoken, completed: 7 events, 900 ms, by the fallback engine."""
    sound = Blob(ref=f"sha256:{'0' * 64}", media_type="audio/wav", size_bytes=10)
    start = opened(SpeechTurnOpened(audio=sound), number=2)
    transcript = TranscriptReady(
        text=text, audio_s=1.5, confidence=0.8, recogniser=ModelUse(backend="whisper", model="tiny.en")
    )
    heard = start.following("stt", 0, transcript, at(300))
    talk = Intent(label=IntentLabel.CHIT_CHAT, confidence=0.7, text=text, decided_by="engine")
    classified = heard.following("intent", 0, IntentClassified(text=text, intents=(talk,)), at(320))
    generated = classified.following(
        "chat",
        0,
        ReplyGenerated(
            asked=text,
            candidates=(Candidate(text="Fine.", sentences=("Fine.",)), Candidate(text="Good.", sentences=("Good.",))),
            engine=EngineUse(backend="contextual", model="contextual", fallback=True, reason="llama.cpp is loading"),
            tokens=TokenUse(prompt=30, completion=4),
        ),
        at(600),
    )
    chosen = generated.following("reranker", 0, ReplyChosen(asked=text, chosen=0, text="Fine.", sentences=1), at(610))
    voice = ModelUse(backend="pyttsx3", model="en-us")
    speech = SpeechReady(index=0, last=True, text="Fine.", audio=sound, rate_hz=22_050, audio_s=0.6, voice=voice)
    spoken = chosen.following("tts", 0, speech, at(700))
    ended = spoken.following("keeper", 0, TurnCompleted(reply="Fine.", sentences=1, audio_s=0.6), at(900))
    return [start, heard, classified, generated, chosen, spoken, ended]


def at(ms: int) -> datetime:
    return NOON + timedelta(milliseconds=ms)


@pytest.fixture
def typed() -> Callable[..., Said]:
    return typed_turn


@pytest.fixture
def spoken() -> Callable[..., Said]:
    return spoken_turn


@pytest.fixture
def first_of_a_turn() -> Callable[..., Event[Fact]]:
    return opened


@pytest.fixture
def stream() -> StreamIdentity:
    return StreamIdentity("PARLEY_EVENTS", NOON)


@pytest.fixture
def row() -> Callable[..., Row]:
    """A message of the stream that carries an event."""

    def carry(stream_seq: int, event: Event[Fact], headers: dict[str, str] | None = None) -> Row:
        told = {**HEADERS, "ce-type": event.meta.type, "ce-source": event.meta.stage}
        return Row(stream_seq, event.subject, told if headers is None else headers, event.encoded())

    return carry


@pytest.fixture
def batch(stream: StreamIdentity, row: Callable[..., Row]) -> Callable[..., Batch]:
    """Events as a batch, numbered from `first`."""

    def carry(events: Said, first: int = 1, of: StreamIdentity = stream) -> Batch:
        return Batch(of, tuple(row(first + place, event) for place, event in enumerate(events)))

    return carry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "log.duckdb"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON + timedelta(seconds=1))


@pytest.fixture
async def log(path: Path, clock: SetClock) -> AsyncIterator[EventLog]:
    async with await open_log(path, clock=clock) as opened_log:
        yield opened_log
