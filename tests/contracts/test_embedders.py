"""What every embedder promises, run on each of them."""

import numpy as np
import pytest

from infra.embeddings import TEXT_MAX_CHARS, Embedder, MiniLm, WordLlamaStatic


@pytest.fixture(scope="module", params=[MiniLm, WordLlamaStatic])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    made: Embedder = request.param()
    return made


def test_vectors_have_the_dimension_and_length_one(embedder: Embedder) -> None:
    vectors = embedder.embed(["remind me to call mum", "what a day"])
    assert vectors.shape == (2, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimension)


@pytest.mark.parametrize("blank", ["", "   ", "\n\t"])
def test_a_blank_text_is_like_nothing(embedder: Embedder, blank: str) -> None:
    vectors = embedder.embed([blank, "remind me to call mum"])
    assert not vectors[0].any()
    assert np.isfinite(vectors).all()


def test_texts_of_like_meaning_lie_closer(embedder: Embedder) -> None:
    asked, like, unlike = embedder.embed(
        ["remind me to call my mother", "set a reminder to phone my mother", "bananas are yellow"]
    )
    assert asked @ like > asked @ unlike + 0.2


def test_a_vector_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    texts = [f"{'word ' * (n % 40)}number {n}" for n in range(70)]  # more than a batch, of many lengths
    together = embedder.embed(texts)
    alone = np.vstack([embedder.embed([text]) for text in texts[::10]])
    assert np.allclose(together[::10], alone, atol=1e-4)


def test_a_huge_text_costs_no_more_than_a_long_one(embedder: Embedder) -> None:
    long = "the quick brown fox " * (TEXT_MAX_CHARS // 20)
    cut, huge = embedder.embed([long, long * 100])
    assert cut @ huge == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("text", ["\x00\x01", "\U0001f600", "مرحبا بالعالم", "<|im_start|>", "a" * 5_000])
def test_odd_text_gives_a_finite_vector(embedder: Embedder, text: str) -> None:
    assert np.isfinite(embedder.embed([text])).all()


def test_loading_leaves_the_root_logger_alone() -> None:
    import logging

    before = (list(logging.getLogger().handlers), logging.getLogger().level)
    WordLlamaStatic()
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == before
