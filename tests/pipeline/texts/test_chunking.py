"""Where a text is cut: always within the limits, and best at the end of a paragraph."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.texts.chunking import Piece, cut

PIECES = st.lists(
    st.builds(Piece, st.just("x"), st.integers(1, 60), st.booleans(), st.booleans(), gap=st.booleans()), max_size=60
)


@given(PIECES)
def test_chunks_keep_the_limits_and_neither_overlap_nor_bridge_a_gap(pieces: list[Piece]) -> None:
    chunks = cut(pieces, 50, 120)

    for chunk in chunks:
        some = pieces[chunk.first : chunk.end]
        assert 50 <= sum(piece.tokens for piece in some) <= 120
        assert not any(piece.gap for piece in some)
    assert all(one.end <= other.first for one, other in pairwise(chunks))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=200))
def test_nothing_of_a_text_of_short_sentences_is_left_out(tokens: list[int]) -> None:
    pieces = [Piece("x", each) for each in tokens]

    chunks = cut(pieces, 50, 200)

    kept = sum(chunk.end - chunk.first for chunk in chunks)
    assert kept == (len(pieces) if sum(tokens) >= 50 else 0)


def test_a_cut_prefers_the_end_of_a_paragraph() -> None:
    pieces = [Piece("x", 10, ends_paragraph=place in (8, 19)) for place in range(20)]

    assert [chunk.end for chunk in cut(pieces, 50, 200)] == [9, 20]


def test_a_sentence_that_is_longer_than_a_chunk_is_left_out_and_not_bridged() -> None:
    pieces = [*(Piece("x", 10) for _ in range(6)), Piece("x", 500), *(Piece("x", 10) for _ in range(6))]

    assert [(chunk.first, chunk.end) for chunk in cut(pieces, 50, 200)] == [(0, 6), (7, 13)]
