"""vLLM's command line and environment: what is in them, and what must not be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.engines.vllm.installed import Environment
from infra.engines.vllm.server import VllmServer
from schemas.errors import InvalidField


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "a-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Callable[[object], Path]:
    """Makes a folder of an adapter with this rank."""

    def made(rank: object) -> Path:
        folder = tmp_path / f"adapter-{rank}"
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
        return folder

    return made


def server(**changes: Any) -> VllmServer:
    return VllmServer(**{"environment": Environment(), "port": 8000, "on_cpu": True, **changes})


def test_the_bundled_model_is_the_default() -> None:
    line = server().command()

    assert line[:4] == [str(Environment().python), "-I", "-m", "vllm.entrypoints.openai.api_server"]
    text = " ".join(line)
    assert f"--model {Environment().bundled_model}" in text
    assert "--served-model-name smollm2-135m-instruct --host 127.0.0.1 --port 8000 --dtype bfloat16" in text
    assert text.endswith("--enforce-eager --scheduling-policy priority")


def test_every_setting_has_its_flag(model: Path, adapter: Callable[[object], Path]) -> None:
    given = server(
        on_cpu=False,
        model=str(model),
        max_model_len=4096,
        gpu_memory_utilization=0.8,
        tensor_parallel_size=2,
        lora={"french": adapter(8), "dutch": adapter(48)},
        quantization="awq",
        dtype="float16",
        extra=("--seed", "1"),
    )
    text = " ".join(given.command())

    for flag in (
        f"--model {model} --served-model-name a-model",
        "--max-model-len 4096 --gpu-memory-utilization 0.8 --tensor-parallel-size 2 --quantization awq --dtype float16",
        "--enable-lora --max-loras 2 --max-lora-rank 64 --lora-modules french=",
        "/adapter-8 dutch=",
        "/adapter-48 --seed 1",
    ):
        assert flag in text
    assert "--enforce-eager" not in text


def test_a_pooling_server_has_neither_priority_nor_a_type_of_its_own() -> None:
    text = " ".join(server(pooling=True).command())

    assert "--runner pooling" in text
    assert "--scheduling-policy" not in text
    assert "--dtype" not in text


def test_a_name_of_the_hub_stays_a_name_and_may_ask_the_hub() -> None:
    given = server(model="Qwen/Qwen3-4B").checked()

    assert (given.model_name, given.model_path) == ("Qwen/Qwen3-4B", None)
    assert "HF_HUB_OFFLINE" not in given.variables("key", {})
    assert server().variables("key", {})["HF_HUB_OFFLINE"] == "1"


def test_the_environment_has_the_key_and_nothing_that_is_meant_for_parley() -> None:
    around = {"PATH": "/bin", "VLLM_PORT": "8000", "VLLM_MODEL_NAME": "m", "PARLEY_BUS__TOKEN": "t", "HF_TOKEN": "hf"}

    told = server().variables("key", around)

    assert told["VLLM_API_KEY"] == "key"
    assert told["HF_TOKEN"] == "hf"
    assert told["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert not {"VLLM_PORT", "VLLM_MODEL_NAME", "PARLEY_BUS__TOKEN"} & set(told)
    assert server().variables("key", {"VLLM_CPU_KVCACHE_SPACE": "9"})["VLLM_CPU_KVCACHE_SPACE"] == "9"
    assert "hf" not in server().command()
    configured = server(hf_token="mine")
    assert configured.variables("key", around)["HF_TOKEN"] == "mine"
    assert "mine" not in repr(configured) + " ".join(configured.command())
    flag = server(extra=("--kv-cache-memory-bytes", "1000"))
    assert "VLLM_CPU_KVCACHE_SPACE" not in flag.variables("key", {"VLLM_CPU_KVCACHE_SPACE": "9"})


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"model": "/nowhere/model"},
            "vllm.model: '/nowhere/model' is not allowed; expected a folder that",
        ),
        (
            {"model": "not a name"},
            "vllm.model: 'not a name' is not allowed; expected a folder that exists or",
        ),
        ({"lora": {"a b": Path("x")}}, "vllm.lora: 'a b' is not allowed; expected a name of letters"),
        (
            {"lora": {"a": Path("/nowhere")}},
            "vllm.lora.a: '/nowhere' is not allowed; expected a folder that",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    changes: dict[str, Any], line: str, vllm_folder: Environment
) -> None:
    with pytest.raises(InvalidField) as refused:
        server(environment=vllm_folder, **changes).checked()

    assert str(refused.value).startswith(line)


def test_a_gguf_file_is_sent_to_llama_cpp(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")

    with pytest.raises(InvalidField, match=r"GGUF files are for llama\.cpp"):
        server(model=str(tmp_path / "m.gguf")).checked()


@pytest.fixture
def vllm_folder(tmp_path: Path) -> Environment:
    """An environment whose bundled model is there."""
    environment = Environment(tmp_path)
    environment.bundled_model.mkdir(parents=True)
    (environment.bundled_model / "config.json").write_text("{}")
    return environment


@pytest.mark.parametrize("rank", [0.5, "eight", None, []])
def test_an_adapter_without_a_rank_is_refused(
    adapter: Callable[[object], Path], rank: object, vllm_folder: Environment
) -> None:
    folder = adapter(rank) if rank != 0.5 else adapter({})

    with pytest.raises(
        InvalidField, match=r"vllm\.lora\.a: .* is not allowed; expected a folder that holds adapter_conf"
    ):
        server(environment=vllm_folder, lora={"a": folder}).checked()


def test_an_adapter_that_is_too_large_is_refused_by_name(
    adapter: Callable[[object], Path], vllm_folder: Environment
) -> None:
    with pytest.raises(InvalidField, match=r"vllm\.lora\.big: .* rank 512 at most; its r is 513"):
        server(environment=vllm_folder, lora={"small": adapter(4), "big": adapter(513)}).checked()
