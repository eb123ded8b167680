"""A small log whose figures are counted by hand, for the report and for the questions that analysts ask.

| turn | opened (UTC) | user | what                                    | end                | engine, tokens       |
|------|--------------|------|-----------------------------------------|--------------------|----------------------|
| a    | 19 Nov 23:30 | anna | typed; create_note, head 0.95; a task   | completed, 100 ms  | vllm qwen, 100 + 20  |
| b    | 20 Nov 10:00 | anna | spoken; chit_chat, engine 0.55; a query | completed, 900 ms  | contextual, stood in |
| c    | 20 Nov 10:05 | bob  | typed SCRIPT; unknown, fallback 0.25    | failed, 5,000 ms   | none                 |
| d    | 21 Nov 09:00 | bob  | typed                                   | still open         | none                 |
| e    | 21 Nov 09:30 | anna | typed, two intents, head 0.85           | interrupted, 60 ms | vllm qwen, 50 + 30   |

a, b and c are one conversation, d and e each of their own. a has a thumb up, b a thumb down and a correction of its
intent. Each event had waited 5 ms and was worked on for 20 ms, but those of the chat stage in b: 40 and 700. Beside it
stands one turn of the run `again`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from infra.event_log.log import open_log
from infra.event_log.port import Batch, Row, StreamIdentity
from schemas.chat import Candidate, EngineUse, ReplyChosen, ReplyGenerated, ReplyRequested, Score, TokenUse
from schemas.event import Blob, Event, Fact, Meta
from schemas.intents import Intent, IntentClassified, IntentLabel
from schemas.speech import ModelUse, SpeechReady, TranscriptReady
from schemas.tasks import TaskCompleted, TaskOutcome
from schemas.turns import (
    FeedbackRecorded,
    SpeechTurnOpened,
    TextTurnOpened,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
)

SCRIPT: Final = "<script>alert(\"x\")</script> & 'more' </style> http://example.org/x.js"
STREAM: Final = StreamIdentity("PARLEY_EVENTS", datetime(2026, 11, 1, tzinfo=UTC))
SOUND: Final = Blob(ref=f"sha256:{'0' * 64}", media_type="audio/wav", size_bytes=10)
OPENED: Final = {
    "a": datetime(2026, 11, 19, 23, 30, tzinfo=UTC),
    "b": datetime(2026, 11, 20, 10, 0, tzinfo=UTC),
    "c": datetime(2026, 11, 20, 10, 5, tzinfo=UTC),
    "d": datetime(2026, 11, 21, 9, 0, tzinfo=UTC),
    "e": datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
}
TURNS: Final[Mapping[str, str]] = {
    name: f"01936f5e-7b1c-7c3e-8a55-0000000000{place:02}" for place, name in enumerate(OPENED, start=1)
}
CONVERSATIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys("abc", "01936f5e-7b1c-7c3e-8a55-0000000000c1"),
    "d": "01936f5e-7b1c-7c3e-8a55-0000000000c2",
    "e": "01936f5e-7b1c-7c3e-8a55-0000000000c3",
}
USERS: Final = {"a": "anna", "b": "anna", "c": "bob", "d": "bob", "e": "anna"}
SLOW: Final = "chat of b"
Said = tuple[str, int, Fact]  # the stage, milliseconds after the opening, the fact


def _intent(label: IntentLabel, confidence: float, decided_by: str, text: str = "") -> Intent:
    return Intent.model_validate({"label": label, "confidence": confidence, "text": text, "decided_by": decided_by})


def _reply(text: str, engine: EngineUse, tokens: TokenUse, *others: str) -> ReplyGenerated:
    candidates = tuple(Candidate(text=each, sentences=(each,)) for each in (text, *others))
    return ReplyGenerated(asked="", candidates=candidates, engine=engine, tokens=tokens)


QWEN: Final = EngineUse(backend="vllm", model="qwen")
RULES: Final = EngineUse(backend="contextual", model="rules", fallback=True, reason="vllm: no answer in 20 s")
NOTED: Final = TaskOutcome(skill=IntentLabel.CREATE_NOTE, success=True, data={}, message="Noted: tea.")
CLASSIFIED_E: Final = (
    _intent(IntentLabel.CREATE_REMINDER, 0.85, "head", "remind me"),
    _intent(IntentLabel.LIST_NOTES, 0.85, "head", "list notes"),
)
SAID: Final[Mapping[str, tuple[Said, ...]]] = {
    "a": (
        ("intent", 20, IntentClassified(text="note tea", intents=(_intent(IntentLabel.CREATE_NOTE, 0.95, "head"),))),
        ("router", 30, TaskCompleted(intent=0, outcome=NOTED)),
        ("router", 30, ReplyRequested(text="note tea", tasks=(NOTED,))),
        ("chat", 60, _reply("Noted: tea.", QWEN, TokenUse(prompt=100, completion=20), "Done, tea is noted.")),
        (
            "reranker",
            70,
            ReplyChosen(
                chosen=1,
                text="Done, tea is noted.",
                sentences=1,
                scores=(
                    Score(candidate=1, total=0.9, relevance=0.8, repetition=1, length=1, sound=1),
                    Score(candidate=0, total=0.7, relevance=0.6, repetition=1, length=1, sound=1),
                ),
                scored_on="first sentences",
            ),
        ),
        ("keeper", 100, TurnCompleted(reply="Done, tea is noted.", sentences=1)),
    ),
    "b": (
        (
            "stt",
            100,
            TranscriptReady(text="hm well", audio_s=1.5, recogniser=ModelUse(backend="whisper", model="tiny.en")),
        ),
        ("intent", 120, IntentClassified(text="hm well", intents=(_intent(IntentLabel.CHIT_CHAT, 0.55, "engine"),))),
        ("router", 130, ReplyRequested(text="hm well", clarification="What do you mean?")),
        (SLOW, 830, _reply("What do you mean?", RULES, TokenUse(prompt=0, completion=4))),
        ("reranker", 840, ReplyChosen(chosen=0, text="What do you mean?", sentences=1)),
        (
            "tts",
            880,
            SpeechReady(
                index=0,
                last=True,
                text="What do you mean?",
                audio=SOUND,
                rate_hz=22_050,
                audio_s=1.0,
                voice=ModelUse(backend="hibari", model="neural"),
            ),
        ),
        ("keeper", 900, TurnCompleted(reply="What do you mean?", sentences=1, audio_s=1.0)),
    ),
    "c": (
        ("intent", 20, IntentClassified(text=SCRIPT, intents=(_intent(IntentLabel.UNKNOWN, 0.25, "fallback"),))),
        ("keeper", 5_000, TurnFailed(code="deadline", message="I ran out of time.", stage="chat")),
    ),
    "d": (),
    "e": (
        ("intent", 20, IntentClassified(text="remind me and list notes", intents=CLASSIFIED_E)),
        ("router", 30, ReplyRequested(text="remind me and list notes")),
        ("chat", 50, _reply("I will, and there are none.", QWEN, TokenUse(prompt=50, completion=30))),
        ("keeper", 60, TurnInterrupted(reason="stopped by the user", spoken="I will")),
    ),
}
FEEDBACK: Final = (
    FeedbackRecorded(about=TURNS["a"], rating="up"),
    FeedbackRecorded(about=TURNS["b"], rating="down"),
    FeedbackRecorded(about=TURNS["b"], intent=IntentLabel.GENERAL_QUERY),
)


def events() -> list[Event[Fact]]:
    """All of them, in the order in which they were said."""
    found: list[Event[Fact]] = []
    for name in OPENED:
        found += _turn(name)
    again = _turn("a", run="again")
    given = [found[0].following("keeper", 90 + place, each, OPENED["e"]) for place, each in enumerate(FEEDBACK)]
    return [*found, *again, *given]


def _turn(name: str, run: str = "live") -> list[Event[Fact]]:
    texts = {"a": "note tea", "c": SCRIPT, "d": "are you there", "e": "remind me and list notes\x1b[31m"}
    opening: Fact = SpeechTurnOpened(audio=SOUND) if name == "b" else TextTurnOpened(text=texts[name])
    meta = Meta(
        id=f"{TURNS[name]}-{run}",
        type=type(opening).__name__,
        run=run,
        conversation=CONVERSATIONS[name],
        turn=TURNS[name],
        number="abc".find(name) + 1 if name in "abc" else 1,
        user=USERS[name],
        cause=f"{TURNS[name]}-submitted",
        stage="keeper",
        time=OPENED[name],
        deadline=OPENED[name] + timedelta(minutes=1),
    )
    told = [Event[Fact].first(opening, meta)]
    for place, (stage, at_ms, fact) in enumerate(SAID[name]):
        at = OPENED[name] + timedelta(milliseconds=at_ms)
        told.append(told[0].following(stage.split(" ")[0], place, fact, at))
    return told


def rows() -> tuple[Row, ...]:
    """The events as the stream holds them."""
    slow = TURNS["b"]
    return tuple(
        Row(
            place,
            event.subject,
            {"Parley-Hop": "40 700 1" if (event.meta.stage, event.meta.turn) == ("chat", slow) else "5 20 1"},
            event.encoded(),
        )
        for place, event in enumerate(events(), start=1)
    )


async def write(path: Path, *, keeps_content: bool = True) -> None:
    """Make the log."""
    async with await open_log(path, keeps_content=keeps_content) as log:
        await log.append(Batch(STREAM, rows()))
