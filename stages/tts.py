"""Hears SentenceChosen, says SpeechReady, one a sentence; nothing when the turn wants no sound.

Hears ApologyRequested, says ApologySpoken: why a turn failed is said aloud too. Knows neither which voice speaks nor
where the sound lies. A sentence that holds nothing to say ("...", an emoji) gives a short silence, because the turn
ends with the last sentence's sound.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from infra.audio import WAV_MEDIA_TYPE, wav_of
from infra.blobs.port import BlobStore
from infra.voices.port import Sound, Voice, silence
from infra.voices.spoken_form import spoken_form
from schemas.chat import SentenceChosen
from schemas.errors import InvalidField
from schemas.event import Event, Fact
from schemas.speech import ApologySpoken, ModelUse, SpeechReady
from schemas.stage import Stage, Told
from schemas.turns import ApologyRequested

SENTENCE_MAX_CHARS = 2_000  # two minutes of speech: no sentence is as long, and a voice must not be held up by one
UNSPEAKABLE_S = 0.2  # the silence in place of a sentence without words


class UnspeakableText(InvalidField):
    """The sentence breaks a limit; trying again would not help."""


@dataclass(frozen=True, slots=True)
class TtsGiven:
    """What it works with."""

    blobs: BlobStore
    voice: Voice
    sentence_max_chars: int = SENTENCE_MAX_CHARS


async def speak(
    event: Event[SentenceChosen | ApologyRequested], given: TtsGiven, earlier: tuple[Fact, ...]
) -> AsyncIterator[Told]:
    """Turn the text into what is said, say it, and keep the sound."""
    del earlier  # the same sentence gives the same event id; the bus drops a second
    if not event.meta.speech:
        return
    fact = event.fact
    if len(fact.text) > given.sentence_max_chars:
        raise UnspeakableText("text", fact.text, f"at most {given.sentence_max_chars} characters in one sentence")
    sound = await _said(given.voice, fact.text)
    audio = await given.blobs.put(wav_of(sound.pcm, sound.rate_hz), WAV_MEDIA_TYPE)
    voice = ModelUse(backend=given.voice.backend, model=given.voice.model)
    told = {"text": fact.text, "audio": audio, "rate_hz": sound.rate_hz, "audio_s": sound.audio_s, "voice": voice}
    if isinstance(fact, SentenceChosen):
        yield SpeechReady.model_validate({"index": fact.index, "last": fact.last, **told})
    else:
        yield ApologySpoken.model_validate(told)


async def _said(voice: Voice, text: str) -> Sound:
    words = spoken_form(text)
    sound = await voice.speak(words) if words else None
    # A voice may find nothing to say in words of a script that it does not read.
    return sound if sound is not None and sound.pcm else silence(UNSPEAKABLE_S, voice.rate_hz)


TTS = Stage(
    name="tts",
    hears=(SentenceChosen, ApologyRequested),
    says=(SpeechReady, ApologySpoken),
    handle=speak,
    slots=1,
)
