"""What every voice promises, on hibari and pyttsx3."""

import asyncio
from collections.abc import AsyncIterator
from difflib import SequenceMatcher

import numpy as np
import pytest
import pytest_asyncio

from infra.audio import decode_blocking, wav_of
from infra.recognisers.factory import make_recogniser
from infra.voices.factory import DEFAULT, make_voice
from infra.voices.port import Sound, Voice, VoiceUnavailable
from schemas.errors import InvalidField

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAMES = ("hibari", "pyttsx3")
SENTENCE = "Good morning, how can I help you today?"


@pytest_asyncio.fixture(params=NAMES, loop_scope="module", scope="module")
async def voice(request: pytest.FixtureRequest) -> AsyncIterator[Voice]:
    made = make_voice(request.param)
    await made.load()
    yield made
    await made.aclose()


def loudness(sound: Sound) -> float:
    return float(np.frombuffer(sound.pcm, "<i2").astype(np.float32).std() / 32768)


async def test_a_sentence_becomes_sound_of_the_length_of_speech(voice: Voice) -> None:
    sound = await voice.speak(SENTENCE)

    assert sound.rate_hz == voice.rate_hz
    assert 1.5 < sound.audio_s < 5
    assert len(sound.pcm) == 2 * round(sound.audio_s * sound.rate_hz)
    assert 0.01 < loudness(sound) < 0.5


async def test_what_is_said_is_what_is_heard(voice: Voice) -> None:
    recogniser = make_recogniser("whisper")
    sound = await voice.speak(SENTENCE)

    heard = await recogniser.transcribe(decode_blocking(wav_of(sound.pcm, sound.rate_hz)))

    await recogniser.aclose()
    assert SequenceMatcher(None, heard.text.lower(), SENTENCE.lower()).ratio() > 0.9


async def test_more_words_take_longer(voice: Voice) -> None:
    short, long = await voice.speak("Hello."), await voice.speak(" ".join([SENTENCE] * 3))

    assert long.audio_s > 3 * short.audio_s


@pytest.mark.parametrize("nothing", ["", " ", "\n"])
async def test_nothing_to_say_gives_no_sound(voice: Voice, nothing: str) -> None:
    assert (await voice.speak(nothing)).audio_s == 0


@pytest.mark.parametrize("text", ["中文", "a\x00b", "x" * 2_000, "(((", "'quoted'", "Привет"])
async def test_odd_text_does_not_break_it(voice: Voice, text: str) -> None:
    await voice.speak(text)

    assert (await voice.speak(SENTENCE)).audio_s > 1


async def test_calls_that_overlap_each_get_their_own_sound(voice: Voice) -> None:
    texts = ["No.", SENTENCE, "No.", " ".join([SENTENCE] * 2)]
    alone = [(await voice.speak(text)).audio_s for text in texts]

    together = await asyncio.gather(*map(voice.speak, texts))

    assert [sound.audio_s for sound in together] == pytest.approx(alone, abs=0.05)


async def test_a_call_that_is_given_up_does_not_disturb_the_next(voice: Voice) -> None:
    given_up = asyncio.ensure_future(voice.speak(" ".join([SENTENCE] * 20)))
    await asyncio.sleep(0)  # it has begun
    given_up.cancel()

    assert 0.3 < (await voice.speak("No.")).audio_s < 1.5, "its own sound, and nothing of the other's minute"
    assert given_up.cancelled()


@pytest.mark.parametrize("name", NAMES)
async def test_a_voice_that_is_not_there_is_said_to_be_missing(name: str) -> None:
    made = make_voice(name, "nobody")

    with pytest.raises(VoiceUnavailable, match="nobody"):
        await made.load()
    await made.aclose()


async def test_a_name_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidField) as refused:
        make_voice("festival")

    assert refused.value.field == "voice.backend"
    assert refused.value.expected == "one of hibari, pyttsx3, scripted"


async def test_the_default_is_the_neural_voice() -> None:
    assert make_voice().backend == DEFAULT == "hibari"
