"""The process of the backend gpt4all: how it refuses to start, and what is its own when it serves.

That it is a generator like the others is in tests/contracts/test_generators.py.
"""

import asyncio
import importlib.util
import os
import re
import socket
import subprocess
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra import weights
from infra.clock import SystemClock
from infra.engines.compatible import CompatibleEngine
from infra.engines.dialects import GPT4ALL
from infra.engines.gpt4all import PACKAGES, Gpt4allProcess, main
from infra.engines.http import Endpoint
from infra.engines.llama_cpp import API_KEY_VARIABLE, SMOLLM2
from infra.engines.port import Ask, Delta, EngineRefused, Message

KEY = "secret-key"
SENTENCE = "The quick brown fox jumps over the lazy dog. "


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, KEY)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """It looks like a model from outside."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(64))
    return path


def refusal(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it says on stderr: one line, with exit status 1."""
    assert main(("--port", "0", *arguments)) == 1
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_missing_model_is_named(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = tmp_path / "absent.gguf"
    assert f"model: {missing}: No such file" in refusal(capfd, "--model", str(missing))


def test_a_file_that_is_no_gguf_is_named(capfd: pytest.CaptureFixture[str], file: Path) -> None:
    file.write_bytes(b"PK\x03\x04")
    assert "is no GGUF file" in refusal(capfd, "--model", str(file))


def test_a_name_that_the_library_does_not_take_is_told(capfd: pytest.CaptureFixture[str], file: Path) -> None:
    other = file.rename(file.with_suffix(".model"))
    assert "rename it" in refusal(capfd, "--model", str(other))


def test_a_file_that_cannot_be_read_is_named(capfd: pytest.CaptureFixture[str], file: Path) -> None:
    assert f"{file} cannot be read as GGUF" in refusal(capfd, "--model", str(file))


@pytest.mark.parametrize("absent", ["gpt4all", "gguf", "starlette", "uvicorn"])
def test_a_missing_package_is_told_with_what_to_install(
    capfd: pytest.CaptureFixture[str], file: Path, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else found(name))
    told = refusal(capfd, "--model", str(file))
    assert f"package '{absent}' is not installed" in told
    assert "-m pip install gpt4all==" in told


def test_what_is_to_be_installed_is_the_projects_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert list(PACKAGES) == project["optional-dependencies"]["gpt4all"]


def test_a_taken_port_is_named(capfd: pytest.CaptureFixture[str], file: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refusal(capfd, "--model", str(file), "--port", str(port))
    assert f"port: 127.0.0.1:{port}: Address already in use" in told


def test_without_a_key_it_does_not_start(
    capfd: pytest.CaptureFixture[str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, " ")
    assert API_KEY_VARIABLE in refusal(capfd, "--model", str(file))


def test_the_command_line_holds_no_key() -> None:
    line = " ".join(Gpt4allProcess(8081, Path("m.gguf"), threads=3).command())
    assert KEY not in line
    assert line.endswith("--port 8081 --model m.gguf --context-tokens 2048 --threads 3")


@pytest.mark.slow
def test_a_model_that_the_library_is_too_old_for_is_refused_with_its_reason(capfd: pytest.CaptureFixture[str]) -> None:
    told = refusal(capfd, "--model", str(weights.path_of(SMOLLM2)))
    assert "unknown pre-tokenizer type: 'smollm'" in told
    assert "engine.backend: llama.cpp" in told


# The real library


@pytest.fixture(scope="module")
def address(gpt4all_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A process with one thread and a short context; it says nothing but where it listens."""
    complaints = tmp_path_factory.mktemp("served") / "stderr"
    command = Gpt4allProcess(0, gpt4all_model, context_tokens=512, threads=1).command()
    environment = {**os.environ, API_KEY_VARIABLE: KEY}
    with (
        complaints.open("wb") as errors,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as started,
    ):
        assert started.stdout is not None
        said = re.fullmatch(r"listening on (\S+)\n", started.stdout.readline())
        try:
            assert said
            assert complaints.read_bytes() == b""  # nothing of the GPU libraries that this machine lacks
            yield said[1]
        finally:
            started.terminate()
            assert started.wait(timeout=10) == 0


@pytest.fixture
async def engine(address: str, gpt4all_model: Path) -> AsyncIterator[CompatibleEngine]:
    made = CompatibleEngine(
        Endpoint(address, gpt4all_model.stem, KEY, first_token_timeout_s=60), GPT4ALL, SystemClock()
    )
    yield made
    await made.aclose()


def ask(*said: str, max_tokens: int = 16, continues: str = "") -> Ask:
    """Of the user and the assistant in turns."""
    talk = [Message("assistant" if place % 2 else "user", text) for place, text in enumerate(said)]
    messages = (Message("system", "You are brief."), *talk)
    return Ask(messages, max_tokens, datetime.now(UTC) + timedelta(seconds=60), temperature=0.0, continues=continues)


async def answered(engine: CompatibleEngine, asked: Ask) -> tuple[str, Delta, float]:
    """The text, the last piece, and the seconds until the first."""
    text, began, first_s = "", time.monotonic(), 0.0
    async for last in engine.generate(asked):
        first_s = first_s or time.monotonic() - began
        text += last.text
    return text, last, first_s


async def idle(address: str) -> bool:
    """Whether the library computes nothing."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, trust_env=False) as http:
        return not any(slot["is_processing"] for slot in (await http.get(f"{address}/slots")).json())


@pytest.mark.slow
async def test_a_client_that_hangs_up_while_its_prompt_is_read_stops_that(
    engine: CompatibleEngine, address: str, until: Callable[..., Awaitable[Any]]
) -> None:
    reading = asyncio.create_task(answered(engine, ask(SENTENCE * 45)))  # some 450 tokens: several seconds
    await asyncio.sleep(0.5)
    assert not await idle(address)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    began = time.monotonic()
    await until(lambda: idle(address))
    assert time.monotonic() - began < 1.0
    assert (await answered(engine, ask("Hello", max_tokens=4)))[1].completion_tokens == 4


@pytest.mark.slow
async def test_requests_at_once_are_answered_one_after_the_other_as_each_would_be_alone(
    engine: CompatibleEngine,
) -> None:
    asked = [ask("Why is the sky blue?"), ask("Tell me a story of a fox."), ask("How is rice cooked?")]
    alone = [(await answered(engine, each))[0] for each in asked]
    assert len(set(alone)) == 3
    assert [text for text, _, _ in await asyncio.gather(*(answered(engine, each) for each in asked))] == alone


@pytest.mark.slow
async def test_what_was_read_for_the_last_prompt_is_not_read_again(engine: CompatibleEngine) -> None:
    known = (SENTENCE * 20, "I see.", "What is the capital of France?")
    await answered(engine, ask("Hello"))  # another prompt: nothing of the next is known
    text, last, first_s = await answered(engine, ask(*known, continues="The capital of France is"))
    again, last_again, first_again_s = await answered(engine, ask(*known, continues="The capital of France is"))
    assert (again, last_again) == (text, last)
    assert text.startswith(" Paris")
    assert last.prompt_tokens > 200
    assert first_again_s < first_s / 3


@pytest.mark.slow
async def test_a_prompt_that_does_not_fit_is_refused_and_the_next_is_answered(engine: CompatibleEngine) -> None:
    with pytest.raises(EngineRefused, match="prompt does not fit; expected at most 496 tokens"):
        await answered(engine, ask(SENTENCE * 100))
    shared = SENTENCE * 30
    await answered(engine, ask(shared, max_tokens=1))
    with pytest.raises(EngineRefused, match="does not fit"):  # the part that is known already counts as well
        await answered(engine, ask(shared, "I see.", SENTENCE * 30))
    assert (await answered(engine, ask("Hello", max_tokens=4)))[1].completion_tokens == 4


@pytest.mark.slow
async def test_an_answer_ends_where_the_context_does(engine: CompatibleEngine) -> None:
    _, last, _ = await answered(engine, ask(SENTENCE * 44, "Yes.", "Tell me a long story.", max_tokens=1_000))
    assert last.finish == "length"
    assert last.prompt_tokens + last.completion_tokens < 512


@pytest.mark.slow
async def test_letters_of_several_tokens_arrive_whole(engine: CompatibleEngine) -> None:
    async with aclosing(
        engine.generate(ask("Repeat: 😀 日本 ñ", max_tokens=8, continues="😀 日本 ñ 😀 日本 ñ"))
    ) as deltas:
        text = "".join([delta.text async for delta in deltas])
    assert text.strip()
    assert "\ufffd" not in text.rstrip("\ufffd")


@pytest.mark.slow
async def test_a_wrong_key_is_refused(address: str) -> None:
    engine = CompatibleEngine(Endpoint(address, "any", "wrong"), GPT4ALL, SystemClock())
    with pytest.raises(EngineRefused, match="401"):
        await answered(engine, ask("Hello"))
    health = await engine.health()
    assert (health.ok, "401" in health.reason) == (False, True)
    await engine.aclose()
