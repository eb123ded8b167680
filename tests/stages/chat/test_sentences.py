"""Sentence boundaries in a text that is still being written."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.chat.sentences import SENTENCE_MAX_CHARS, SentenceStream, sentences_of

BOUNDARIES = [
    ["I'll see you at 3 p.m. tomorrow.", "Bring it."],
    ["Dr. Smith is here.", "He paid $4.50 for it."],
    ["Use fruit, e.g. apples.", "Then eat."],
    ["1. Wash your hands.", "2. Dry them."],
    ["Hi!", "How are you?", "I'm fine."],
    ["It is approx. 5 km. away.", "OK."],
    ['He said "Stop!" and left.', "She ran."],
    ["Paris (the capital).", "It is big."],
    ["The U.S. Senate met.", "Mr. J. R. Smith came."],
    ["Version 2.0 is out.", "Visit example.com today."],
    ["I've set your reminder for 'sleep' at 1 a.m. on Monday.", "Anything else?"],
    ["It costs 1,000.50 dollars.", "That's a lot!"],
]


def streamed(text: str, size: int) -> list[str]:
    stream = SentenceStream()
    said = [sentence for at in range(0, len(text), size) for sentence in stream.feed(text[at : at + size])]
    return said + stream.rest()


@pytest.mark.parametrize("sentences", BOUNDARIES)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_boundaries_are_found_however_the_text_arrives(sentences: list[str], size: int) -> None:
    assert streamed(" ".join(sentences), size) == sentences


def test_a_list_is_said_line_by_line() -> None:
    assert streamed("You have two notes:\n- milk\n- eggs", 2) == ["You have two notes:", "- milk", "- eggs"]


@pytest.mark.parametrize(
    ("text", "first", "next_chars"),
    [("Sure! I can do that.", "Sure!", 1), ("It is blue. The air does it.", "It is blue.", 2)],
)
def test_a_sentence_is_said_as_soon_as_it_is_certain(text: str, first: str, next_chars: int) -> None:
    stream = SentenceStream()
    for place, char in enumerate(text):
        if said := stream.feed(char):
            assert said == [first]
            assert place < len(first) + 1 + next_chars
            return
    pytest.fail("it was never said")


def test_an_abbreviation_is_not_taken_for_an_end_while_more_may_come() -> None:
    stream = SentenceStream()
    assert stream.feed("Meet Dr. ") == []
    assert stream.feed("Smith at 3 p.m. ") == []
    assert stream.feed("tomorrow.") == []
    assert stream.rest() == ["Meet Dr. Smith at 3 p.m. tomorrow."]


def test_a_run_on_is_divided_at_a_clause() -> None:
    text = "we went to the market, " * 30
    said = streamed(text, 5)
    assert all(len(sentence) <= SENTENCE_MAX_CHARS for sentence in said)
    assert all(sentence.endswith(",") for sentence in said)


def test_a_text_without_spaces_is_divided_too() -> None:
    assert all(len(sentence) <= SENTENCE_MAX_CHARS for sentence in streamed("a" * 1_000, 7))


@example("?.??", 1)  # of which pysbd itself drops the end
@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="ab AB.!?,\n\"'13)(", max_size=120), st.integers(1, 9))
def test_nothing_is_lost_or_invented(text: str, size: int) -> None:
    assert "".join("".join(streamed(text, size)).split()) == "".join(text.split())


def test_white_space_alone_is_no_sentence() -> None:
    assert sentences_of(" \n\t \n") == []
