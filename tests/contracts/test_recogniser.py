"""What every recogniser promises, on Whisper and Moonshine with their real weights."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from infra.audio import RATE_HZ, Samples, decode_blocking, wav_of
from infra.recognisers.factory import make_recogniser
from infra.recognisers.port import Recogniser, RecogniserUnavailable
from infra.voices.factory import make_voice
from schemas.errors import InvalidField

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAMES = ("whisper", "moonshine")
LENGTH_S = 3.0
Noise = Callable[[float, float], NDArray[np.float64]]
RNG = np.random.default_rng(20261120)


@pytest_asyncio.fixture(params=NAMES, loop_scope="module", scope="module")
async def recogniser(request: pytest.FixtureRequest) -> AsyncIterator[Recogniser]:
    made = make_recogniser(request.param)
    await made.load()
    yield made
    await made.aclose()


@pytest.fixture(scope="module")
def best_of_times() -> Samples:
    """Four seconds of a human reader: "It was the best of times, it was the worst of times"."""
    path = next(Path(str(file.locate())) for file in files("moonshine-voice") or () if file.name == "two_cities.wav")
    return decode_blocking(path.read_bytes())[int(0.8 * RATE_HZ) : int(4.85 * RATE_HZ)]


def db(level: float) -> float:
    return float(10 ** (level / 20))


def white(rms: float, audio_s: float = LENGTH_S) -> NDArray[np.float64]:
    return rms * RNG.standard_normal(int(audio_s * RATE_HZ))


def pink(rms: float, audio_s: float = LENGTH_S) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(RNG.standard_normal(int(audio_s * RATE_HZ)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    sound = np.fft.irfft(spectrum)
    return np.asarray(rms * sound / sound.std())


def sines(*hz: float, peak: float = 0.3) -> NDArray[np.float64]:
    t = np.arange(int(LENGTH_S * RATE_HZ)) / RATE_HZ
    return np.asarray(peak * np.sum([np.sin(2 * np.pi * f * t) for f in hz], axis=0) / len(hz))


def melody() -> NDArray[np.float64]:
    """Struck strings: eight notes with overtones that die away."""
    t = np.arange(int(LENGTH_S * RATE_HZ / 8)) / RATE_HZ
    notes = (262, 330, 392, 523, 392, 330, 262, 220)
    return np.concatenate(
        [0.3 * np.exp(-4 * t) * sum(np.sin(2 * np.pi * f * k * t) / k for k in (1, 2, 3, 4)) for f in notes]
    )


def clicks() -> NDArray[np.float64]:
    sound = np.zeros(int(LENGTH_S * RATE_HZ))
    for at in RNG.integers(0, len(sound) - 200, 12):
        sound[at : at + 80] += 0.6 * RNG.standard_normal(80) * np.exp(-np.arange(80) / 15)
    return sound


def breath() -> NDArray[np.float64]:
    spectrum = np.fft.rfft(RNG.standard_normal(int(LENGTH_S * RATE_HZ)))
    hz = np.fft.rfftfreq(int(LENGTH_S * RATE_HZ), 1 / RATE_HZ)
    sound = np.fft.irfft(spectrum * np.exp(-(((hz - 1200) / 900) ** 2)))
    t = np.arange(len(sound)) / RATE_HZ
    return np.asarray(0.05 * sound / sound.std() * np.clip(np.sin(np.pi * t), 0, 1) ** 2)


NOT_SPEECH: dict[str, NDArray[np.float64]] = {
    **{f"white noise at {level} dB": white(db(level)) for level in (-50, -40, -30, -20, -10)},
    **{f"pink noise at {level} dB": pink(db(level)) for level in (-50, -40, -30, -20, -10)},
    **{f"a tone of {hz} Hz": sines(hz) for hz in (100, 200, 440, 1000, 3000)},
    "mains hum": sines(50, 100, 150, 200, 250, 300),
    "a chord": sines(220, 277, 330),
    "a melody": melody(),
    "clicks": clicks(),
    "breath": breath(),
}  # fmt: skip


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z ]", " ", text.lower()).split()


async def test_real_speech_is_understood(recogniser: Recogniser, best_of_times: Samples) -> None:
    heard = await recogniser.transcribe(best_of_times)

    assert words(heard.text) == words("It was the best of times, it was the worst of times")
    assert heard.empty_because is None
    assert heard.confidence is None or 0.5 < heard.confidence <= 1


@pytest.mark.parametrize("level", [-20, -30, -45])
async def test_quiet_speech_is_understood_as_well(recogniser: Recogniser, best_of_times: Samples, level: float) -> None:
    heard = await recogniser.transcribe((best_of_times * db(level)).astype(np.float32))

    assert words(heard.text) == words("It was the best of times, it was the worst of times")


@pytest.mark.parametrize("noise", [white, pink])
async def test_speech_ten_decibels_above_noise_is_understood_but_for_a_word(
    recogniser: Recogniser, best_of_times: Samples, noise: Noise
) -> None:
    sound = noise(float(best_of_times.std()) * db(-10), len(best_of_times) / RATE_HZ)

    heard = await recogniser.transcribe((best_of_times + sound).astype(np.float32))

    wanted = words("It was the best of times, it was the worst of times")
    assert sum(word in words(heard.text) for word in wanted) >= len(wanted) - 1


@pytest.mark.parametrize("pause_s", [0.0, 0.5])
@pytest.mark.parametrize("times", [3, 8])
@pytest.mark.slow
async def test_what_is_said_several_times_is_heard_as_often(recogniser: Recogniser, times: int, pause_s: float) -> None:
    text = "Switch on the lights in the kitchen."
    voice = make_voice("hibari")
    sound = await voice.speak(text)
    await voice.aclose()
    pause = bytes(2 * int(pause_s * sound.rate_hz))
    samples = decode_blocking(wav_of((sound.pcm + pause) * times, sound.rate_hz))

    heard = await recogniser.transcribe(samples)

    assert len(words(heard.text)) == pytest.approx(times * len(words(text)), abs=times)
    assert words(heard.text).count("lights") >= times - 1
    assert heard.empty_because is None


@pytest.mark.slow
async def test_speech_played_backwards_is_not_made_into_a_story(best_of_times: Samples) -> None:
    recogniser = make_recogniser("whisper")

    heard = await recogniser.transcribe(np.ascontiguousarray(np.tile(best_of_times, 5)[::-1]))

    assert (heard.text, heard.empty_because) == ("", "noise")
    await recogniser.aclose()


@pytest.mark.parametrize("audio_s", [0.1, 3.0, 40.0])
async def test_digital_silence_is_heard_as_silence(recogniser: Recogniser, audio_s: float) -> None:
    heard = await recogniser.transcribe(np.zeros(int(audio_s * RATE_HZ), np.float32))

    assert (heard.text, heard.empty_because) == ("", "silence")


@pytest.mark.parametrize("noise", [white, pink])
async def test_the_hiss_of_an_open_microphone_is_silence(recogniser: Recogniser, noise: Noise) -> None:
    heard = await recogniser.transcribe(noise(db(-70), LENGTH_S).astype(np.float32))

    assert (heard.text, heard.empty_because) == ("", "silence")


@pytest.mark.parametrize("name", NOT_SPEECH)
async def test_sounds_that_are_not_speech_give_no_invented_words(recogniser: Recogniser, name: str) -> None:
    heard = await recogniser.transcribe(NOT_SPEECH[name].astype(np.float32))

    assert (heard.text, heard.empty_because, heard.confidence) == ("", "noise", None)


async def test_a_long_pause_between_two_sentences_adds_nothing(recogniser: Recogniser, best_of_times: Samples) -> None:
    pause = pink(db(-55), 20.0).astype(np.float32)

    heard = await recogniser.transcribe(np.concatenate([best_of_times, pause, best_of_times]))

    assert words(heard.text) == 2 * words("It was the best of times, it was the worst of times")


async def test_calls_that_overlap_each_get_their_own_answer(recogniser: Recogniser, best_of_times: Samples) -> None:
    silence = np.zeros(RATE_HZ, np.float32)

    first, second, third = await asyncio.gather(*map(recogniser.transcribe, [best_of_times, silence, best_of_times]))

    assert second.empty_because == "silence"
    assert first.text == third.text != ""


async def test_a_call_that_is_given_up_does_not_disturb_the_next(
    recogniser: Recogniser, best_of_times: Samples
) -> None:
    given_up = asyncio.ensure_future(recogniser.transcribe(best_of_times))
    await asyncio.sleep(0)  # it has begun
    given_up.cancel()

    heard = await recogniser.transcribe(np.zeros(RATE_HZ, np.float32))

    assert heard.empty_because == "silence"
    assert given_up.cancelled()


@pytest.mark.parametrize("name", NAMES)
async def test_a_model_that_is_not_there_is_said_to_be_missing(name: str, tmp_path: Path) -> None:
    made = make_recogniser(name, str(tmp_path))

    with pytest.raises(RecogniserUnavailable, match=re.escape(str(tmp_path))):
        await made.load()
    await made.aclose()


async def test_a_name_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidField) as refused:
        make_recogniser("vosk")

    assert refused.value.field == "recogniser.backend"
    assert "moonshine" in refused.value.expected
    assert "whisper" in refused.value.expected
