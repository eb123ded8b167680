"""The scripted server tells how far each answer came and when whoever read it went away."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.clock import SystemClock
from infra.engines.compatible import CompatibleEngine
from infra.engines.dialects import OPENAI
from infra.engines.http import Endpoint
from infra.engines.port import Ask, Message
from infra.engines.scripted import Answer, ScriptedEngine
from infra.engines.scripted_server import Manners, served

if TYPE_CHECKING:
    Until = Callable[..., Awaitable[Any]]


def streams_of(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/streams", timeout=10) as answer:
        told: list[dict[str, Any]] = json.load(answer)["streams"]
    return told


async def test_a_stream_that_was_left_ends_there_and_one_that_was_read_does_not(until: "Until") -> None:
    deadline = datetime.now(UTC) + timedelta(hours=1)
    engine = ScriptedEngine(lambda ask: Answer("one two three " * 1_000 if ask.conversation == "left" else "one two"))
    async with served(engine, Manners()) as url:
        client = CompatibleEngine(Endpoint(url, "scripted"), OPENAI, SystemClock())
        async with aclosing(
            client.generate(Ask((Message("user", "a"),), 3_000, deadline, conversation="left"))
        ) as deltas:
            await anext(deltas)
        left_s = time.monotonic()
        _ = [delta async for delta in client.generate(Ask((Message("user", "b"),), 9, deadline, conversation="read"))]
        await until(lambda: not engine.running)
        left, read = await asyncio.to_thread(streams_of, url)
        await client.aclose()

    assert (left["conversation"], left["closed_early"]) == ("left", True)
    assert left["began_s"] <= left["last_piece_s"] <= left["ended_s"]
    assert left["began_s"] <= left_s
    assert left["pieces"] < 3_000
    assert (read["conversation"], read["closed_early"], read["pieces"]) == ("read", False, 2)
