"""How much of an answer counts as heard."""

import pytest

from pipeline.gateway.socket.playing import Playing


class Elapsed:
    """A stopwatch that is set by hand."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def elapsed() -> Elapsed:
    return Elapsed()


@pytest.fixture
def playing(elapsed: Elapsed) -> Playing:
    """Three sentences of two seconds are on their way."""
    playing = Playing(elapsed)
    for index in range(3):
        playing.sent("a", index, 2.0, last=index == 2)
    return playing


def test_nothing_sounds_before_anything_was_sent(elapsed: Elapsed) -> None:
    playing = Playing(elapsed)

    assert (playing.sounds, playing.sentences_played, playing.turn) == (False, 0, None)


@pytest.mark.parametrize(("after_s", "sounds", "played"), [(0, True, 0), (1.9, True, 0), (2, True, 1), (6, False, 3)])
def test_without_reports_the_length_of_the_sentences_tells_how_much_was_heard(
    playing: Playing, elapsed: Elapsed, after_s: float, sounds: bool, played: int
) -> None:
    elapsed.s += after_s

    assert (playing.sounds, playing.sentences_played) == (sounds, played)


def test_a_sentence_that_came_late_is_heard_late(elapsed: Elapsed) -> None:
    playing = Playing(elapsed)
    playing.sent("a", 0, 2.0, last=False)
    elapsed.s += 10
    playing.sent("a", 1, 3.0, last=True)

    for after_s, sounds, played in ((1, True, 1), (1.5, True, 1), (0.5, False, 2)):
        elapsed.s += after_s
        assert (playing.sounds, playing.sentences_played) == (sounds, played)


def test_a_report_counts_for_more_than_time(playing: Playing, elapsed: Elapsed) -> None:
    playing.heard("a", 0)
    elapsed.s += 60

    assert (playing.sounds, playing.sentences_played) == (True, 1)


def test_after_the_last_sentence_nothing_sounds(playing: Playing) -> None:
    for index in range(3):
        assert playing.sounds
        playing.heard("a", index)

    assert (playing.sounds, playing.sentences_played) == (False, 3)


def test_a_client_may_say_that_its_loudspeaker_is_silent(playing: Playing) -> None:
    playing.heard("a", 0)
    playing.heard("a", None)

    assert (playing.sounds, playing.sentences_played) == (False, 1)


def test_reports_about_another_turn_change_nothing(playing: Playing) -> None:
    playing.heard("b", 2)

    assert (playing.turn, playing.sounds, playing.sentences_played) == ("a", True, 0)


def test_the_next_answer_begins_anew(playing: Playing, elapsed: Elapsed) -> None:
    playing.heard("a", 2)
    elapsed.s += 10
    playing.sent("b", 0, 3.0, last=False)

    assert (playing.turn, playing.sounds, playing.sentences_played) == ("b", True, 0)
    elapsed.s += 4
    assert not playing.sounds, "what was sent has been played, and more is not there yet"
    playing.sent("b", 1, 3.0, last=True)
    assert playing.sounds
