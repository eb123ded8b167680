"""Smart Turn on real speech, and what it is fed."""

from collections.abc import Callable

import numpy as np
import pytest

from infra.audio import RATE_HZ, Samples
from infra.listening.end_of_turn import SEEN, EndOfTurn
from infra.listening.utterances import FINISHED_FROM

# In beckett.wav, six sentences of two words each: where the level rises and falls.
SENTENCE_ENDS_S = (1.25, 2.85, 4.22, 5.65, 7.42, 8.93)
SENTENCE_STARTS_S = (0.3, 1.85, 3.48, 4.85, 6.6, 8.1)
PAUSE_S = 0.25


@pytest.fixture(scope="module")
def end_of_turn() -> EndOfTurn:
    return EndOfTurn()


def test_every_spoken_sentence_is_finished(end_of_turn: EndOfTurn, recording: Callable[[str], Samples]) -> None:
    samples = recording("beckett.wav")

    for start_s, end_s in zip(SENTENCE_STARTS_S, SENTENCE_ENDS_S, strict=True):
        sentence = samples[round(start_s * RATE_HZ) : round((end_s + PAUSE_S) * RATE_HZ)]
        assert end_of_turn.probability(sentence) >= FINISHED_FROM


def test_a_sentence_that_breaks_off_is_not_finished(
    end_of_turn: EndOfTurn, recording: Callable[[str], Samples]
) -> None:
    samples, silence = recording("two_cities.wav"), np.zeros(round(PAUSE_S * RATE_HZ), np.float32)

    for begun_s, broken_off_s in ((1.2, 2.2), (1.2, 3.6), (17.5, 19.4), (33.0, 36.0)):
        begun = samples[round(begun_s * RATE_HZ) : round(broken_off_s * RATE_HZ)]
        assert end_of_turn.probability(np.concatenate((begun, silence))) < FINISHED_FROM


def test_only_the_last_eight_seconds_count(end_of_turn: EndOfTurn, recording: Callable[[str], Samples]) -> None:
    samples = recording("two_cities.wav")[: 20 * RATE_HZ]

    assert end_of_turn.probability(samples) == end_of_turn.probability(samples[-SEEN:])


def test_the_features_are_whispers_of_a_signal_of_zero_mean_and_unit_variance(end_of_turn: EndOfTurn) -> None:
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(SEEN) / RATE_HZ).astype(np.float32)

    features = end_of_turn.features(tone + np.float32(0.2))  # a constant is taken away

    assert features.shape == (80, 800)
    assert np.allclose(features[:, 2:-2], end_of_turn.features(10 * tone)[:, 2:-2], atol=1e-3)  # and so is loudness
    loudest = int(features[:, 400].argmax())
    assert loudest == 26  # 1,000 Hz is 15 mels of 45.2, the 26th of 80 equal steps
    assert features.max() - features.min() == pytest.approx(2.0, abs=0.01)  # 8 decades, a quarter of each


def test_a_short_utterance_has_silence_before_it(end_of_turn: EndOfTurn) -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, RATE_HZ).astype(np.float32)

    features = end_of_turn.features(noise)

    assert features[:, 750].mean() > features[:, 300].mean() + 0.5
