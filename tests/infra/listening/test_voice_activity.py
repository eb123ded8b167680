"""Silero on real speech, alone and in company."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from faster_whisper.vad import VadOptions, get_speech_timestamps

from infra.audio import RATE_HZ, Samples
from infra.listening.batches import Batches
from infra.listening.utterances import SPEECH_FROM
from infra.listening.voice_activity import WINDOW, Memory, VoiceActivity

WINDOW_S = WINDOW / RATE_HZ


@pytest.fixture(scope="module")
def activity() -> VoiceActivity:
    return VoiceActivity()


def whole_windows(samples: Samples) -> Samples:
    return samples[: len(samples) // WINDOW * WINDOW]


def test_speech_is_found_where_the_detector_of_another_library_finds_it(
    activity: VoiceActivity, recording: Callable[[str], Samples]
) -> None:
    samples = whole_windows(recording("two_cities.wav"))
    spans = get_speech_timestamps(samples, VadOptions(threshold=0.5, min_silence_duration_ms=100, speech_pad_ms=0))
    theirs = np.zeros(len(samples) // WINDOW, bool)
    for span in spans:
        theirs[span["start"] // WINDOW : span["end"] // WINDOW] = True

    (found,) = activity.probabilities([(Memory(), samples)])

    assert np.mean((found >= SPEECH_FROM) == theirs) > 0.93  # it is an older release of the same model
    assert theirs.mean() > 0.5


def test_the_first_word_of_a_recording_is_noticed_within_two_windows(
    activity: VoiceActivity, recording: Callable[[str], Samples]
) -> None:
    samples = whole_windows(recording("beckett.wav"))
    level = np.sqrt(np.square(samples.reshape(-1, WINDOW)).mean(axis=1))
    loud = int(np.argmax(level > 0.1 * level.max()))

    (found,) = activity.probabilities([(Memory(), samples)])

    assert abs(int(np.argmax(found >= SPEECH_FROM)) - loud) <= 2


@pytest.mark.parametrize("kind", ["silence", "white noise", "hum", "tone"])
def test_what_is_no_speech_stays_below(activity: VoiceActivity, kind: str) -> None:
    time_s = np.arange(10 * RATE_HZ) / RATE_HZ
    noise = np.random.default_rng(7).normal(0, 0.1, len(time_s))
    sounds = {
        "silence": np.zeros(len(time_s)),
        "white noise": noise,
        "hum": 0.2 * np.sin(2 * np.pi * 50 * time_s),
        "tone": 0.2 * np.sin(2 * np.pi * 440 * time_s),
    }

    (found,) = activity.probabilities([(Memory(), whole_windows(sounds[kind].astype(np.float32)))])

    assert found.max() < SPEECH_FROM


def test_a_stream_hears_the_same_alone_in_company_and_in_pieces(
    activity: VoiceActivity, recording: Callable[[str], Samples]
) -> None:
    speech = whole_windows(recording("beckett.wav"))[: 200 * WINDOW]
    other = whole_windows(recording("two_cities.wav"))[: 90 * WINDOW]
    (alone,) = activity.probabilities([(Memory(), speech)])

    first, second = Memory(), Memory()
    begun, _ = activity.probabilities([(first, speech[: 70 * WINDOW]), (second, other)])
    _, went_on = activity.probabilities([(second, other), (first, speech[70 * WINDOW :])])

    assert np.abs(np.concatenate((begun, went_on)) - alone).max() < 1e-5


async def test_streams_that_wait_at_the_same_time_are_heard_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original = VoiceActivity.probabilities

    def counted(self: VoiceActivity, streams: list[tuple[Memory, Samples]]) -> list[np.ndarray]:
        calls.append(len(streams))
        return original(self, streams)

    monkeypatch.setattr(VoiceActivity, "probabilities", counted)
    window = np.zeros(WINDOW, np.float32)

    async with Batches() as batches:
        found = await asyncio.gather(*(batches.probabilities(Memory(), window) for _ in range(20)))

    assert calls == [20]
    assert all(each.shape == (1,) for each in found)


async def test_a_model_that_fails_is_told_to_those_who_wait_and_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Batches() as batches:
        with pytest.raises(ValueError, match="cannot reshape"):
            await batches.probabilities(Memory(), np.zeros(WINDOW + 1, np.float32))
        found = await batches.probabilities(Memory(), np.zeros(WINDOW, np.float32))

    assert found.shape == (1,)
