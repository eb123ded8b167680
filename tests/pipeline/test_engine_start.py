"""Which engine `--engine` means, and how the settings describe vLLM's server. That they start is in tests/e2e."""

from pathlib import Path
from typing import Any

import pytest

from infra.engines.vllm.installed import Environment
from infra.engines.vllm.server import VllmServer
from infra.settings import EngineSettings, Settings, SettingsError, VllmSettings
from pipeline.engine_start import NAMES, Progress, server_of, with_engine
from schemas.errors import InvalidField


def settings(**engine: Any) -> Settings:
    return Settings(engine=EngineSettings(**engine))


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_a_backend(name: str) -> None:
    changed = with_engine(settings(), name).engine

    assert changed.backend == ("contextual" if name == "none" else name)
    assert changed.base_url is None


def test_a_name_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        InvalidField, match=r"--engine: 'gpt' is not allowed; expected one of auto, llama\.cpp, gpt4all, vllm, "
    ):
        with_engine(settings(), "gpt")


def test_an_address_that_is_configured_is_used_and_nothing_started() -> None:
    there = settings(backend="openai", base_url="http://10.0.0.1:8000/v1", model="m", api_key="k")

    changed = with_engine(there, "vllm").engine

    assert (changed.backend, changed.base_url, changed.model) == ("vllm", "http://10.0.0.1:8000/v1", "m")
    assert changed.api_key == there.engine.api_key


def test_an_address_without_a_model_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"engine\.model: None is not allowed"):
        with_engine(settings(base_url="http://10.0.0.1:8000"), "vllm")


def test_the_embedded_engine_does_not_take_the_address_of_another_server() -> None:
    there = settings(backend="vllm", base_url="http://10.0.0.1:8000/v1", model="m", api_key="k")

    changed = with_engine(there, "llama.cpp").engine

    assert (changed.base_url, changed.model, changed.api_key) == (None, None, None)


def test_without_an_engine_no_address_is_used() -> None:
    assert with_engine(settings(base_url="http://10.0.0.1:8000"), "none").engine.base_url is None


def test_the_settings_describe_the_server() -> None:
    told = Settings(
        vllm=VllmSettings(
            model="Qwen/Qwen3-4B", port=8001, max_model_len=4096, lora={"a": Path("a")}, extra_args=("--seed", "1")
        )
    )

    assert server_of(told, Environment()) == VllmServer(
        environment=Environment(),
        port=8001,
        on_cpu=True,
        model="Qwen/Qwen3-4B",
        max_model_len=4096,
        lora={"a": Path("a")},
        extra=("--seed", "1"),
    )


@pytest.mark.parametrize(
    ("vllm", "engine", "model"),
    [
        (None, None, None),
        (None, "Qwen/Qwen3-4B", "Qwen/Qwen3-4B"),
        ("adapters/mine", "Qwen/Qwen3-4B", "adapters/mine"),
    ],
)
def test_the_model_is_that_of_vllm_or_that_of_the_engine(vllm: str | None, engine: str | None, model: str) -> None:
    told = Settings(vllm=VllmSettings(model=vllm), engine=EngineSettings(backend="vllm", model=engine))

    assert server_of(told, Environment()).model == model


def test_progress_tells_each_step_once(tmp_path: Path) -> None:
    told: list[str] = []
    log = tmp_path / "engine.log"
    progress = Progress(EngineSettings(backend="vllm"), tmp_path, told.append)

    for text in ("", "", "Initializing a V1 LLM engine (v0.32.0)", "Loading weights took 1.7 seconds"):
        with log.open("a") as file:
            file.write(text)
        progress.tell()

    assert told == [
        "engine     vLLM: loading libraries (0 s)",
        "engine     vLLM: starting the engine (0 s)",
        "engine     vLLM: making room for the cache (0 s)",
    ]
    Progress(EngineSettings(backend="llama.cpp"), tmp_path, told.append).tell()
    assert len(told) == 3
