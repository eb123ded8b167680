"""The real vLLM with the bundled model, through Parley's own client: what only it can show."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.clock import SystemClock
from infra.engines.compatible import CompatibleEngine
from infra.engines.dialects import VLLM
from infra.engines.http import Endpoint
from infra.engines.port import Ask, EngineRefused, Message
from schemas.contracts import IntentAnswer

if TYPE_CHECKING:
    from tests.conftest import RealVllm

pytestmark = pytest.mark.slow
NO_MORE_TOKENS_AFTER_S = 0.3


def ask(text: str, **changed: object) -> Ask:
    plain = Ask(
        messages=(Message("system", "You are brief."), Message("user", text)),
        max_tokens=24,
        deadline=datetime.now(UTC) + timedelta(seconds=60),
        temperature=0.0,
        seed=1,
    )
    return replace(plain, **changed)  # type: ignore[arg-type]  # names and values come from the tests below


@pytest.fixture
async def engine(real_vllm: "RealVllm") -> AsyncIterator[CompatibleEngine]:
    made = CompatibleEngine(Endpoint(real_vllm.base_url, real_vllm.model, real_vllm.key), VLLM, SystemClock())
    yield made
    await made.aclose()


async def text_of(engine: CompatibleEngine, asked: Ask) -> str:
    return "".join([delta.text async for delta in engine.generate(asked)])


async def test_it_generates_and_says_which_model_it_is(real_vllm: "RealVllm", engine: CompatibleEngine) -> None:
    health = await engine.health()
    assert health.ok
    assert health.detail["models"] == [real_vllm.model]
    assert "scattering" in await text_of(engine, ask("Why is the sky blue?"))


async def test_a_schema_is_enforced_even_where_the_model_would_say_something_else(engine: CompatibleEngine) -> None:
    for seed in range(5):
        asked = ask("Tell me a story about a dog.", temperature=1.0, seed=seed, max_tokens=60)
        answer = await text_of(engine, replace(asked, schema=IntentAnswer.model_json_schema()))
        IntentAnswer.model_validate_json(answer)
    with pytest.raises(json.JSONDecodeError):
        json.loads(await text_of(engine, ask("Tell me a story about a dog.", temperature=1.0)))


async def test_a_continuation_returns_the_rest_only_and_makes_one_text(engine: CompatibleEngine) -> None:
    whole = await text_of(engine, ask("Why is the sky blue?", max_tokens=30))
    said = " ".join(whole.split(" ")[:8])

    rest = await text_of(engine, ask("Why is the sky blue?", max_tokens=12, continues=said))

    assert rest.startswith(" ")
    assert said not in rest
    assert whole.startswith(said + rest[:10])


@pytest.mark.parametrize("cancelled", [False, True], ids=["closed", "cancelled"])
async def test_a_stream_that_nobody_reads_stops_generation(
    real_vllm: "RealVllm", engine: CompatibleEngine, cancelled: bool
) -> None:
    async def read() -> None:
        async with aclosing(engine.generate(ask("Tell me a very long story.", max_tokens=1_500))) as deltas:
            pieces = 0
            async for _ in deltas:
                pieces += 1
                if pieces == 5:
                    begun.set()
                    if not cancelled:
                        return

    begun = asyncio.Event()
    before = real_vllm.metric("generation_tokens_total")
    reading = asyncio.create_task(read())
    await asyncio.wait_for(begun.wait(), 30)
    if cancelled:
        reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)

    stopped_at = time.monotonic()
    while real_vllm.metric("num_requests_running") > 0:
        assert time.monotonic() - stopped_at < 2, "it generates on"
        await asyncio.sleep(0.01)
    await asyncio.sleep(NO_MORE_TOKENS_AFTER_S)
    after = real_vllm.metric("generation_tokens_total")
    assert 0 < after - before < 100, "far from the 1,500 that were asked for"
    await asyncio.sleep(1.0)
    assert real_vllm.metric("generation_tokens_total") == after


async def test_it_lets_nobody_in_without_the_key(real_vllm: "RealVllm") -> None:
    stranger = CompatibleEngine(Endpoint(real_vllm.base_url, real_vllm.model, "wrong"), VLLM, SystemClock())
    with pytest.raises(EngineRefused, match="401"):
        await text_of(stranger, ask("Hello"))
    await stranger.aclose()


def test_the_key_is_on_no_command_line_and_in_no_log(real_vllm: "RealVllm") -> None:
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in lines if real_vllm.key.encode() in line]
    assert real_vllm.key not in real_vllm.log.read_text()
