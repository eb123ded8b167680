"""What the embedded engine and its client cost: `python -m scripts.bench.engine`.

Starts the embedded engine on a free port, measures it alone, through the client and through the chat stage, and prints
a table. Times depend on what else the machine does: the load is printed beside them.
"""

import asyncio
import json
import os
import secrets
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.clock import SystemClock, new_id
from infra.engines.compatible import Endpoint
from infra.engines.factory import EngineConfig, make_engine, make_roles
from infra.engines.llama_cpp import API_KEY_VARIABLE, EngineProcess
from infra.engines.port import Ask, Message
from infra.engines.scripted import ScriptedEngine, saying
from infra.engines.scripted_server import Manners, served
from infra.prompts import Prompts
from schemas.chat import ReplyGenerated, ReplyRequested
from schemas.event import Event, Meta
from stages.chat import CHAT, PROMPTS_FOLDER, ChatGiven

ROUNDS = 200
QUESTIONS = (
    "Hello!",
    "What is the capital of France?",
    "Tell me about dogs.",
    "I'm tired.",
    "How do I boil an egg?",
) * 3


@dataclass(frozen=True, slots=True)
class Cost:
    """Median ms of one request: by the clock, and of this process's CPU, which a busy machine does not stretch."""

    wall_ms: float
    cpu_ms: float


async def client_overhead() -> tuple[Cost, Cost]:
    """A two-word answer over the bare socket and through the client, in turns, on one scripted server.

    The server runs in this very process, so its CPU is in both figures alike and the difference is the client's.
    """
    manners = Manners()
    async with served(ScriptedEngine(saying("Hello there.")), manners) as url:
        engine = make_engine(EngineConfig("vllm", Endpoint(url, "scripted")), SystemClock())
        ask = _ask("Hello", 8)

        async def through_client() -> None:
            async for _ in engine.generate(ask):
                pass

        await through_client()
        body = json.dumps(manners.requests[0]).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()

        async def bare() -> None:
            writer.write(head + body)
            await reader.readuntil(b"0\r\n\r\n")

        seen: tuple[list[Cost], list[Cost]] = ([], [])
        for _ in range(ROUNDS):
            for costs, once in zip(seen, (bare, through_client), strict=True):
                costs.append(await _cost(once))
        writer.close()
        await engine.aclose()
    bare_cost, client_cost = (_median(costs) for costs in seen)
    return bare_cost, client_cost


async def _cost(once: Callable[[], Awaitable[None]]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    await once()
    return Cost((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(cost.wall_ms for cost in costs), statistics.median(cost.cpu_ms for cost in costs))


@asynccontextmanager
async def embedded() -> AsyncIterator[tuple[Endpoint, int, float]]:
    """The embedded engine: its address, process id, and the seconds until it could be asked."""
    key = secrets.token_urlsafe()
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *EngineProcess(0).command(), env={**os.environ, API_KEY_VARIABLE: key}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    try:
        url = line.removeprefix("listening on ")
        yield Endpoint(url, EngineProcess(0).model_name, key), process.pid, time.perf_counter() - begun
    finally:
        process.terminate()
        await process.wait()


def _ask(text: str, max_tokens: int) -> Ask:
    return Ask((Message("user", text),), max_tokens, datetime.now(UTC) + timedelta(minutes=5), seed=1)


async def _speed(endpoint: Endpoint, streams: int) -> tuple[float, float]:
    """Tokens a second of all streams together, and the median time to a first token in ms."""
    engine = make_engine(EngineConfig("llama.cpp", endpoint), SystemClock())
    firsts: list[float] = []

    async def one(number: int) -> int:
        begun, tokens = time.perf_counter(), 0
        async for delta in engine.generate(_ask(f"Tell me a long story about the number {number}.", 96)):
            if tokens == 0 and delta.text:
                firsts.append((time.perf_counter() - begun) * 1e3)
                tokens = 1
            tokens = delta.completion_tokens or tokens
        return tokens

    begun = time.perf_counter()
    tokens = sum(await asyncio.gather(*(one(number) for number in range(streams))))
    taken_s = time.perf_counter() - begun
    await engine.aclose()
    return tokens / taken_s, statistics.median(firsts)


async def _sentences(endpoint: Endpoint) -> tuple[float, float]:
    """Median ms until the first sentence and until the whole reply, through the chat stage."""
    roles = make_roles({"embedded": EngineConfig("llama.cpp", endpoint)}, {"chat": ["embedded"]}, SystemClock())
    given = ChatGiven(roles, Prompts(PROMPTS_FOLDER))
    firsts: list[float] = []
    wholes: list[float] = []
    for question in QUESTIONS:
        now = datetime.now(UTC)
        meta = Meta(id="bench", type="ReplyRequested", conversation=new_id(), turn=new_id(), user="bench", time=now)
        begun, first = time.perf_counter(), 0.0
        async for fact in CHAT.handle(
            Event(meta=meta, fact=ReplyRequested(text=question, talk=(question,))), given, ()
        ):
            first = first or (time.perf_counter() - begun) * 1e3
            if isinstance(fact, ReplyGenerated):
                wholes.append((time.perf_counter() - begun) * 1e3)
        firsts.append(first)
    await roles.aclose()
    return statistics.median(firsts), statistics.median(wholes)


def _memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def main() -> None:
    print(f"load of the machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())} on {os.cpu_count()} cores")
    bare, client = await client_overhead()
    print(f"bare socket: {bare.wall_ms:.2f} ms, {bare.cpu_ms:.2f} ms of CPU")
    print(f"through the client: {client.wall_ms:.2f} ms, {client.cpu_ms:.2f} ms of CPU")
    print(f"the client adds {client.wall_ms - bare.wall_ms:.2f} ms, {client.cpu_ms - bare.cpu_ms:.2f} ms of CPU")
    async with embedded() as (endpoint, pid, ready_s):
        print(f"embedded engine: ready after {ready_s:.2f} s, {_memory_mb(pid):.0f} MB resident")
        for streams in (1, 2, 4):
            rate, first_ms = await _speed(endpoint, streams)
            print(f"  {streams} at once: {rate:.0f} tokens/s together, first token after {first_ms:.0f} ms")
        first_ms, whole_ms = await _sentences(endpoint)
        print(f"chat stage: first sentence after {first_ms:.0f} ms, whole reply after {whole_ms:.0f} ms (medians)")
        print(f"embedded engine: {_memory_mb(pid):.0f} MB resident afterwards")


if __name__ == "__main__":
    asyncio.run(main())
