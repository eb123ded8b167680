"""What of an event a client on the socket is told. Pure: events in, messages out; sound is fetched by whoever sends."""

from typing import Any

from pipeline.front_end import Told as Heard
from schemas import chat, intents, speech, tasks, turns
from schemas.event import Blob
from schemas.intake import Submission
from schemas.socket import told


def message_of(heard: Heard, seq: int) -> told.FromEvent | None:
    """The message for an event at this place of the stream; None for what is nobody's business at a front-end."""
    meta, hop = heard.event.meta, heard.hop
    by = told.Timing(stage=meta.stage, queue_ms=hop.queue_ms, work_ms=hop.work_ms, attempt=hop.attempt)
    common: dict[str, Any] = {"seq": seq, "turn": meta.turn, "number": meta.number, "time": meta.time, "by": by}
    match heard.event.fact:
        case turns.TextTurnOpened(text=text):
            return told.Opened(**common, text=text, spoken=False)
        case turns.SpeechTurnOpened():
            return told.Opened(**common, spoken=True)
        case speech.TranscriptReady() as heard_text:
            return told.Transcript(
                **common,
                text=heard_text.text,
                audio_s=heard_text.audio_s,
                confidence=heard_text.confidence,
                empty_because=heard_text.empty_because,
            )
        case intents.IntentClassified() as classified:
            return told.Intents(**common, intents=classified.intents)
        case tasks.TaskCompleted(outcome=outcome):
            return told.Task(**common, outcome=outcome)
        case chat.ReplyRequested(clarification=str() as question):
            return told.Clarification(**common, question=question)
        case chat.SentenceChosen() as chosen:
            return told.Sentence(**common, index=chosen.index, text=chosen.text, last=chosen.last)
        case speech.SpeechReady() as ready:
            return _audio(common, ready, index=ready.index, last=ready.last)
        case speech.ApologySpoken() as spoken:
            return _audio(common, spoken, index=0, last=True, apology=True)
        case turns.TurnEnd() as end:
            return _ended(common, end)
        case turns.ReplyCutShort() as cut:
            return told.CutShort(**common, sentences_played=cut.sentences_played, reply=cut.spoken)
        case turns.FeedbackRecorded():
            return told.Recorded(**common)
        case chat.ReplyGenerated(engine=engine) as generated:
            name = f"{engine.backend} {engine.model}"
            return told.Stage(**common, event=type(generated).__name__, engine=name, fallback=engine.fallback)
        case tasks.ReminderDue() | Submission():
            return None
        case other:
            return told.Stage(**common, event=type(other).__name__)


def sound_of(heard: Heard) -> Blob | None:
    """Where the sound lies that goes with an `audio` message."""
    fact = heard.event.fact
    return fact.audio if isinstance(fact, speech.SpeechReady | speech.ApologySpoken) else None


def _audio(common: dict[str, Any], spoken: "speech.SpeechReady | speech.ApologySpoken", **more: Any) -> told.Audio:
    size = spoken.audio.size_bytes
    return told.Audio(
        **common, **more, text=spoken.text, audio_s=spoken.audio_s, rate_hz=spoken.rate_hz, size_bytes=size
    )


def _ended(common: dict[str, Any], end: turns.TurnEnd) -> told.Ended:
    match end:
        case turns.TurnCompleted(reply=reply):
            return told.Ended(**common, outcome="completed", reply=reply)
        case turns.TurnInterrupted(spoken=spoken, reason=reason):
            return told.Ended(**common, outcome="interrupted", reply=spoken, reason=reason)
        case turns.TurnFailed() as failed:
            return told.Ended(**common, outcome="failed", reply=failed.message, code=failed.code, reason=failed.error)
        case _:
            raise TypeError(f"{type(end).__name__} is no end of a turn")
