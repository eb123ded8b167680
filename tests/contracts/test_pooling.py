"""What every engine that embeds or scores promises, run on the models in this process and behind an address."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import pytest

from infra.clock import SystemClock
from infra.embeddings import MiniLm, WordLlamaStatic
from infra.engines.http import Endpoint
from infra.engines.pooling import TEXTS_MAX, ByEmbedding, LocalEmbeddings, PoolingServer
from infra.engines.port import EmbeddingEngine, ScoringEngine
from infra.engines.scripted import ScriptedEngine, saying
from infra.engines.scripted_server import Manners, served

KEY = "key-of-the-tests"
QUESTION = "how do I cook rice?"
TEXTS = ("Bananas are yellow.", "Boil rice in twice as much water for fifteen minutes.", "The train leaves at nine.")


class Both(EmbeddingEngine, ScoringEngine, Protocol):
    """An engine that does both."""


@pytest.fixture(scope="module")
def minilm() -> LocalEmbeddings:
    return LocalEmbeddings("minilm", MiniLm())


@pytest.fixture(params=["minilm", "wordllama", "behind an address"])
async def engine(request: pytest.FixtureRequest, minilm: LocalEmbeddings) -> AsyncIterator[Both]:
    match request.param:
        case "minilm":
            yield minilm
        case "wordllama":
            yield LocalEmbeddings("wordllama", WordLlamaStatic())
        case _:
            async with served(ScriptedEngine(saying("")), Manners(api_key=KEY, pooling=minilm)) as url:
                server = PoolingServer(Endpoint(url, "scripted", KEY), "vllm", SystemClock())
                yield server
                await server.aclose()


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=30)


async def test_vectors_have_length_one_and_the_order_of_the_texts(engine: Both) -> None:
    vectors = await engine.embed(TEXTS, soon())
    assert vectors.shape[0] == len(TEXTS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
    backwards = await engine.embed(TEXTS[::-1], soon())
    assert np.allclose(vectors, backwards[::-1], atol=1e-4)


async def test_scores_lie_between_0_and_1_in_the_order_of_the_texts(engine: Both) -> None:
    scores = await engine.score(QUESTION, TEXTS, soon())
    assert len(scores) == len(TEXTS)
    assert all(0 <= score <= 1 for score in scores)
    assert max(range(3), key=scores.__getitem__) == 1


async def test_an_engine_that_can_only_embed_scores_alike(engine: Both) -> None:
    scores = await ByEmbedding(engine).score(QUESTION, TEXTS, soon())
    assert scores == pytest.approx(await engine.score(QUESTION, TEXTS, soon()), abs=1e-3)


async def test_no_texts_are_no_scores(engine: Both) -> None:
    assert await engine.score(QUESTION, (), soon()) == ()
    assert len(await engine.embed((), soon())) == 0


async def test_it_is_healthy_and_names_itself(engine: Both) -> None:
    assert (await engine.health()).ok
    assert engine.backend
    assert engine.model


async def test_more_texts_than_fit_one_request_are_refused_before_they_are_sent(minilm: LocalEmbeddings) -> None:
    async with served(ScriptedEngine(saying("")), manners := Manners(pooling=minilm)) as url:
        server = PoolingServer(Endpoint(url, "scripted"), "openai", SystemClock())
        with pytest.raises(ValueError, match=f"texts: {TEXTS_MAX + 1}"):
            await server.score(QUESTION, ["a"] * (TEXTS_MAX + 1), soon())
        await server.aclose()
    assert manners.requests == []
