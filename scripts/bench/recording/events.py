"""Events as a real turn says them, made by the thousand: a spoken turn of ten events with a reply of one sentence."""

from datetime import UTC, datetime, timedelta
from typing import Final

from infra.clock import new_id
from infra.event_log.port import Row
from schemas.chat import Candidate, EngineUse, ReplyChosen, ReplyGenerated, SentenceChosen, SentenceGenerated, TokenUse
from schemas.event import Blob, Event, Fact, Meta
from schemas.intents import Intent, IntentClassified, IntentLabel
from schemas.speech import ModelUse, SpeechReady, TranscriptReady
from schemas.tasks import TaskCompleted, TaskOutcome
from schemas.turns import SpeechTurnOpened, TurnCompleted

BEGIN: Final = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
EVENTS_A_TURN: Final = 10  # what is asked for is a multiple of it
SAID: Final = "Set a reminder for 1 a.m. to sleep and note to buy chocolate."
TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def turn(number: int, began: datetime | None = None) -> list[Event[Fact]]:
    """The ten events of a spoken turn, the `number`-th of a day unless it is told when it `began`."""
    turn_id = new_id()
    at = began or BEGIN + timedelta(milliseconds=120 * number)
    sound = Blob(ref=f"sha256:{turn_id.replace('-', '') * 2}", media_type="audio/wav", size_bytes=96_044)
    meta = Meta(
        id=f"{turn_id}-0",
        type="SpeechTurnOpened",
        conversation=new_id(),
        turn=turn_id,
        number=1,
        user=f"user{number % 97}",
        cause=f"{turn_id}-submitted",
        stage="keeper",
        time=at,
        deadline=at + timedelta(minutes=1),
    )
    model, reply = ModelUse(backend="whisper", model="tiny.en"), "I've set your reminder for 'sleep' at 1 AM."
    intent = Intent(label=list(IntentLabel)[number % 13], confidence=0.6 + number % 40 / 100, text=SAID)
    outcome = TaskOutcome(skill=IntentLabel.CREATE_REMINDER, success=True, data={"title": "sleep"}, message=reply)
    engine = EngineUse(backend="llama.cpp", model="SmolLM2-135M", fallback=number % 20 == 0)
    said: list[tuple[str, Fact]] = [
        ("stt", TranscriptReady(text=SAID, audio_s=3.0, confidence=0.87, recogniser=model)),
        ("intent", IntentClassified(text=SAID, intents=(intent,))),
        ("router", TaskCompleted(intent=0, outcome=outcome)),
        ("chat", SentenceGenerated(asked=SAID, index=0, text=reply, last=True, firsts=(reply,))),
        (
            "chat",
            ReplyGenerated(
                asked=SAID,
                candidates=(Candidate(text=reply, sentences=(reply,)),),
                engine=engine,
                tokens=TokenUse(prompt=200, completion=20 + number % 30),
            ),
        ),
        ("reranker", SentenceChosen(index=0, text=reply, last=True)),
        ("reranker", ReplyChosen(asked=SAID, chosen=0, text=reply, sentences=1)),
        (
            "tts",
            SpeechReady(index=0, last=True, text=reply, audio=sound, rate_hz=22_050, audio_s=2.4, voice=model),
        ),
        ("keeper", TurnCompleted(reply=reply, sentences=1, audio_s=2.4)),
    ]
    events = [Event[Fact].first(SpeechTurnOpened(audio=sound), meta)]
    for place, (stage, fact) in enumerate(said):
        events.append(events[-1].following(stage, 0, fact, at + timedelta(milliseconds=90 * (place + 1))))
    return events


def messages(count: int) -> list[Row]:
    """So many events as the stream holds them."""
    rows: list[Row] = []
    for number in range(count // EVENTS_A_TURN):
        for event in turn(number):
            seq = len(rows) + 1
            rows.append(message(seq, event))
    return rows


def message(seq: int, event: Event[Fact]) -> Row:
    """An event with the headers that a worker puts on it."""
    headers = {
        "ce-type": event.meta.type,
        "ce-source": event.meta.stage,
        "Parley-Hop": f"{seq % 7 + 0.25:.3f} {seq % 310 + 1.5:.3f} 1",
        "traceparent": TRACE,
        "Nats-Msg-Id": event.meta.id,
    }
    return Row(seq, event.subject, headers, event.encoded())
