"""Where utterances begin and end, with probabilities and answers as they are written here."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from infra.audio import RATE_HZ
from infra.listening.utterances import (
    ASKED_AT_MS,
    CONFIRMED_AFTER,
    ENDED_AT_MS,
    PRE_ROLL_MS,
    TAIL_MS,
    WINDOW_BYTES,
    Result,
    SpeechConfirmed,
    SpeechDropped,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    UtteranceEnded,
    Utterances,
)
from infra.listening.voice_activity import WINDOW

VOICE, HALF, QUIET = 0.9, 0.4, 0.02
WINDOW_MS = WINDOW * 1000 / RATE_HZ
LONG_S = 60.0


def sound(windows: int) -> bytes:
    """Sound in which each sample tells its place."""
    return np.arange(windows * WINDOW).astype("<u2").tobytes()


def heard(utterances: Utterances, probabilities: Sequence[float], answers: Sequence[float | None] = ()) -> list[Result]:
    """All results; the questions are answered in order, those beyond the answers with "not finished"."""
    pcm, left, results = sound(len(probabilities)), list(answers), list[Result]()
    for at, probability in enumerate(probabilities):
        results += utterances.hear(pcm[at * WINDOW_BYTES : (at + 1) * WINDOW_BYTES], probability)
        if utterances.asks:
            results += utterances.answer(left.pop(0) if left else 0.1)
    return results


def silence(ms: float) -> list[float]:
    return [QUIET] * round(ms / WINDOW_MS)


def speech(ms: float) -> list[float]:
    return [VOICE] * round(ms / WINDOW_MS)


def kinds(results: Sequence[Result]) -> list[type[Result]]:
    return [type(result) for result in results]


def ended(results: Sequence[Result]) -> list[UtteranceEnded]:
    return [result for result in results if isinstance(result, UtteranceEnded)]


def test_a_finished_sentence_ends_at_the_first_question() -> None:
    said = [*silence(1000), *speech(1000), *silence(2000)]

    results = heard(Utterances(longest_s=LONG_S), said, answers=[0.9])

    assert kinds(results) == [SpeechStarted, SpeechConfirmed, SpeechPaused, UtteranceEnded]
    (utterance,) = ended(results)
    assert utterance.reason == "end-of-turn"
    waited_ms = (utterance.decided_at - 62 * WINDOW) / 16
    assert ASKED_AT_MS[0] <= waited_ms < ASKED_AT_MS[0] + WINDOW_MS


def test_an_utterance_has_what_came_just_before_the_voice_and_just_after_it() -> None:
    results = heard(Utterances(longest_s=LONG_S), [*silence(1000), *speech(1000), *silence(2000)])

    (utterance,) = ended(results)
    began, stopped = 31 * WINDOW, 62 * WINDOW
    assert began - utterance.from_sample == round(PRE_ROLL_MS / WINDOW_MS) * WINDOW
    assert utterance.to_sample - stopped == TAIL_MS * RATE_HZ // 1000


def test_an_unfinished_sentence_is_waited_for_and_goes_on() -> None:
    said = [*speech(1000), *silence(700), *speech(1000), *silence(2000)]

    results = heard(Utterances(longest_s=LONG_S), said, answers=[0.1, 0.2, 0.8])

    assert kinds(results) == [
        SpeechStarted,
        SpeechConfirmed,
        SpeechPaused,
        SpeechResumed,
        SpeechPaused,
        UtteranceEnded,
    ]


def test_silence_ends_what_never_sounds_finished() -> None:
    results = heard(Utterances(longest_s=LONG_S), [*speech(1000), *silence(3000)], answers=[0.1, 0.2, 0.3])

    (utterance,) = ended(results)
    assert utterance.reason == "silence"
    assert len(results) == 4
    assert ENDED_AT_MS <= (utterance.decided_at - 31 * WINDOW) / 16 < ENDED_AT_MS + WINDOW_MS


def test_it_is_asked_no_more_often_than_is_listed() -> None:
    utterances, questions = Utterances(longest_s=LONG_S), 0
    for probability in [*speech(500), *silence(ENDED_AT_MS - 2 * WINDOW_MS)]:
        utterances.hear(bytes(WINDOW_BYTES), probability)
        if utterances.asks:
            questions += 1
            assert utterances.answer(0.1) == []

    assert questions == len(ASKED_AT_MS)


def test_when_nobody_can_tell_in_time_silence_decides_and_nobody_is_asked_again_in_this_pause() -> None:
    said = [*speech(500), *silence(1200), *speech(500), *silence(3000)]

    results = heard(Utterances(longest_s=LONG_S), said, answers=[None, None, 0.9])
    (utterance,) = ended(results)

    assert utterance.reason == "silence"
    assert SpeechResumed in kinds(results)


def test_a_click_starts_something_that_is_dropped_and_never_confirmed() -> None:
    results = heard(Utterances(longest_s=LONG_S), [*silence(500), VOICE, *silence(2000)])

    assert kinds(results) == [SpeechStarted, SpeechDropped]


def test_clicks_far_apart_never_add_up_to_speech() -> None:
    results = heard(Utterances(longest_s=LONG_S), [VOICE, *silence(300)] * 3 * CONFIRMED_AFTER)

    assert set(kinds(results)) == {SpeechStarted, SpeechDropped}


def test_a_short_word_is_an_utterance_that_was_not_confirmed() -> None:
    results = heard(Utterances(longest_s=LONG_S), [*speech(130), *silence(2000)], answers=[0.9])

    assert kinds(results) == [SpeechStarted, SpeechPaused, UtteranceEnded]


def test_doubtful_windows_go_on_with_what_was() -> None:
    assert heard(Utterances(longest_s=LONG_S), [HALF] * 100) == []
    results = heard(Utterances(longest_s=LONG_S), [*speech(500), *[HALF] * 100])
    assert kinds(results) == [SpeechStarted, SpeechConfirmed]


def test_who_never_stops_is_cut_at_the_longest_and_goes_on() -> None:
    results = heard(Utterances(longest_s=2.0), speech(5000))

    cut = ended(results)
    assert [utterance.reason for utterance in cut] == ["longest", "longest"]
    assert all(len(utterance.pcm) <= 2.0 * RATE_HZ * 2 for utterance in cut)
    assert cut[0].to_sample == cut[1].from_sample


def test_closing_ends_what_is_in_progress_with_the_rest_of_the_sound() -> None:
    utterances = Utterances(longest_s=LONG_S)
    heard(utterances, speech(500))

    (utterance,) = ended(utterances.end(b"\1\2" * 100))

    assert utterance.reason == "closed"
    assert utterance.pcm.endswith(b"\1\2" * 100)
    assert utterances.end() == []


def test_closing_drops_a_click_and_tells_nothing_of_silence() -> None:
    utterances = Utterances(longest_s=LONG_S)
    heard(utterances, silence(500))
    assert utterances.end() == []

    heard(utterances, [VOICE])
    assert kinds(utterances.end()) == [SpeechDropped]


def test_by_hand_nothing_but_the_hand_ends_it() -> None:
    utterances = Utterances(longest_s=LONG_S, by_hand=True)

    results = heard(utterances, [*silence(1000), *speech(1000), *silence(5000)], answers=[0.99])
    assert kinds(results) == [SpeechStarted, SpeechConfirmed, SpeechPaused]
    (utterance,) = ended(utterances.end())

    assert (utterance.from_sample, utterance.to_sample) == (0, 218 * WINDOW)
    assert utterance.voiced_ms == 992


def test_by_hand_silence_is_an_utterance_in_which_nobody_spoke() -> None:
    utterances = Utterances(longest_s=LONG_S, by_hand=True)
    heard(utterances, silence(1000))

    (utterance,) = ended(utterances.end())

    assert utterance.voiced_ms == 0


RUNS = st.lists(
    st.tuples(st.sampled_from([VOICE, HALF, QUIET]), st.integers(1, 40)).map(lambda run: [run[0]] * run[1]),
    max_size=20,
).map(lambda runs: [each for run in runs for each in run])


@given(
    stretches=st.lists(st.tuples(RUNS, st.integers(0, WINDOW - 1)), min_size=1, max_size=3),
    answers=st.lists(st.none() | st.floats(0, 1), max_size=20),
    longest_s=st.sampled_from([0.5, 1.0, 3.0, 60.0]),
    by_hand=st.booleans(),
)
def test_utterances_are_pieces_of_the_stream_in_order_and_none_is_too_long(
    stretches: list[tuple[list[float], int]], answers: list[float | None], longest_s: float, by_hand: bool
) -> None:
    """Each stretch is ended by hand, with some samples that are less than a window."""
    utterances, results, at = Utterances(longest_s=longest_s, by_hand=by_hand), list[Result](), 0
    whole = np.arange(sum(len(run) * WINDOW + rest for run, rest in stretches)).astype("<u2").tobytes()

    for run, rest in stretches:
        for probability in run:
            results += utterances.hear(whole[at : at + WINDOW_BYTES], probability)
            at += WINDOW_BYTES
            if utterances.asks:
                results += utterances.answer(answers.pop() if answers else None)
        results += utterances.end(whole[at : at + 2 * rest])
        at += 2 * rest
        assert not utterances.in_progress

    cut = ended(results)
    for utterance in cut:
        assert utterance.pcm == whole[utterance.from_sample * 2 : utterance.to_sample * 2]
        assert 0 < len(utterance.pcm) <= longest_s * RATE_HZ * 2
    assert all(one.to_sample <= other.from_sample for one, other in pairwise(cut))
    if not by_hand:
        begun = [kind for kind in kinds(results) if kind in (SpeechStarted, SpeechDropped, UtteranceEnded)]
        assert begun[::2] == [SpeechStarted] * len(begun[::2])
        assert SpeechStarted not in begun[1::2]
