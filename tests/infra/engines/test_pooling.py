"""The client of a reranking server against answers that real servers and broken ones give."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.clock import SystemClock
from infra.engines.http import Endpoint
from infra.engines.pooling import PoolingServer
from infra.engines.port import DeadlinePassed, EngineRefused, EngineUnavailable
from infra.engines.scripted import ScriptedEngine, saying
from infra.engines.scripted_server import Manners, served


def later(seconds: float = 30) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@asynccontextmanager
async def server(odd: Mapping[str, Any] | None = None, **manners: Any) -> AsyncIterator[PoolingServer]:
    async with served(ScriptedEngine(saying("")), Manners(odd=odd, **manners)) as url:
        client = PoolingServer(Endpoint(url, "bge", "key"), "vllm", SystemClock())
        yield client
        await client.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"results": []},
        {"results": [{"index": 0, "relevance_score": None}, {"index": 1, "relevance_score": 1}]},
        {"results": [{"index": 0, "relevance_score": 0.1}, {"index": 0, "relevance_score": 0.2}]},
        {"results": "many"},
        {"results": [{"index": 0, "relevance_score": float("nan")}, {"index": 1, "relevance_score": 0.5}]},
    ],
)
async def test_an_answer_without_a_score_for_each_text_is_unavailable(answer: Mapping[str, Any]) -> None:
    async with server(answer) as engine:
        with pytest.raises(EngineUnavailable, match="vllm"):
            await engine.score("q", ["a", "b"], later())


@pytest.mark.parametrize("answer", [{}, {"data": []}, {"data": [{"index": 0, "embedding": [[1]]}]}, {"data": 3}])
async def test_an_answer_without_a_vector_for_each_text_is_unavailable(answer: Mapping[str, Any]) -> None:
    async with server(answer) as engine:
        with pytest.raises(EngineUnavailable, match="vllm"):
            await engine.embed(["a"], later())


async def test_logits_are_brought_to_between_0_and_1_and_keep_their_order() -> None:
    logits = {"results": [{"index": 1, "relevance_score": 8.0}, {"index": 0, "relevance_score": -800.0}]}
    async with server(logits) as engine:
        low, high = await engine.score("q", ["a", "b"], later())
    assert 0 <= low < 0.001
    assert 0.999 < high <= 1


async def test_a_server_that_knows_no_reranking_refuses() -> None:
    async with server() as engine:
        with pytest.raises(EngineRefused, match=r"404.*not served"):
            await engine.score("q", ["a"], later())


async def test_a_wrong_key_is_told() -> None:
    async with server(api_key="another") as engine:
        with pytest.raises(EngineRefused, match="401"):
            await engine.embed(["a"], later())
        assert not (await engine.health()).ok


async def test_a_server_that_is_not_there_is_unavailable(unused_tcp_port: int) -> None:
    engine = PoolingServer(Endpoint(f"http://127.0.0.1:{unused_tcp_port}", "bge"), "openai", SystemClock())
    with pytest.raises(EngineUnavailable, match="ConnectError"):
        await engine.score("q", ["a"], later())
    await engine.aclose()


async def test_nothing_is_asked_after_the_deadline() -> None:
    async with server() as engine:
        with pytest.raises(DeadlinePassed):
            await engine.score("q", ["a"], later(-1))
