"""Engines by name, and roles out of a description."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import pytest

from infra.clock import SystemClock
from infra.engines.factory import EngineConfig, make_engine, make_ranker, make_roles
from infra.engines.http import Endpoint
from infra.engines.port import Ask, Message
from infra.engines.seats import OwnSampling
from schemas.errors import InvalidField

HERE = Endpoint("http://127.0.0.1:1", "m")


@pytest.mark.parametrize("backend", ["vllm", "llama.cpp", "openai", "gpt4all", "contextual", "scripted"])
async def test_each_backend_is_made_by_its_name(backend: str) -> None:
    engine = make_engine(EngineConfig(backend, HERE), SystemClock())
    assert engine.backend == backend
    await engine.aclose()


def test_an_unsupported_backend_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InvalidField, match=r"'vlm'.*vllm, llama\.cpp, openai, gpt4all, contextual, scripted"):
        make_engine(EngineConfig("vlm", HERE), SystemClock())


@pytest.mark.parametrize("backend", ["vllm", "llama.cpp", "openai", "gpt4all"])
def test_a_server_without_an_address_is_refused(backend: str) -> None:
    with pytest.raises(InvalidField, match=r"engine\.base_url"):
        make_engine(EngineConfig(backend), SystemClock())


async def test_chat_always_ends_in_contextual() -> None:
    roles = make_roles({"big": EngineConfig("vllm", HERE)}, {"chat": ["big"], "intent": ["big"]}, SystemClock())
    assert [seat.engine.backend for seat in roles.seats("chat")] == ["vllm", "recalled", "contextual"]
    assert [seat.engine.backend for seat in roles.seats("intent")] == ["vllm"]
    await roles.aclose()


def test_chat_needs_no_configuration_at_all() -> None:
    assert [seat.engine.backend for seat in make_roles({}, {}, SystemClock()).seats("chat")] == ["contextual"]


def test_an_engine_named_by_two_roles_has_one_limit() -> None:
    roles = make_roles({"s": EngineConfig("scripted")}, {"chat": ["s"], "intent": ["s"]}, SystemClock())
    assert roles.seats("chat")[0] is roles.seats("intent")[0]


def test_a_role_that_names_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InvalidField, match=r"engine\.roles\.chat: 'huge'.*one of s"):
        make_roles({"s": EngineConfig("scripted")}, {"chat": ["huge"]}, SystemClock())


@pytest.mark.parametrize(("backend", "port"), [("vllm", "score"), ("openai", "embed"), ("wordllama", "score")])
async def test_who_ranks_is_made_by_its_name(backend: str, port: Literal["score", "embed"]) -> None:
    ranker = make_ranker({"r": EngineConfig(backend, HERE, port=port)}, ["r"], SystemClock())
    assert ranker is not None
    assert [seat.engine.backend for seat in ranker.seats] == [backend]
    await ranker.aclose()


def test_nobody_ranks_where_nobody_is_listed() -> None:
    assert make_ranker({}, [], SystemClock()) is None


def test_a_backend_that_cannot_score_is_refused_with_those_that_can() -> None:
    with pytest.raises(InvalidField, match=r"'contextual'.*vllm, llama\.cpp, openai, minilm, wordllama"):
        make_ranker({"r": EngineConfig("contextual")}, ["r"], SystemClock())


def test_a_named_models_sampling_replaces_that_of_a_reply_and_leaves_contracts_alone() -> None:
    plain = Ask((Message("user", "Hello"),), 50, datetime.now(UTC), temperature=0.7)
    sampling = OwnSampling(temperature=0.1, max_tokens=9)
    applied = sampling.applied(plain)
    assert (applied.temperature, applied.max_tokens, applied.top_p) == (0.1, 9, plain.top_p)
    contract = replace(plain, schema={"type": "object"})
    assert sampling.applied(contract) is contract
