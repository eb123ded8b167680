"""Hearing and speaking: what the recogniser understood, what the voice said."""

from typing import ClassVar, Literal

from pydantic import Field

from schemas.event import Blob, Count, Fact, Frozen


class ModelUse(Frozen):
    """Which model did it."""

    backend: str  # e.g. "whisper", "pyttsx3"
    model: str  # e.g. "tiny.en"


class TranscriptReady(Fact):
    """What was said. Empty text means that nothing was; `empty_because` then says what was heard instead."""

    once: ClassVar[bool] = True
    text: str
    audio_s: float = Field(ge=0)
    confidence: float | None = Field(default=None, ge=0, le=1)  # mean token probability; None if the model has none
    empty_because: Literal["silence", "noise"] | None = None
    recogniser: ModelUse


class SpeechReady(Fact):
    """One sentence as sound (PCM s16le mono in a WAV file, in the blob store)."""

    index: Count
    last: bool
    text: str
    audio: Blob
    rate_hz: int = Field(gt=0)
    audio_s: float = Field(ge=0)
    voice: ModelUse


class ApologySpoken(Fact):
    """Why there is no reply, as sound of the same kind; it comes after the turn's end."""

    once: ClassVar[bool] = True
    text: str
    audio: Blob
    rate_hz: int = Field(gt=0)
    audio_s: float = Field(ge=0)
    voice: ModelUse
