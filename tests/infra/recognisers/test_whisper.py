"""How Whisper's two readings of a stretch are weighed."""

import time
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import WhisperModel

from infra.audio import RATE_HZ, decode_blocking
from infra.recognisers import whisper
from infra.recognisers.activity import find_speech
from infra.recognisers.whisper import WhisperRecogniser, _says_twice
from infra.voices.hibari import HibariVoice


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("Turn left. Turn left.", True),
        ("no no", True),
        ("Turn left after about 300 meters. Turn left after about 300 meters.", True),
        ("It was the best of times, it was the worst of times.", False),
        ("Turn left, then left again.", False),
        ("", False),
    ],
)
def test_a_repetition_is_two_equal_runs_of_words_side_by_side(text: str, twice: bool) -> None:
    assert _says_twice(text) is twice


def test_a_long_text_is_searched_in_no_time() -> None:
    assert not _says_twice(" ".join(f"word{at}" for at in range(2_000)))


async def test_a_sentence_that_the_short_context_says_twice_is_said_once() -> None:
    voice, recogniser = HibariVoice(), WhisperRecogniser()
    sound = await voice.speak("Turn left after about three hundred meters.")
    at_24_khz = np.frombuffer(sound.pcm, "<i2").astype(np.float32) / 32768
    samples = np.interp(np.arange(0, len(at_24_khz), 1.5), np.arange(len(at_24_khz)), at_24_khz).astype(np.float32)

    heard = await recogniser.transcribe(samples)

    assert heard.text.lower().count("turn left") == 1
    await voice.aclose()
    await recogniser.aclose()


async def test_a_text_that_goes_round_in_circles_is_cut_off_in_time() -> None:
    recogniser = WhisperRecogniser()
    path = next(Path(str(file.locate())) for file in files("moonshine-voice") or () if file.name == "two_cities.wav")
    sentence = decode_blocking(path.read_bytes())[int(0.96 * RATE_HZ) : int(4.83 * RATE_HZ)]  # the short context loops
    await recogniser.load()
    begun = time.process_time()

    heard = await recogniser.transcribe(sentence)

    assert heard.text.lower().count("best of times") == 1
    assert time.process_time() - begun < 5.0  # 6 s for the loop alone without the limit on tokens
    await recogniser.aclose()


async def test_a_short_turn_is_encoded_in_a_third_of_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser = WhisperRecogniser()
    await recogniser.load()
    encoder = recogniser._loaded()
    seen: list[int] = []
    original = WhisperModel.encode

    def watched(self: object, features: np.ndarray) -> object:
        seen.append(features.shape[-1])
        return original(self, features)

    monkeypatch.setattr(WhisperModel, "encode", watched)
    features = np.zeros((80, 3000), np.float32)
    features[:, :300] = 0.5

    encoder.short = True
    encoder.encode(features)
    encoder.short = False
    encoder.encode(features)

    assert seen == [whisper.CONTEXT_MIN_FRAMES, 3000]
    await recogniser.aclose()


def test_a_stretch_is_halved_in_its_quietest_place_and_nothing_is_lost() -> None:
    stretch = np.random.default_rng(4).uniform(-0.5, 0.5, 10 * RATE_HZ).astype(np.float32)
    stretch[int(4.0 * RATE_HZ) : int(4.3 * RATE_HZ)] *= 0.01

    first, second = whisper._halves(stretch)
    pieces = whisper._cut(stretch, 5.0)

    assert 4.0 <= len(first) / RATE_HZ <= 4.3
    assert np.array_equal(np.concatenate([first, second]), stretch)
    assert np.array_equal(np.concatenate(pieces), stretch)
    assert all(whisper.PIECE_MIN_S <= len(piece) / RATE_HZ <= 5.0 for piece in pieces)


def test_the_shortest_stretch_that_may_be_halved_is_halved_in_the_middle() -> None:
    first, second = whisper._halves(np.zeros(int(2 * whisper.PIECE_MIN_S * RATE_HZ), np.float32))

    assert len(first) == len(second) == whisper.PIECE_MIN_S * RATE_HZ


def test_speech_is_cut_in_pauses_into_stretches_of_the_length_asked_for() -> None:
    noise = 1e-4 * np.random.default_rng(3).standard_normal(5 * RATE_HZ).astype(np.float32)

    activity = find_speech(noise, 28.0)

    assert (activity.stretches, activity.empty_because) == ((), "silence")
