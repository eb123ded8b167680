"""One streamed answer over bare HTTP, with its times and the server's own counts, also of what its cache had.

Not the client of infra/: that gives what the product needs, and here the rest is wanted too.
"""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from infra.engines.port import Message
from scripts.bench.asking.backends import Backend

TIMEOUT_S: Final = 600.0
_COUNTER: Final = re.compile(r"^vllm:(prefix_cache_(?:hits|queries))_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Timed:
    """One answer. `cached_tokens` None: the server does not tell."""

    first_s: float
    whole_s: float
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None
    text: str

    @property
    def tokens_hz(self) -> float:
        """Tokens a second after the first one: what generation does when the prompt has been read."""
        return (self.completion_tokens - 1) / (self.whole_s - self.first_s) if self.completion_tokens > 1 else 0.0

    @property
    def cached_share(self) -> float | None:
        """Of the prompt's tokens, those that were not computed again."""
        return None if self.cached_tokens is None else self.cached_tokens / max(1, self.prompt_tokens)


class Answers:
    """Asks one backend."""

    def __init__(self, backend: Backend) -> None:
        key = backend.endpoint.api_key
        self._backend = backend
        self._http = httpx.AsyncClient(
            base_url=backend.endpoint.base_url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_keepalive_connections=0),  # llama.cpp hangs up after each stream
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def timed(self, messages: Sequence[Message], max_tokens: int, *, conversation: str = "") -> Timed:
        """Ask, at temperature 0. Raises httpx.HTTPError."""
        body: dict[str, Any] = {
            "model": self._backend.endpoint.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "max_tokens": max_tokens,
            "temperature": 0.0,
            "seed": 1,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        headers = {"X-Session-ID": conversation} if conversation else {}
        before = await self._counters()
        begun = time.perf_counter()
        first = last = 0.0
        text = ""
        usage: dict[str, Any] = {}
        timings: dict[str, Any] = {}
        async with self._http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as response:
            if response.is_error:
                await response.aread()
            response.raise_for_status()
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                chunk = json.loads(line.removeprefix("data: "))
                usage, timings = chunk.get("usage") or usage, chunk.get("timings") or timings
                piece = (chunk.get("choices") or [{}])[0].get("delta", {}).get("content")
                if piece:
                    text, last = text + piece, time.perf_counter()
                    first = first or last
        return Timed(
            first_s=first - begun,
            whole_s=last - begun,
            prompt_tokens=int(usage.get("prompt_tokens", 0)),
            completion_tokens=int(usage.get("completion_tokens", 0)),
            cached_tokens=cached(usage, timings, before, await self._counters()),
            text=text,
        )

    async def _counters(self) -> dict[str, float]:
        """vLLM's own count of prompt tokens looked up in its cache and found there; of all requests together."""
        if self._backend.dialect != "vllm":
            return {}
        return counters((await self._http.get("/metrics")).text)


def counters(metrics: str) -> dict[str, float]:
    """The cache's counters in a text of Prometheus' format, summed over engines."""
    found: dict[str, float] = {}
    for name, value in _COUNTER.findall(metrics):
        found[name] = found.get(name, 0.0) + float(value)
    return found


def cached(
    usage: dict[str, Any], timings: dict[str, Any], before: dict[str, float], after: dict[str, float]
) -> int | None:
    """How many tokens of the prompt came from the cache, wherever the server says so.

    vLLM: the counters' difference, right as long as nobody else asks; llama.cpp: timings.cache_n; others: usage.
    """
    if after:
        return int(after.get("prefix_cache_hits", 0) - before.get("prefix_cache_hits", 0))
    if "cache_n" in timings:
        return int(timings["cache_n"])
    details = usage.get("prompt_tokens_details") or {}
    return int(details["cached_tokens"]) if details.get("cached_tokens") is not None else None
