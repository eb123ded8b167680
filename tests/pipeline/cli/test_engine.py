"""`parley engine status`: every engine, what it is for, and what is wrong with it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from typer.testing import Result

from infra.engines.factory import EngineConfig
from infra.engines.http import Endpoint
from infra.engines.load import EngineLoad
from infra.engines.scripted import ScriptedEngine, saying
from infra.engines.scripted_server import Manners, served
from pipeline.engine_view import FALLBACKS_SQL, EngineSeen, Looked, with_own

Cli = Callable[..., Result]
CONFIG = """
models:
  big: {backend: vllm, base_url: "%s", model: %s, api_key: key}
  gone: {backend: openai, base_url: "http://me:very-secret@127.0.0.1:9/v1", model: phi}
  here: {backend: wordllama, port: score}
default_model: big
roles: {intent: [gone, big], rank: [here]}
"""


@pytest.fixture
def vllm_like() -> Iterator[str]:
    """An address at which a model `qwen` answers, with vLLM's metrics, in a thread of its own."""
    metrics = 'vllm:num_requests_running{engine="0"} 2.0\nvllm:num_requests_waiting{engine="0"} 1.0\n'
    metrics += "vllm:prefix_cache_queries_total 200.0\nvllm:prefix_cache_hits_total 50.0\n"
    loop, address, ended = asyncio.new_event_loop(), [""], asyncio.Event()
    up = threading.Event()

    async def serve() -> None:
        manners = Manners(api_key="key", metrics=metrics)
        async with served(ScriptedEngine(saying("Hi."), model="qwen"), manners) as url:
            address[0] = url
            up.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(10)
    yield address[0]
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)
    loop.close()


def configured(folder: Path, url: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIMAL_MODE")
    (folder / "config.yaml").write_text(CONFIG % (url, model))


def test_each_engine_is_shown_with_its_roles_its_work_and_its_trouble(
    cli: Cli, vllm_like: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(tmp_path, vllm_like, "qwen", monkeypatch)

    shown, told = cli("engine", "status"), cli("engine", "status", "--json")

    assert shown.exit_code == told.exit_code == 1, "one engine does not answer"
    engines = {engine["name"]: engine for engine in json.loads(told.stdout)["engines"]}
    assert set(engines) == {"big", "gone", "here"}, "no role asks the shared engine"
    big = engines["big"]
    assert (big["ok"], big["backend"], big["model"], big["served"]) == (True, "vllm", "qwen", ["qwen"])
    assert big["roles"] == ["chat", "intent", "slots", "summarise", "judge"]
    assert (big["load"]["running"], big["load"]["waiting"], big["cache_hit_rate"]) == (2.0, 1.0, 0.25)
    assert (engines["gone"]["ok"], engines["gone"]["roles"]) == (False, ["intent"])
    assert (engines["here"]["ok"], engines["here"]["roles"]) == (True, ["rank"])
    assert "cache hits 25%" in shown.stdout
    assert "gone: !!" in shown.stdout
    assert "very-secret" not in shown.stdout + told.stdout


def test_a_model_that_the_server_does_not_serve_is_told_with_those_that_it_does(
    cli: Cli, vllm_like: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(tmp_path, vllm_like, "llama", monkeypatch)

    assert "big: !! it serves qwen, not llama" in cli("engine", "status").stdout


def test_minimal_mode_is_well_without_any_engine(cli: Cli) -> None:
    result = cli("engine", "status", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["engines"] == []
    assert "no engine: replies come from rules (minimal mode)" in cli("engine", "status").stdout


@pytest.mark.slow
def test_the_share_of_fallbacks_comes_from_the_log_of_the_parley_that_runs(parley: Cli) -> None:
    parley("say", "tell me about spiders", "--no-speech")

    fallbacks = json.loads(parley("engine", "status", "--json").stdout)["fallbacks"]

    assert fallbacks["replies"] >= 1
    assert 0 <= fallbacks["fallbacks"] <= fallbacks["replies"]


def test_speed_is_what_was_generated_between_two_looks_and_requests_are_those_of_the_workers() -> None:
    config = EngineConfig("vllm", Endpoint("http://127.0.0.1:9", "qwen"))
    seen = EngineSeen("big", "vllm", "qwen", "", config.port, (), ok=True, load=EngineLoad(generated_tokens=1_100))
    before = Looked((replace(seen, load=EngineLoad(generated_tokens=1_000)),), at_s=10.0)

    found = with_own(seen, before, 12.0, {"vllm/qwen": (3, 2), "vllm/other": (9, 9)})

    assert (found.tokens_per_s, found.in_flight, found.queued) == (50.0, 3, 2)
    assert with_own(seen, None, 12.0, {}).tokens_per_s is None


def test_the_share_of_fallbacks_is_of_live_replies_in_which_an_engine_was_asked() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE engines (time TIMESTAMPTZ, tenant TEXT, run TEXT, backend TEXT, fallback BOOLEAN)")
    connection.execute(
        """INSERT INTO engines VALUES
            (now(), 'a', 'live', 'vllm', false), (now(), 'a', 'live', 'contextual', true),
            (now(), 'a', 'live', 'fixed', false), (now(), 'a', 'replay-1', 'vllm', true),
            (now(), 'b', 'live', 'vllm', true), (now() - INTERVAL 2 HOUR, 'a', 'live', 'vllm', true)"""
    )
    assert connection.execute(FALLBACKS_SQL, {"tenant": "a"}).fetchall() == [(2, 1)]
