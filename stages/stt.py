"""Hears SpeechTurnOpened, says TranscriptReady. Knows neither which recogniser listens nor where the sound lies.

Silence and noise give an empty transcript that says so. A recording that cannot be used, or was never put into the
store, raises UnusableAudio, which is final; a model that does not load, or a store that cannot be reached, raises what
its port says and may be tried again.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from infra.audio import RATE_HZ, AudioLimits, UnusableAudio, decode
from infra.blobs.port import BlobMissing, BlobStore
from infra.recognisers.port import Recogniser
from schemas.event import Blob, Event, Fact
from schemas.speech import ModelUse, TranscriptReady
from schemas.stage import Stage, Told
from schemas.turns import SpeechTurnOpened


@dataclass(frozen=True, slots=True)
class SttGiven:
    """What it works with."""

    blobs: BlobStore
    recogniser: Recogniser
    limits: AudioLimits = field(default_factory=AudioLimits)


async def transcribe(event: Event[SpeechTurnOpened], given: SttGiven, earlier: tuple[Fact, ...]) -> AsyncIterator[Told]:
    """Fetch the sound, decode it, and say what was heard."""
    del earlier  # the transcript is said once a turn; the bus refuses a second
    audio = event.fact.audio
    if audio.size_bytes > given.limits.max_bytes:
        raise UnusableAudio("audio.size_bytes", audio.size_bytes, f"at most {given.limits.max_bytes} bytes")
    samples = await decode(await _fetched(audio, given.blobs), given.limits)
    heard = await given.recogniser.transcribe(samples)
    yield TranscriptReady(
        text=heard.text,
        audio_s=len(samples) / RATE_HZ,
        confidence=heard.confidence,
        empty_because=heard.empty_because,
        recogniser=ModelUse(backend=given.recogniser.backend, model=given.recogniser.model),
    )


async def _fetched(audio: Blob, blobs: BlobStore) -> bytes:
    """The recording. Who submits it puts it first, so one that is missing will not come. Raises UnusableAudio."""
    try:
        return await blobs.get(audio)
    except BlobMissing:
        expected = "a recording that was put into the blob store before it was submitted"
        raise UnusableAudio("audio.ref", audio.ref, expected) from None


STT = Stage(name="stt", hears=(SpeechTurnOpened,), says=(TranscriptReady,), handle=transcribe, slots=1)
