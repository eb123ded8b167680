"""Engines that embed or score: behind an address (`POST /v1/embeddings`, `POST /v1/rerank`), or in this process.

A server for these is, for instance, vLLM with `--runner pooling` and a reranker such as BGE. The two models that come
with Parley (infra/embeddings.py) stand behind the same ports. Knows no roles and no fallbacks: those are in ranking.py.
"""

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import httpx
import numpy as np

from infra.clock import Clock
from infra.embeddings import Embedder
from infra.engines.http import MODELS_PATH, Endpoint, client, described, probed, refusal
from infra.engines.port import (
    DeadlinePassed,
    EmbeddingEngine,
    EngineHealth,
    EngineUnavailable,
    Vectors,
)

TEXTS_MAX: Final = 256  # in one request; a server has a limit of its own, which it tells
_SMALLEST_NORM: Final = 1e-12


class PoolingServer:
    """An embedding or reranking model behind a compatible address: both ports, of which a server may know only one."""

    def __init__(self, endpoint: Endpoint, backend: str, clock: Clock) -> None:
        self._endpoint = endpoint
        self._backend = backend
        self._clock = clock
        self._http = client(endpoint)

    @property
    def backend(self) -> str:
        return self._backend

    @property
    def model(self) -> str:
        return self._endpoint.model

    @property
    def _name(self) -> str:
        """As reasons name it: two servers may be of one kind."""
        return f"{self.backend}/{self.model}"

    async def embed(self, texts: Sequence[str], deadline: datetime) -> Vectors:
        """Raises EngineRefused, EngineUnavailable, DeadlinePassed; vectors are brought to length 1."""
        _few(texts)
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        told = await self._told("/v1/embeddings", {"model": self.model, "input": list(texts)}, deadline)
        try:
            rows = {int(entry["index"]): entry["embedding"] for entry in told["data"]}
            vectors = np.array([rows[place] for place in range(len(texts))], dtype=np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise self._odd("embeddings", error) from error
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise EngineUnavailable(f"{self._name}: vectors of shape {vectors.shape} that are not all numbers")
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = vectors / np.maximum(norms, _SMALLEST_NORM)
        return unit

    async def score(self, question: str, texts: Sequence[str], deadline: datetime) -> tuple[float, ...]:
        """Raises EngineRefused, EngineUnavailable, DeadlinePassed. A logit (some servers) is brought to 0..1."""
        _few(texts)
        if not texts:
            return ()
        body = {"model": self.model, "query": question, "documents": list(texts), "top_n": len(texts)}
        told = await self._told("/v1/rerank", body, deadline)
        try:
            found = {int(entry["index"]): float(entry["relevance_score"]) for entry in told["results"]}
            scores = [found[place] for place in range(len(texts))]
        except (KeyError, TypeError, ValueError) as error:
            raise self._odd("scores", error) from error
        if not all(math.isfinite(score) for score in scores):
            raise EngineUnavailable(f"{self._name}: scores that are not all numbers: {scores}")
        if all(0 <= score <= 1 for score in scores):
            return tuple(scores)
        return tuple(1 / (1 + math.exp(-max(-60.0, min(60.0, score)))) for score in scores)

    async def health(self) -> EngineHealth:
        return await probed(self._http, [MODELS_PATH])

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _told(self, path: str, body: dict[str, Any], deadline: datetime) -> dict[str, Any]:
        left_s = (deadline - self._clock.now()).total_seconds()
        if left_s <= 0:
            raise DeadlinePassed(f"{self._name}: the deadline passed {-left_s:.1f} s before it could be asked")
        patience_s = min(left_s, self._endpoint.first_token_timeout_s)
        try:
            async with asyncio.timeout(patience_s):
                response = await self._http.post(path, json=body)
        except TimeoutError:
            raise EngineUnavailable(f"{self._name}: silent for {patience_s:.1f} s") from None
        except httpx.HTTPError as error:
            raise EngineUnavailable(f"{self._name}: {described(error)}") from error
        if response.is_error:
            raise refusal(self._name, response.status_code, response.text)
        try:
            told = response.json()
        except ValueError as error:
            raise self._odd("JSON", error) from error
        if not isinstance(told, dict):
            raise EngineUnavailable(f"{self._name}: {path} answered no JSON object")
        return told

    def _odd(self, what: str, error: Exception) -> EngineUnavailable:
        return EngineUnavailable(f"{self._name}: an answer without {what}: {type(error).__name__} {error}")


class LocalEmbeddings:
    """A model of infra/embeddings.py behind the ports. It scores by the cosine, below 0 counting as nothing."""

    def __init__(self, backend: str, embedder: Embedder) -> None:
        self._backend = backend
        self._embedder = embedder

    @property
    def backend(self) -> str:
        return self._backend

    @property
    def model(self) -> str:
        return self._embedder.model

    async def embed(self, texts: Sequence[str], deadline: datetime) -> Vectors:
        del deadline  # it takes milliseconds
        return await asyncio.to_thread(self._embedder.embed, texts)

    async def score(self, question: str, texts: Sequence[str], deadline: datetime) -> tuple[float, ...]:
        vectors = await self.embed([question, *texts], deadline)
        return cosines(vectors)

    async def health(self) -> EngineHealth:
        return EngineHealth(True)

    async def aclose(self) -> None:
        return None


class ByEmbedding:
    """The port `score` on top of an engine that can only embed."""

    def __init__(self, engine: EmbeddingEngine) -> None:
        self._engine = engine

    @property
    def backend(self) -> str:
        return self._engine.backend

    @property
    def model(self) -> str:
        return self._engine.model

    async def score(self, question: str, texts: Sequence[str], deadline: datetime) -> tuple[float, ...]:
        return cosines(await self._engine.embed([question, *texts], deadline)) if texts else ()

    async def health(self) -> EngineHealth:
        return await self._engine.health()

    async def aclose(self) -> None:
        await self._engine.aclose()


def cosines(vectors: Vectors) -> tuple[float, ...]:
    """How like the first row each of the others is, rows of length 1; below 0 is nothing in common."""
    return tuple(max(0.0, min(1.0, float(vectors[0] @ vector))) for vector in vectors[1:])


def _few(texts: Sequence[str]) -> None:
    if len(texts) > TEXTS_MAX:
        raise ValueError(f"texts: {len(texts)} in one request; at most {TEXTS_MAX}")
