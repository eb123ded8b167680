"""Every contract on real engines, the small model very hot: the grammar holds whatever it would say."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from infra.clock import SystemClock
from infra.engines.compatible import CompatibleEngine
from infra.engines.dialects import LLAMA_CPP, VLLM
from infra.engines.http import Endpoint
from infra.engines.llama_cpp import API_KEY_VARIABLE, EngineProcess
from infra.engines.port import Ask, Message
from schemas.contracts import Contract, cut_to, schema_of, summary_within, tokens_needed
from tests.contract_examples import KINDS

KEY = "key-of-the-tests"
CALLS = 2
HOT = 1.5
ENGLISH = (
    "Ann asked for the flight to be moved to Friday since her sister arrives on Thursday evening, and the hotel near "
    "the river has been told. The car was returned with a full tank. What is left is the visa, for which two photos "
    "and a letter from the office are needed, and somebody to water the plants while we are away."
)

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Subject:
    """A real engine, and how it counts tokens."""

    engine: CompatibleEngine
    count: Callable[[str], int]


@pytest.fixture(scope="module")
def llama_url(unused_tcp_port_factory: Callable[[], int]) -> Iterator[str]:
    process = EngineProcess(port=unused_tcp_port_factory())
    environment = {**os.environ, API_KEY_VARIABLE: KEY}
    with subprocess.Popen(process.command(), env=environment, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        try:
            yield started.stdout.readline().removeprefix("listening on ").strip()
        finally:
            started.terminate()
            assert started.wait(timeout=10) == 0


@pytest.fixture(params=["llama.cpp", "vllm"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "llama.cpp":
        url, key, model = request.getfixturevalue("llama_url"), KEY, EngineProcess(0).model_name
        dialect, field = LLAMA_CPP, "content"
    else:
        real = request.getfixturevalue("real_vllm")
        url, key, model = real.base_url.removesuffix("/v1"), real.key, real.model
        dialect, field = VLLM, "prompt"
    engine = CompatibleEngine(Endpoint(url, model, key, first_token_timeout_s=120), dialect, SystemClock())
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as http:

        def count(text: str) -> int:
            return len(http.post("/tokenize", json={"model": model, field: text}).raise_for_status().json()["tokens"])

        yield Subject(engine, count)
    await engine.aclose()


async def answered(engine: CompatibleEngine, contract: type[Contract], seed: int) -> tuple[str, str | None]:
    """What the model says at a temperature at which it says anything, and how the answer ended."""
    asked = Ask(
        (Message("user", "Tell me a long story about the sea, with many words and numbers."),),
        max_tokens=tokens_needed(contract),
        deadline=datetime.now(UTC) + timedelta(seconds=300),
        temperature=HOT,
        top_p=1.0,
        top_k=0,
        repetition_penalty=1.0,
        seed=seed,
        schema=schema_of(contract),
    )
    text, finish = "", None
    async for delta in engine.generate(asked):
        text, finish = text + delta.text, delta.finish
    return text, finish


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_engine_says_is_an_answer_in_its_contract_and_ends(subject: Subject, kind: str) -> None:
    contract = KINDS[kind].contract
    for text, finish in await asyncio.gather(*(answered(subject.engine, contract, seed) for seed in range(CALLS))):
        assert finish == "stop", text[-80:]
        contract.model_validate_json(text)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_has_fewer_tokens_than_are_allowed_for_it(subject: Subject, kind: str) -> None:
    for answer in KINDS[kind].good:
        assert subject.count(json.dumps(answer, indent=1)) < tokens_needed(KINDS[kind].contract)


@pytest.mark.parametrize("budget", [16, 40, 80])
async def test_a_summary_in_english_keeps_its_budget_and_is_cut_to_it_when_not(subject: Subject, budget: int) -> None:
    whole = summary_within(budget)
    text = ENGLISH[: budget * 3].strip()
    assert whole.model_validate({"text": text})
    assert subject.count(text) <= budget + 1  # llama.cpp and vLLM may count a token for the beginning
    assert subject.count(cut_to("7 " * budget * 2, budget, subject.count)) <= budget
