"""Sound in, utterances out: the real models on real speech, and the stream alone with models that are written here."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from infra.audio import RATE_HZ, Samples, pcm_of
from infra.listening.listener import (
    PENDING_MAX_BYTES,
    RESULTS_MAX,
    Listener,
    ListeningFailed,
    ListeningStream,
)
from infra.listening.utterances import (
    Result,
    SpeechConfirmed,
    SpeechDropped,
    SpeechStarted,
    UtteranceEnded,
    Utterances,
)
from infra.listening.voice_activity import WINDOW, Memory
from infra.voices.hibari import HibariVoice
from schemas.errors import InvalidField
from tests.infra.listening.conftest import Heard

SILENCE = bytes(2 * RATE_HZ * 2)  # two seconds


def ended(results: Sequence[Result]) -> list[UtteranceEnded]:
    return [result for result in results if isinstance(result, UtteranceEnded)]


async def test_six_spoken_sentences_are_six_utterances_that_end_by_themselves(
    listener: Listener, recording: Callable[[str], Samples], heard: Heard
) -> None:
    results = await heard(listener.stream(RATE_HZ), pcm_of(recording("beckett.wav")) + SILENCE)

    utterances = ended(results)
    assert [utterance.reason for utterance in utterances] == ["end-of-turn"] * 6
    known_s = [(0.3, 1.25), (1.85, 2.85), (3.48, 4.22), (4.85, 5.65), (6.6, 7.42), (8.1, 8.93)]
    for utterance, (start_s, end_s) in zip(utterances, known_s, strict=True):
        assert start_s - 0.5 < utterance.from_sample / RATE_HZ < start_s + 0.05
        assert end_s < utterance.to_sample / RATE_HZ < end_s + 0.4
    assert sum(isinstance(result, SpeechConfirmed) for result in results) == 6


async def test_a_pause_in_the_middle_of_a_sentence_does_not_end_it(
    listener: Listener, recording: Callable[[str], Samples], heard: Heard
) -> None:
    samples = recording("two_cities.wav")
    begun, rest = samples[RATE_HZ : round(3.6 * RATE_HZ)], samples[round(3.6 * RATE_HZ) : round(4.95 * RATE_HZ)]
    hesitation = np.zeros(round(0.7 * RATE_HZ), np.float32)

    results = await heard(listener.stream(RATE_HZ), pcm_of(np.concatenate((begun, hesitation, rest))) + SILENCE)

    (utterance,) = ended(results)
    assert utterance.to_sample - utterance.from_sample > len(begun) + len(hesitation) + len(rest) - RATE_HZ


async def test_a_synthesised_sentence_with_a_comma_is_one_utterance(listener: Listener, heard: Heard) -> None:
    voice = HibariVoice()
    sound = await voice.speak("Set a reminder for one a.m. to sleep, and note to buy chocolate.")
    await voice.aclose()

    results = await heard(listener.stream(sound.rate_hz), bytes(sound.rate_hz) + sound.pcm + bytes(4 * sound.rate_hz))

    (utterance,) = ended(results)
    assert utterance.reason == "end-of-turn"
    assert len(utterance.pcm) > 0.8 * len(sound.pcm) * RATE_HZ / sound.rate_hz


@pytest.mark.parametrize("kind", ["silence", "noise", "hum", "clicks", "thumps"])
async def test_what_is_no_speech_is_no_utterance_and_confirms_nothing(
    listener: Listener, heard: Heard, kind: str
) -> None:
    random = np.random.default_rng(5)
    sounds = {
        "silence": np.zeros(20 * RATE_HZ),
        "noise": random.normal(0, 0.1, 20 * RATE_HZ),
        "hum": 0.2 * np.sin(2 * np.pi * 50 * np.arange(20 * RATE_HZ) / RATE_HZ),
        "clicks": _struck(random, 0.9, 0.002),
        "thumps": _struck(random, 0.5, 0.1),
    }

    results = await heard(listener.stream(RATE_HZ), pcm_of(sounds[kind]))

    assert {type(result) for result in results} <= {SpeechStarted, SpeechDropped}


def _struck(random: np.random.Generator, level: float, lasts_s: float) -> NDArray[np.float64]:
    """20 s with a short burst of noise that dies away, each second and a half."""
    sound = random.normal(0, 0.001, 20 * RATE_HZ)
    samples = round(lasts_s * RATE_HZ)
    for at in range(0, len(sound) - samples, round(1.5 * RATE_HZ)):
        sound[at : at + samples] += random.normal(0, level, samples) * np.exp(-4 * np.arange(samples) / samples)
    return sound


async def test_a_browsers_rate_and_a_telephones_hear_what_the_models_rate_hears(
    listener: Listener, recording: Callable[[str], Samples], heard: Heard
) -> None:
    samples = recording("beckett.wav")
    straight = ended(await heard(listener.stream(RATE_HZ), pcm_of(samples) + SILENCE))

    for rate_hz, apart_ms in ((48_000, 64), (44_100, 64), (8_000, 200)):
        resampled = pcm_of(soxr.resample(samples, RATE_HZ, rate_hz)) + bytes(4 * rate_hz)
        utterances = ended(await heard(listener.stream(rate_hz), resampled, frame_bytes=rate_hz // 50 * 2))
        assert len(utterances) == len(straight)
        for one, other in zip(utterances, straight, strict=True):
            assert abs(one.from_sample - other.from_sample) <= apart_ms * 16
            assert abs(one.to_sample - other.to_sample) <= apart_ms * 16


async def test_a_word_in_a_hundred_streams_is_heard_in_each(
    listener: Listener, recording: Callable[[str], Samples], heard: Heard
) -> None:
    said = pcm_of(recording("beckett.wav")[: round(1.3 * RATE_HZ)])

    all_results = await asyncio.gather(*(heard(listener.stream(RATE_HZ), said) for _ in range(100)))

    assert [[type(result) for result in results] for results in all_results] == [
        [SpeechStarted, SpeechConfirmed, UtteranceEnded]
    ] * 100


async def test_by_hand_an_utterance_holds_all_that_was_recorded(
    listener: Listener, recording: Callable[[str], Samples]
) -> None:
    pcm = pcm_of(recording("beckett.wav")[: 5 * RATE_HZ])
    async with listener.stream(RATE_HZ, by_hand=True) as stream:
        for at in range(0, len(pcm), 3200):
            await stream.feed(pcm[at : at + 3200])
        await stream.end_utterance()
        await stream.feed(SILENCE[:3200])
        await stream.close()
        results = [result async for result in stream]

    first, second = ended(results)
    assert first.pcm == pcm
    assert first.voiced_ms > 1000
    assert (second.pcm, second.voiced_ms) == (SILENCE[:3200], 0)


@pytest.mark.parametrize("rate_hz", [0, 7_999, 48_001, -1])
def test_a_rate_that_is_not_allowed_is_refused(rate_hz: int) -> None:
    with pytest.raises(InvalidField, match="8000 to 48000 Hz"):
        Listener(longest_s=60).stream(rate_hz)


# From here on the models are written here: a window is speech when its samples are loud, and a question has an answer.


async def loud(memory: Memory, samples: Samples) -> NDArray[np.float32]:
    probabilities: NDArray[np.float32] = (np.abs(samples.reshape(-1, WINDOW)).mean(axis=1) > 0.1).astype(np.float32)
    return probabilities


async def never_finished(pcm: bytes) -> float | None:
    return 0.0


def scripted(rate_hz: int = RATE_HZ, *, longest_s: float = 60.0, spoken: object = loud) -> ListeningStream:
    return ListeningStream(rate_hz, Utterances(longest_s=longest_s), spoken, never_finished)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("frame", "said"),
    [(b"\0" * 3, "an even number"), (b"\0" * (2 * RATE_HZ + 2), "at most 32000")],
)
async def test_a_frame_that_cannot_be_sound_is_refused_and_the_stream_goes_on(frame: bytes, said: str) -> None:
    async with scripted() as stream:
        with pytest.raises(InvalidField, match=said):
            await stream.feed(frame)
        await stream.feed(b"")
        await stream.close()
        assert [result async for result in stream] == []


async def test_a_model_that_cannot_keep_up_makes_feed_wait() -> None:
    free = asyncio.Event()

    async def stuck(memory: Memory, samples: Samples) -> NDArray[np.float32]:
        await free.wait()
        return await loud(memory, samples)

    async with scripted(spoken=stuck) as stream:

        async def fed() -> None:
            for _ in range(4):
                await stream.feed(bytes(PENDING_MAX_BYTES))

        feeding = asyncio.create_task(fed())
        done, _ = await asyncio.wait({feeding}, timeout=0.05)
        assert not done

        free.set()
        await feeding
        await stream.close()


async def test_results_that_nobody_takes_make_feed_wait_and_none_is_lost() -> None:
    burst = pcm_of(np.full(4 * WINDOW, 0.5)) + bytes(2 * 55 * WINDOW)  # a short word and a long silence
    async with scripted() as stream:

        async def fed() -> None:
            for _ in range(RESULTS_MAX):
                await stream.feed(burst[:32_000])
                await stream.feed(burst[32_000:])
                await stream.feed(bytes(2 * 16 * WINDOW))
            await stream.close()

        feeding = asyncio.create_task(fed())
        done, _ = await asyncio.wait({feeding}, timeout=0.05)
        assert not done

        results = [result async for result in stream]
        await feeding
    assert len(ended(results)) == RESULTS_MAX


async def test_a_model_that_fails_is_told_to_who_feeds_and_who_takes() -> None:
    async def broken(memory: Memory, samples: Samples) -> NDArray[np.float32]:
        raise RuntimeError("no memory")

    async with scripted(spoken=broken) as stream:
        await stream.feed(bytes(2 * WINDOW))
        with pytest.raises(ListeningFailed, match="no memory"):
            await anext(stream)
        with pytest.raises(ListeningFailed, match="no memory"):
            await stream.feed(bytes(2))


async def test_a_stream_that_is_left_without_closing_ends_its_task() -> None:
    before = asyncio.all_tasks()
    async with scripted() as stream:
        await stream.feed(bytes(RATE_HZ))
    assert asyncio.all_tasks() == before


async def test_who_still_feeds_or_takes_results_when_a_stream_is_left_is_let_go() -> None:
    async def stuck(memory: Memory, samples: Samples) -> NDArray[np.float32]:
        await asyncio.Event().wait()
        raise AssertionError

    async def fed() -> None:
        for _ in range(4):
            await stream.feed(bytes(PENDING_MAX_BYTES))

    async with scripted(spoken=stuck) as stream:
        feeding, taking = asyncio.create_task(fed()), asyncio.create_task(anext(stream, None))
        await asyncio.wait({feeding, taking}, timeout=0.05)

    with pytest.raises(RuntimeError, match="used after its close"):
        await feeding
    assert await taking is None


async def test_what_is_being_said_can_be_looked_at() -> None:
    async with scripted() as stream:
        assert stream.so_far(12.0) is None
        await stream.feed(pcm_of(np.full(30 * WINDOW, 0.5)))
        assert isinstance(await anext(stream), SpeechStarted)
        assert isinstance(await anext(stream), SpeechConfirmed)

        so_far = stream.so_far(0.1)

        assert so_far is not None
        assert len(so_far.pcm) == 3200
        assert (so_far.from_sample, so_far.to_sample) == (0, 30 * WINDOW)


def _talk(pauses: Sequence[int]) -> bytes:
    """Words of 20 windows with pauses of so many windows after them, and a rest that is less than a window."""
    random = np.random.default_rng(1)
    pieces = [np.concatenate((random.uniform(0.3, 0.9, 20 * WINDOW), np.zeros(pause * WINDOW))) for pause in pauses]
    return pcm_of(np.concatenate(pieces)) + bytes(2 * 77)


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 1500), max_size=60),
    pauses=st.lists(st.integers(1, 70), min_size=1, max_size=6),
    longest_s=st.sampled_from([1.5, 60.0]),
)
def test_any_chopping_of_the_same_sound_gives_the_same_results(
    cuts: list[int], pauses: list[int], longest_s: float
) -> None:
    pcm = _talk(pauses)
    borders = [0, *(2 * at for at in accumulate(cuts) if 2 * at < len(pcm)), len(pcm)]
    frames = [
        piece[at : at + 32_000]
        for one, end in pairwise(borders)
        for piece in [pcm[one:end]]
        for at in range(0, len(piece), 32_000)
    ]

    async def results_of(fed: Sequence[bytes]) -> list[Result]:
        async with scripted(longest_s=longest_s) as stream:

            async def feed() -> None:
                for frame in fed:
                    await stream.feed(frame)
                await stream.close()

            feeding = asyncio.create_task(feed())
            results = [result async for result in stream]
            await feeding
            return results

    async def both() -> None:
        whole = [pcm[at : at + 32_000] for at in range(0, len(pcm), 32_000)]
        assert await results_of(frames) == await results_of(whole)

    asyncio.run(both())
