"""The one client for every engine that speaks the OpenAI-compatible protocol (`POST /v1/chat/completions`).

It always streams, contracts too: only then does a disconnect abort generation in every backend. What differs between
backends is a `Dialect`, in data. It knows no roles, no fallbacks and no limits on how much is asked at once: those
are in infra/engines/roles.py. It does not promise that a continued text is one that the model would have said alone.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from infra.clock import Clock
from infra.engines.dialects import Dialect
from infra.engines.echo import Echo
from infra.engines.http import MODELS_PATH, Endpoint, client, described, probed, refusal
from infra.engines.port import (
    Ask,
    DeadlinePassed,
    Delta,
    EngineCut,
    EngineError,
    EngineHealth,
    EngineUnavailable,
    Finish,
)
from infra.engines.thinking import Thinking

_DRAIN_TIMEOUT_S: Final = 0.1
_DONE: Final = "[DONE]"
_NO_STREAM: Final = "answered no stream of events; is its address that of an OpenAI-compatible server?"


class CompatibleEngine:
    """An engine behind an OpenAI-compatible address."""

    def __init__(self, endpoint: Endpoint, dialect: Dialect, clock: Clock) -> None:
        self._endpoint = endpoint
        self._dialect = dialect
        self._clock = clock
        self._http = client(endpoint, keeps_alive=dialect.keeps_alive)

    @property
    def backend(self) -> str:
        return self._dialect.backend

    @property
    def model(self) -> str:
        return self._endpoint.model

    @property
    def _name(self) -> str:
        """As reasons name it: two servers may be of one kind."""
        return f"{self.backend}/{self.model}"

    async def generate(self, ask: Ask) -> AsyncGenerator[Delta]:
        """Stream the answer.

        Raises EngineRefused (4xx), EngineUnavailable (nothing came), EngineCut (it ended in the middle),
        DeadlinePassed (no time left, or it ran out before the first token).
        """
        left_s = (ask.deadline - self._clock.now()).total_seconds()
        if left_s <= 0:
            raise DeadlinePassed(f"{self._name}: the deadline passed {-left_s:.1f} s before it could be asked")
        now = asyncio.get_running_loop().time
        patience_s = min(self._endpoint.first_token_timeout_s, left_s)
        until = now() + patience_s
        echo, thinking = Echo(ask.continues), Thinking()
        heard = _Heard()
        async with AsyncExitStack() as held:
            events: AsyncIterator[ServerSentEvent] | None = None
            while True:
                try:
                    async with asyncio.timeout_at(until):
                        events = events or await self._opened(held, ask)
                        event = await anext(events, None)
                except TimeoutError:
                    if not heard.started and patience_s == left_s:
                        raise DeadlinePassed(f"{self._name}: no token before the deadline") from None
                    waited_s = self._endpoint.stall_timeout_s if heard.started else patience_s
                    doing = "still thinking after" if thinking.thinks and not heard.started else "silent for"
                    raise heard.broken(f"{self._name}: {doing} {waited_s:.1f} s") from None
                except SSEError as error:
                    raise heard.broken(f"{self._name}: {_NO_STREAM}") from error
                except httpx.HTTPError as error:
                    raise heard.broken(f"{self._name}: {described(error)}") from error
                if event is None or event.data == _DONE:
                    break
                text = echo.without(thinking.left_out(heard.piece(self._name, event.data)))
                if text:
                    heard.started = True
                    yield Delta(text)
                if heard.started:
                    until = now() + self._endpoint.stall_timeout_s
            if events is not None and self._dialect.keeps_alive:
                await _drained(events)
        if heard.finish is None:
            raise heard.broken(f"{self._name}: the stream ended without a finish reason")
        yield Delta(
            echo.without(thinking.rest()) + echo.rest(), heard.finish, heard.prompt_tokens, heard.completion_tokens
        )

    async def health(self) -> EngineHealth:
        return await probed(self._http, [path for path in (self._dialect.health_path, MODELS_PATH) if path])

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _opened(self, held: AsyncExitStack, ask: Ask) -> AsyncIterator[ServerSentEvent]:
        """Send the request and return its events. The server's refusal becomes an EngineError here."""
        try:
            response = await held.enter_async_context(self._request(ask))
        except (httpx.RemoteProtocolError, httpx.ReadError):
            if not self._dialect.keeps_alive:
                raise
            # A kept connection that the server hung up on just now. Not a byte of an answer had come: ask anew, once.
            response = await held.enter_async_context(self._request(ask))
        if response.is_error:
            raise refusal(self._name, response.status_code, (await response.aread()).decode(errors="replace"))
        return EventSource(response).aiter_sse()

    def _request(self, ask: Ask) -> AbstractAsyncContextManager[httpx.Response]:
        headers = {"X-Session-ID": ask.conversation} if ask.conversation else {}
        return self._http.stream("POST", "/v1/chat/completions", json=self._body(ask), headers=headers)

    def _body(self, ask: Ask) -> dict[str, Any]:
        messages = [{"role": message.role, "content": message.content} for message in ask.messages]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "max_tokens": ask.max_tokens,
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if ask.seed is not None:
            body["seed"] = ask.seed
        if self._dialect.top_k:
            body["top_k"] = ask.top_k
        if self._dialect.penalty:
            body[self._dialect.penalty] = ask.repetition_penalty
        if self._dialect.priority:
            body["priority"] = int(ask.priority)
        if self._dialect.template:
            body["chat_template_kwargs"] = dict(self._dialect.template)
        if ask.schema is not None and self._endpoint.use_grammar:
            body.update(self._dialect.forcing(ask.schema))
        if ask.continues:
            messages.append({"role": "assistant", "content": ask.continues})
            body.update(self._dialect.continuing)
        return body


@dataclass(slots=True)
class _Heard:
    """What one stream has told so far."""

    started: bool = False
    finish: Finish | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def piece(self, backend: str, data: str) -> str:
        """The text in one event; finish reason and token counts are kept. Raises EngineError on anything else."""
        try:
            chunk = json.loads(data)
            if error := chunk.get("error"):
                raise self.broken(f"{backend}: {error.get('message', error) if isinstance(error, dict) else error}")
            if usage := chunk.get("usage"):
                self.prompt_tokens = max(0, int(usage.get("prompt_tokens") or 0))
                self.completion_tokens = max(0, int(usage.get("completion_tokens") or 0))
            choices = chunk.get("choices")
            if not choices:
                return ""
            if reason := choices[0].get("finish_reason"):
                self.finish = reason if reason in ("stop", "length") else "error"
            return str((choices[0].get("delta") or {}).get("content") or "")
        except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
            raise self.broken(f"{backend}: an event that is no answer: {data[:80]!r}") from error

    def broken(self, reason: str) -> EngineError:
        """The error for a stream that broke here: before its first token another engine may do, after it, not."""
        return EngineCut(reason) if self.started else EngineUnavailable(reason)


async def _drained(events: AsyncIterator[ServerSentEvent]) -> None:
    """Read what may follow the last event, so that the connection can be used again; give up on it soon."""
    with suppress(TimeoutError, httpx.HTTPError, SSEError):
        async with asyncio.timeout(_DRAIN_TIMEOUT_S):
            async for _ in events:
                pass
