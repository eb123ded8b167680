"""vLLM as a person starts it: `parley up --engine vllm`, and scripts/start_vllm beside it; nothing is left running."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.numpy

from infra.bus.server import free_port
from infra.engines.vllm.guardian import members
from infra.processes import alive

if TYPE_CHECKING:
    from infra.engines.vllm.installed import Environment
    from tests.conftest import Parley, RealVllm

    NewParley = Callable[..., Parley]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="vLLM's packages are for Linux"),
]
NOTHING_LEFT_WITHIN_S = 3.0
SMALL = {"PARLEY_VLLM__MAX_MODEL_LEN": "2048", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_PORT": "1"}
FREE = {**SMALL, "MINIMAL_MODE": "false"}
UP_WITHIN_S = 300.0
SMOLLM2_WIDTH = 576


def group_of(parley: "Parley", name: str = "group-of-parley") -> int:
    """vLLM's process group, once it has been started."""
    file = parley.data / "vllm" / name
    parley.wait_for(lambda: file.exists() and bool(file.read_text()))
    return int(file.read_text())


def ready(parley: "Parley") -> None:
    parley.wait_for(lambda: "\nready after " in parley.told or parley.process.poll() is not None, UP_WITHIN_S)
    assert parley.process.poll() is None, parley.told


def server_script(parley: "Parley", *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`scripts/start_vllm` or `scripts/stop_vllm`, with the environment that there is."""
    parley.folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "scripts.vllm_server", *arguments]
    return subprocess.run(
        command, cwd=parley.folder, env=parley.environment, capture_output=True, text=True, timeout=400, check=False
    )


def test_up_with_vllm_answers_a_turn_and_leaves_no_process(
    vllm_environment: "Environment", new_parley: "NewParley"
) -> None:
    parley = new_parley(**FREE).up("--engine", "vllm")
    ready(parley)
    group = group_of(parley)
    assert len(members(group)) >= 3, "server, engine core and worker"

    turn = parley.turn("say", "Why is the sky blue?", "--no-speech")

    assert turn["status"] == "completed"
    assert (turn["engine"]["backend"], turn["engine"]["fallback"]) == ("vllm", False), turn
    assert "engine     vllm with smollm2-135m-instruct answers at http://127.0.0.1:" in parley.told
    assert "vLLM: loading the weights" in parley.told

    os.kill(group, signal.SIGKILL)  # its server, of which the core and the worker know nothing
    parley.wait_for(lambda: "restart    engine ended with status 1" in parley.told)
    parley.wait_for(lambda: members(group) == [], 10)
    again = group_of(parley)
    parley.end(signal.SIGTERM)
    assert members(group) + members(again) == []


def test_up_that_is_killed_takes_vllm_along_while_it_starts(
    vllm_environment: "Environment", new_parley: "NewParley"
) -> None:
    parley = new_parley(**FREE).up("--engine", "vllm")
    group = group_of(parley)
    parley.wait_for(lambda: len(members(group)) >= 3, UP_WITHIN_S)  # the engine core is there

    parley.end(signal.SIGKILL)
    killed_at = time.monotonic()

    parley.wait_for(lambda: members(group) == [], 30)
    assert time.monotonic() - killed_at < NOTHING_LEFT_WITHIN_S


def test_what_can_never_start_is_told_at_once(vllm_environment: "Environment", new_parley: "NewParley") -> None:
    parley = new_parley(**{**FREE, "PARLEY_VLLM__MAX_MODEL_LEN": "100000"}).up("--engine", "vllm")

    assert parley.process.wait(UP_WITHIN_S) == 3

    last = parley.told.splitlines()[-1]
    assert last.startswith("parley: engine does not start: vLLM did not start: max_model_len: 100000 tokens are more")
    assert "set --max-model-len to 8192 or less" in last
    assert "restart    engine" not in parley.told


def test_a_name_that_is_no_engine_is_refused_with_those_that_are(new_parley: "NewParley") -> None:
    parley = new_parley()
    parley.folder.mkdir()

    refused = parley.command("up", "--engine", "gpt")

    assert refused.returncode == 2
    assert refused.stderr.startswith(
        "parley: --engine: 'gpt' is not allowed; expected one of auto, llama.cpp, gpt4all, vllm, "
    )


@pytest.fixture
def beside(vllm_environment: "Environment", new_parley: "NewParley") -> "Iterator[Parley]":
    """A Parley whose data folder a vLLM of scripts/start_vllm may use; that is stopped at the end."""
    parley = new_parley(**FREE)
    yield parley
    server_script(parley, "stop")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A LoRA adapter for the bundled model as peft writes one: rank 32, queries of the first layer, at random."""
    folder = tmp_path / "odd"
    folder.mkdir()
    told = {"peft_type": "LORA", "r": 32, "lora_alpha": 64, "target_modules": ["q_proj"], "base_model_name_or_path": ""}
    (folder / "adapter_config.json").write_text(json.dumps(told))
    chance = np.random.default_rng(1)
    module = "base_model.model.model.layers.0.self_attn.q_proj"
    shapes = {"lora_A": (32, SMOLLM2_WIDTH), "lora_B": (SMOLLM2_WIDTH, 32)}
    weights = {f"{module}.{part}.weight": chance.normal(size=shape).astype("f4") for part, shape in shapes.items()}
    safetensors.numpy.save_file(weights, folder / "adapter_model.safetensors")
    return folder


def answered(base_url: str, key: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What a server answers to a request."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(base_url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as page:
        told: dict[str, Any] = json.load(page)
    return told


def said_by(base_url: str, key: str, model: str) -> str:
    asked = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 12, "temperature": 0}
    told = answered(base_url, key, "/v1/chat/completions", {"model": model, **asked})
    return str(told["choices"][0]["message"]["content"])


def test_a_server_of_start_vllm_is_used_found_again_and_stopped(beside: "Parley", adapter: Path) -> None:
    port = str(free_port())
    started = server_script(beside, "start", "--port", port, "--lora", f"odd={adapter}")
    assert started.returncode == 0, started.stderr
    assert f"vLLM serves smollm2-135m-instruct at http://127.0.0.1:{port}/v1" in started.stdout
    group = group_of(beside, f"{port}/group")
    record = json.loads((beside.data / "vllm" / port / "server.json").read_text())
    key = Path(record["key_file"])
    assert key.stat().st_mode & 0o077 == 0
    assert key.read_text() not in started.stdout + started.stderr

    usual, odd = (said_by(record["base_url"], key.read_text(), name) for name in ("smollm2-135m-instruct", "odd"))
    assert "hello" in usual.lower()
    assert odd != usual, "the adapter does something"

    second = server_script(beside, "start", "--port", port)
    assert second.returncode == 1
    assert second.stderr.startswith("start_vllm: vLLM already runs: smollm2-135m-instruct at http://127.0.0.1:")

    beside.up("--engine", "vllm")
    ready(beside)
    assert (
        f"engine     vLLM runs already with smollm2-135m-instruct (process {record['pid']}), it is used" in beside.told
    )
    turn = beside.turn("say", "Why is the sky blue?", "--no-speech")
    assert turn["engine"]["backend"] == "vllm"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        tokens = re.search(r"^vllm:generation_tokens_total\S* (\S+)$", page.read().decode(), re.MULTILINE)
    assert tokens is not None
    assert float(tokens[1]) > 0
    beside.end(signal.SIGTERM)
    assert alive(record["pid"]), "it is not Parley's to stop"

    stopped = server_script(beside, "stop")
    assert stopped.stdout.startswith("stopped vLLM with smollm2-135m-instruct")
    assert members(group) == []
    assert server_script(beside, "stop").stdout.startswith("no vLLM that scripts/start_vllm has started runs")


def test_a_server_that_embeds_ranks_candidates_beside_another_engine(beside: "Parley") -> None:
    """The bundled model as an embedding model: no good one, but it is asked and answers as a reranker would."""
    port = str(free_port())
    started = server_script(beside, "start", "--port", port, "--runner", "pooling", "--", "--convert", "embed")
    assert started.returncode == 0, started.stderr
    use = re.search(r"`models: \{NAME: (\{backend: vllm, port: score, .*?\})\}`", started.stdout)
    assert use is not None, started.stdout
    (beside.folder / "config.yaml").write_text(
        f"models:\n  own: {use[1]}\nroles: {{rank: [own]}}\nchat: {{candidates: 2, rank_within_s: 20}}\n"
    )

    beside.up("--engine", "llama.cpp")
    ready(beside)
    turn = beside.turn("say", "Why is the sky blue?", "--no-speech")

    assert turn["engine"]["backend"] == "llama.cpp"
    parts = "payload->'$.ranked_by' AS by, payload->'$.relevance' AS scores"
    sql = f"SELECT {parts} FROM events WHERE type = 'ReplyGenerated'"
    logged = json.loads(beside.command("log", "query", sql, "--json").stdout)
    by, scores = (json.loads(each) if isinstance(each, str) else each for each in (logged["by"], logged["scores"]))
    assert (by["backend"], by["fallback"]) == ("vllm", False)
    assert len(scores) == 2
    assert all(0 < score <= 1 for score in scores), scores


def test_a_stale_record_is_no_server(beside: "Parley") -> None:
    folder = beside.data / "vllm" / "8000"
    folder.mkdir(parents=True)
    record = {
        "pid": os.getpid(),
        "since": 1,
        "base_url": "http://127.0.0.1:1",
        "model": "m",
        "key_file": "k",
        "log": "l",
    }
    (folder / "server.json").write_text(json.dumps(record))

    assert server_script(beside, "stop").stdout.startswith("no vLLM that scripts/start_vllm has started runs")
    assert not (folder / "server.json").exists()


REFUSED = {
    "too long for the cache": (
        ("--max-model-len", "8192", "--", "--kv-cache-memory-bytes", "50000000"),
        "start_vllm: vLLM did not start: max_model_len: 8192 tokens need 0.18 GiB of cache and there are 0.0",
    ),
    "no such model": (
        ("--model", "nobody/no-such-model"),
        "start_vllm: vLLM did not start: model not found: it is not on this machine and the hub cannot be reached",
    ),
    "no such quantisation": (
        ("--quantization", "foo"),
        "start_vllm: vLLM did not start: quantization: vLLM knows no",
    ),
    "no such flag": (("--", "--no-such-flag"), "start_vllm: vLLM did not start: vLLM refuses a flag: unrec"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_start_that_fails_says_why_on_one_line(beside: "Parley", case: str) -> None:
    arguments, line = REFUSED[case]
    beside.environment["HF_HUB_OFFLINE"] = "1"

    port = str(free_port())
    failed = server_script(beside, "start", "--port", port, *arguments)

    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith(line), failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (beside.data / "vllm" / port / "server.json").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--port", "0"), "start_vllm: vllm.port: 0 is not allowed; expected greater than or equal to 1"),
        (("--model", "/nowhere"), "start_vllm: vllm.model: '/nowhere' is not allowed; expected a folder that holds "),
        (("--lora", "french"), "start_vllm: --lora: 'french' is not allowed; expected NAME=DIR"),
        (("--gpu-memory-utilization", "90"), "start_vllm: vllm.gpu_memory_utilization: 90.0 is not allowed; expected "),
    ],
)
def test_a_wrong_call_is_one_line(beside: "Parley", arguments: tuple[str, ...], line: str) -> None:
    refused = server_script(beside, "start", *arguments)

    assert refused.returncode == 2
    assert refused.stderr.startswith(line)
    assert len(refused.stderr.splitlines()) == 1


def test_a_taken_port_is_told(beside: "Parley", real_vllm: "RealVllm") -> None:
    port = real_vllm.base_url.rpartition(":")[2]

    refused = server_script(beside, "start", "--port", port)

    assert refused.returncode == 2
    assert refused.stderr.startswith(f"start_vllm: vllm.port: {port} is not allowed; expected a port that is free on ")
