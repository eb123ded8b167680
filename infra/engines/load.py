"""What an engine's server tells of its own work: requests, tokens, its prefix cache (`GET /metrics`, Prometheus text).

vLLM and llama.cpp tell it under names of their own; other servers tell nothing. Sources: vLLM's and llama.cpp's servers
as they answer today.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from infra.engines.http import HEALTH_TIMEOUT_S, Endpoint, client

PATH: Final = "/metrics"
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "running": ("vllm:num_requests_running", "llamacpp:requests_processing"),
    "waiting": ("vllm:num_requests_waiting", "llamacpp:requests_deferred"),
    "generated_tokens": ("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total"),
    "prompt_tokens": ("vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total"),
    "cache_asked_tokens": ("vllm:prefix_cache_queries_total",),
    "cache_hit_tokens": ("vllm:prefix_cache_hits_total",),
    "cache_used_share": ("vllm:kv_cache_usage_perc",),
}


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """A look at a server; None where it does not tell. Tokens count from its start."""

    running: float | None = None  # requests
    waiting: float | None = None
    generated_tokens: float | None = None
    prompt_tokens: float | None = None
    cache_asked_tokens: float | None = None
    cache_hit_tokens: float | None = None
    cache_used_share: float | None = None  # 0 to 1, of the room for keys and values

    @property
    def cache_hit_rate(self) -> float | None:
        """The share of prompt tokens that were found in the prefix cache, from the server's start; 0 to 1."""
        if not self.cache_asked_tokens or self.cache_hit_tokens is None:
            return None
        return self.cache_hit_tokens / self.cache_asked_tokens

    @property
    def tells(self) -> bool:
        """Whether the server told anything."""
        return any(getattr(self, name) is not None for name in _NAMES)


async def load_of(endpoint: Endpoint) -> EngineLoad:
    """Ask a server once. Never raises: what cannot be asked or read tells nothing."""
    http = client(endpoint, keeps_alive=False)
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT_S):
            response = await http.get(PATH)
        return EngineLoad() if response.is_error else read(response.text)
    except (httpx.HTTPError, TimeoutError):
        return EngineLoad()
    finally:
        await http.aclose()


def read(text: str) -> EngineLoad:
    """A look from the text of the metrics, several models of one server added up."""
    totals: dict[str, float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    except ValueError:
        return EngineLoad()
    return EngineLoad(
        **{field: next((totals[name] for name in names if name in totals), None) for field, names in _NAMES.items()}
    )
