"""Puts a scripted engine behind a real OpenAI-compatible address on loopback: for tests and benchmarks of the client.

It misbehaves as real servers do, when told to. It serves /v1/chat/completions, /v1/models and /health; with `pooling`
/v1/embeddings and /v1/rerank; with `metrics` those; and /streams for whoever wants to know when it stopped.
It reads only requests with a Content-Length.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from infra.engines.pooling import LocalEmbeddings
from infra.engines.port import Ask, EngineCut, EngineRefused, EngineUnavailable, Message
from infra.engines.scripted import ScriptedEngine

HOST: Final = "127.0.0.1"
_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Manners:
    """How the server behaves; may be changed while it runs."""

    api_key: str | None = None
    echoes: bool = False  # repeats what the assistant has said, before it continues
    echo_chars: int = 4  # so many in one delta
    hangs_up: bool = False  # after each answer, though it does not say so
    plain_json: bool = False  # ignores `stream`
    error_event: bool = False  # tells a cut as an event instead of closing
    pooling: LocalEmbeddings | None = None  # what embeds and scores behind the address
    metrics: str | None = None  # in Prometheus' text format
    odd: Mapping[str, Any] | None = None  # told instead of vectors and scores
    requests: list[Mapping[str, Any]] = field(default_factory=list)  # the bodies that came
    headers: list[Mapping[str, str]] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def served(engine: ScriptedEngine, manners: Manners, port: int = 0) -> AsyncIterator[str]:
    """Serve the engine on `port` (0: a free one); gives the address. Connections are closed at the end."""
    open_tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        manners.connections += 1
        task = asyncio.ensure_future(_connection(engine, manners, reader, writer))
        open_tasks.add(task)
        task.add_done_callback(open_tasks.discard)

    server = await asyncio.start_server(connected, HOST, port)
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(open_tasks):
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)


async def _connection(
    engine: ScriptedEngine, manners: Manners, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        early = b""
        while (next_early := await _request(engine, manners, reader, writer, early)) is not None:
            early = next_early
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # the client is gone
    finally:
        writer.close()


async def _request(
    engine: ScriptedEngine, manners: Manners, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes
) -> bytes | None:
    """Answer one request, of which `early` was read already. None when the connection ends with it."""
    head = (early + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    path = head[0].split(" ")[1]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if path == "/health":
        _told(writer, 200, {"status": "ok"})
        return b""
    if path == "/metrics":
        text = (manners.metrics or "").encode()
        started = (
            f"HTTP/1.1 {200 if text else 404} Told\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        writer.write(started.encode() + text)
        return b""
    if manners.api_key and headers.get("authorization") != f"Bearer {manners.api_key}":
        _told(writer, 401, {"error": {"message": "Invalid API Key"}})
        return b""
    if path == "/v1/models":
        _told(writer, 200, {"data": [{"id": engine.model}]})
        return b""
    if path == "/streams":
        _told(writer, 200, {"streams": [asdict(stream) for stream in engine.streams]})
        return b""
    request: Mapping[str, Any] = json.loads(body)
    manners.requests.append(request)
    manners.headers.append(headers)
    if path in ("/v1/embeddings", "/v1/rerank"):
        _told(writer, *await _pooled(manners, path, request))
        return b""
    if manners.plain_json:
        _told(writer, 200, {"choices": [{"message": {"content": "not a stream"}}]})
        return b""
    gone = asyncio.ensure_future(reader.read(1))  # ends when the client hangs up: then nothing is generated any more
    asked_by = headers.get("x-session-id", "")
    answer = asyncio.ensure_future(_answered(engine, manners, request, asked_by, writer))
    try:
        await asyncio.wait({gone, answer}, return_when=asyncio.FIRST_COMPLETED)
        kept = answer.done() and answer.result() and not manners.hangs_up
        return (gone.result() if gone.done() else b"") if kept else None
    finally:
        for task in (gone, answer):
            task.cancel()
        await asyncio.gather(gone, answer, return_exceptions=True)


async def _pooled(manners: Manners, path: str, request: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """Status and body of an answer with vectors or scores, the best first as rerankers do."""
    if manners.odd is not None:
        return 200, manners.odd
    if manners.pooling is None:
        return 404, {"error": {"message": f"{path} is not served"}}
    if path == "/v1/embeddings":
        vectors = await manners.pooling.embed(request["input"], _NEVER)
        return 200, {"data": [{"index": place, "embedding": row.tolist()} for place, row in enumerate(vectors)]}
    scores = await manners.pooling.score(request["query"], request["documents"], _NEVER)
    best_first = sorted(enumerate(scores), key=lambda scored: -scored[1])
    return 200, {"results": [{"index": place, "relevance_score": score} for place, score in best_first]}


async def _answered(
    engine: ScriptedEngine,
    manners: Manners,
    request: Mapping[str, Any],
    conversation: str,
    writer: asyncio.StreamWriter,
) -> bool:
    messages = [Message(message["role"], message["content"]) for message in request["messages"]]
    continues = messages.pop().content if messages[-1].role == "assistant" else ""
    ask = Ask(tuple(messages), request["max_tokens"], _NEVER, continues=continues, conversation=conversation)
    started = False
    try:
        async with aclosing(engine.generate(ask)) as deltas:
            async for delta in deltas:
                if not started:
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                    )
                    _event(writer, {"choices": [{"delta": {"role": "assistant", "content": None}}]})
                    started = True
                    if manners.echoes:
                        for at in range(0, len(continues), manners.echo_chars):
                            _event(writer, _delta(continues[at : at + manners.echo_chars]))
                _event(writer, _delta(delta.text, delta.finish))
                if delta.finish is not None:
                    usage = {"prompt_tokens": delta.prompt_tokens, "completion_tokens": delta.completion_tokens}
                    _event(writer, {"choices": [], "usage": usage})
                await writer.drain()
    except EngineUnavailable as error:
        _told(writer, 503, {"error": {"message": str(error)}})
        return True
    except EngineRefused as error:
        _told(writer, 400, {"error": {"message": str(error)}})
        return True
    except EngineCut as error:
        if manners.error_event:
            _event(writer, {"error": {"message": str(error)}})
        return False
    _chunk(writer, b"data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _delta(text: str, finish: str | None = None) -> Mapping[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]}


def _event(writer: asyncio.StreamWriter, data: Mapping[str, Any]) -> None:
    _chunk(writer, b"data: %b\n\n" % json.dumps(data).encode())


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


def _told(writer: asyncio.StreamWriter, status: int, data: Mapping[str, Any]) -> None:
    body = json.dumps(data).encode()
    head = f"HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
