"""What every engine behind an HTTP address has in common: where it listens, one client, its refusals, its health.

Knows no paths of its own but the list of models, which all compatible servers have.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from infra.engines.port import EngineError, EngineHealth, EngineRefused, EngineUnavailable

HEALTH_TIMEOUT_S: Final = 2.0
MODELS_PATH: Final = "/v1/models"
_KEPT_ALIVE_S: Final = 3.0  # uvicorn, behind vLLM, hangs up after 5 s: be the first to
_SHOWN_ERROR_CHARS: Final = 300
_BUSY: Final = frozenset({408, 425, 429})  # 4xx that say "later", not "never"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine listens, and how long to be patient with it."""

    base_url: str  # with or without the /v1 at its end
    model: str
    api_key: str | None = field(default=None, repr=False)
    connect_timeout_s: float = 2.0
    first_token_timeout_s: float = 20.0
    stall_timeout_s: float = 10.0  # between two pieces of an answer
    verify_ssl: bool = True
    use_grammar: bool = True  # send response_format; the answer is validated in either case


def client(endpoint: Endpoint, *, keeps_alive: bool = True) -> httpx.AsyncClient:
    """A client of the address, without its /v1. Time-outs but the one of connecting are for the caller to set."""
    url = endpoint.base_url.rstrip("/").removesuffix("/v1")
    parts = urlsplit(url)
    return httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {},
        timeout=httpx.Timeout(None, connect=endpoint.connect_timeout_s),
        limits=httpx.Limits(
            max_connections=None,
            max_keepalive_connections=None if keeps_alive else 0,
            keepalive_expiry=_KEPT_ALIVE_S,
        ),
        # Building a TLS context takes 30 ms, and no proxy leads to this very machine.
        verify=endpoint.verify_ssl and parts.scheme == "https",
        trust_env=parts.hostname not in _LOOPBACK,
    )


def described(error: Exception) -> str:
    """What went wrong with a request, in a line that quotes nothing of its headers: the key is one of them."""
    if isinstance(error, httpx.LocalProtocolError):
        return type(error).__name__
    return f"{type(error).__name__} {error}".rstrip()


def refusal(backend: str, status: int, body: str) -> EngineError:
    """The error for an answer of this status: EngineRefused where it would be the same again, else unavailable."""
    reason = f"{backend}: {_reason(status, body)}"
    return EngineRefused(reason) if 400 <= status < 500 and status not in _BUSY else EngineUnavailable(reason)


async def probed(http: httpx.AsyncClient, paths: Sequence[str]) -> EngineHealth:
    """Whether all paths answer, the last of them with a list of models, which is told. Never raises."""
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT_S):
            for path in paths:
                response = await http.get(path)
                if response.is_error:
                    return EngineHealth(False, f"GET {path}: {_reason(response.status_code, response.text)}")
            models = [str(entry.get("id")) for entry in response.json().get("data", [])]
    except (httpx.HTTPError, TimeoutError, ValueError, AttributeError, RecursionError) as error:
        where = http.base_url.copy_with(username=None, password=None)
        return EngineHealth(False, f"{where} does not answer ({described(error)}); is it started?")
    return EngineHealth(True, detail={"models": models})


def _reason(status: int, body: str) -> str:
    """The server's own words on an error, on one line, without what it may have quoted from the request."""
    try:
        told = json.loads(body)
        told = told.get("error", told.get("message", told))
        text = str(told.get("message", told) if isinstance(told, dict) else told)
    except (ValueError, AttributeError, RecursionError):
        text = body
    return f"HTTP {status} {' '.join(text.split())[:_SHOWN_ERROR_CHARS]}".rstrip()
