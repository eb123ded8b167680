"""Puts a Generator that lives in this process behind an OpenAI-compatible address, as an ASGI application.

It serves /v1/chat/completions (streamed or whole), /v1/models and /slots behind a key, and /health without one. So many
requests are generated at once as there are places; the others wait, by their `priority`. A client that hangs up stops
its answer, whether it is waiting, being read or being written. Web pages may read nothing: no CORS header is sent.
What it does not know in a request (`response_format`, `seed` ...) is ignored. Knows no model and no library of one.
"""

import asyncio
import hmac
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.engines.admission import Admission
from infra.engines.port import (
    Ask,
    Delta,
    EngineError,
    EngineRefused,
    Generator,
    Message,
    Priority,
)
from schemas.errors import shown

ANSWER_MAX_TOKENS: Final = 1_024  # whatever a client asks for
BODY_MAX_BYTES: Final = 1 << 20
WAITING_MAX: Final = 32  # requests; with more the answer is "busy"
WAIT_LONGEST_S: Final = 60.0  # for a place
_CHAT: Final = "/v1/chat/completions"
_NO_DEADLINE: Final = datetime.max.replace(tzinfo=UTC)  # the client keeps its own, and hangs up


class _Said(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str


class _StreamOptions(BaseModel):
    include_usage: bool = False


class _Asked(BaseModel):
    """The body of a request, as far as it is understood."""

    messages: Annotated[list[_Said], Field(min_length=1)]
    model: str | None = None
    max_tokens: int = Field(default=ANSWER_MAX_TOKENS, ge=1)
    temperature: float = Field(default=0.7, ge=0, le=2)
    top_p: float = Field(default=0.9, gt=0, le=1)
    top_k: int = Field(default=50, ge=0)
    repeat_penalty: float = Field(default=1.1, gt=0, le=2)
    priority: int = Priority.LIVE
    stream: bool = False
    stream_options: _StreamOptions = _StreamOptions()

    def as_ask(self) -> Ask:
        """What the assistant has already said, at the end of the messages, is continued."""
        said = [Message(message.role, message.content) for message in self.messages]
        continues = said.pop().content if said[-1].role == "assistant" else ""
        return Ask(
            messages=tuple(said),
            max_tokens=min(self.max_tokens, ANSWER_MAX_TOKENS),
            deadline=_NO_DEADLINE,
            priority=Priority(max(Priority.CONTRACT, min(self.priority, Priority.BACKGROUND))),
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            repetition_penalty=self.repeat_penalty,
            continues=continues,
        )


class _Refused(Exception):
    """The request is answered with a status and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class ChatServer:
    """One engine, served. `application` is what an ASGI server runs."""

    engine: Generator
    api_key: str
    admission: Admission

    def application(self) -> ASGIApp:
        """The routes, with the key in front of all but /health."""
        routes = [
            Route("/health", self._health, methods=["GET"]),
            Route("/v1/models", self._models, methods=["GET"]),
            Route("/slots", self._slots, methods=["GET"]),
            Route(_CHAT, _Endpoint(self), methods=["POST"]),
        ]
        return _Keyed(Starlette(routes=routes), self.api_key)

    async def _health(self, _: Request) -> Response:
        health = await self.engine.health()
        return JSONResponse({"status": "ok"}) if health.ok else _error(503, health.reason)

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": self.engine.model, "object": "model"}]})

    async def _slots(self, _: Request) -> Response:
        running = self.admission.running
        return JSONResponse([{"id": place, "is_processing": place < running} for place in range(max(1, running))])

    async def answer(self, asked: _Asked, send: Send) -> None:
        """Generate and send it; the status is sent with the first token, so that what went wrong before has one."""
        ask = asked.as_ask()
        try:
            async with self._deltas(ask) as deltas:
                first = await anext(deltas)
                reply = self._streamed if asked.stream else self._whole
                await reply(asked, _from(first, deltas), send)
        except EngineRefused as error:
            raise _Refused(400, str(error)) from error
        except EngineError as error:
            raise _Refused(503, str(error)) from error

    def _deltas(self, ask: Ask) -> aclosing[AsyncGenerator[Delta]]:
        return aclosing(self._admitted(ask))

    async def _admitted(self, ask: Ask) -> AsyncGenerator[Delta]:
        if self.admission.waiting >= WAITING_MAX:
            raise _Refused(503, f"busy: {WAITING_MAX} requests are waiting; try again later")
        async with self.admission.place(ask.priority, WAIT_LONGEST_S), aclosing(self.engine.generate(ask)) as deltas:
            async for delta in deltas:
                yield delta

    async def _streamed(self, asked: _Asked, deltas: AsyncIterator[Delta], send: Send) -> None:
        head = self._head("chat.completion.chunk")
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def say(data: Mapping[str, Any]) -> None:
            event = b"data: %b\n\n" % json.dumps(data).encode()
            await send({"type": "http.response.body", "body": event, "more_body": True})

        try:
            async for delta in deltas:
                told = {"content": delta.text} if delta.text else {}
                await say({**head, "choices": [{"index": 0, "delta": told, "finish_reason": delta.finish}]})
                if delta.finish is not None and asked.stream_options.include_usage:
                    await say({**head, "choices": [], "usage": _usage(delta)})
        except EngineError as error:  # the status is out: it can only be told as an event
            await say({"error": {"message": str(error)}})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    async def _whole(self, asked: _Asked, deltas: AsyncIterator[Delta], send: Send) -> None:
        del asked
        text, last = "", Delta("")
        async for last in deltas:
            text += last.text
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": last.finish,
        }
        await _sent(JSONResponse({**self._head("chat.completion"), "choices": [choice], "usage": _usage(last)}), send)

    def _head(self, kind: str) -> Mapping[str, Any]:
        created = int(time.time())
        return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": created, "model": self.engine.model}


class _Endpoint:
    """The chat route as a plain ASGI application: only so a client that hangs up is seen at any moment."""

    def __init__(self, server: ChatServer) -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            asked = await _read(Request(scope, receive), self._server.engine.model)
            answer = asyncio.ensure_future(self._server.answer(asked, send))
            gone = asyncio.ensure_future(_hung_up(receive))
            try:
                await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
                if answer.done():
                    answer.result()
            finally:
                for task in (answer, gone):
                    task.cancel()
                await asyncio.gather(answer, gone, return_exceptions=True)
        except _Refused as refused:
            await _sent(_error(refused.status, refused.reason), send)


class _Keyed:
    """Lets a request through that has the key."""

    def __init__(self, inner: ASGIApp, api_key: str) -> None:
        self._inner = inner
        self._expected = f"Bearer {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/health":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                await _sent(_error(401, "Invalid API Key"), send)
                return
        await self._inner(scope, receive, send)


async def _read(request: Request, model: str) -> _Asked:
    """The request's body. Raises _Refused, with field, value and what would be right."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            raise _Refused(413, f"body: more than {BODY_MAX_BYTES} bytes")
    try:
        asked = _Asked.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "body"
        expected = first["msg"].removeprefix("Input should be ")
        # What people said is not quoted: errors end in logs.
        value = f" {shown(first['input'])} is" if first["loc"][:1] not in ((), ("messages",)) else ""
        raise _Refused(400, f"{field}:{value or ' this is'} not allowed; expected {expected}") from error
    if asked.model not in (None, model):
        raise _Refused(404, f"model: {shown(asked.model)} is not served here; expected {model}")
    return asked


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _from(first: Delta, rest: AsyncIterator[Delta]) -> AsyncGenerator[Delta]:
    yield first
    async for delta in rest:
        yield delta


def _usage(last: Delta) -> Mapping[str, int]:
    total = last.prompt_tokens + last.completion_tokens
    return {
        "prompt_tokens": last.prompt_tokens,
        "completion_tokens": last.completion_tokens,
        "total_tokens": total,
    }


def _error(status: int, reason: str) -> Response:
    return JSONResponse({"error": {"message": reason, "code": status}}, status_code=status)


async def _sent(response: Response, send: Send) -> None:
    """A response without its request: none of ours looks at it."""
    await response({"type": "http", "method": "POST"}, _nothing, send)


async def _nothing() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}
