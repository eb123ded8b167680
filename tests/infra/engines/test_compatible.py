"""The client against a server that behaves as real ones do, badly at times."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from infra.clock import SetClock, SystemClock
from infra.engines.compatible import CompatibleEngine, _Heard
from infra.engines.dialects import LLAMA_CPP, OPENAI, VLLM, Dialect
from infra.engines.echo import Echo
from infra.engines.http import Endpoint, refusal
from infra.engines.port import Ask, DeadlinePassed, EngineCut, EngineRefused, EngineUnavailable, Message, Priority
from infra.engines.scripted import Answer, Script, ScriptedEngine, saying
from infra.engines.scripted_server import Manners, served

HELLO = Ask((Message("user", "Hello"),), max_tokens=50, deadline=datetime.now(UTC) + timedelta(hours=1))


@asynccontextmanager
async def client(
    script: Script, manners: Manners | None = None, dialect: Dialect = VLLM, **endpoint: float
) -> AsyncIterator[CompatibleEngine]:
    async with served(ScriptedEngine(script), manners or Manners()) as url:
        engine = CompatibleEngine(Endpoint(url, "scripted", **endpoint), dialect, SystemClock())  # type: ignore[arg-type]  # time-outs only
        yield engine
        await engine.aclose()


async def said(engine: CompatibleEngine, ask: Ask = HELLO) -> str:
    return "".join([delta.text async for delta in engine.generate(ask)])


@pytest.mark.parametrize("echo_chars", [1, 3, 7, 1000])
async def test_an_echoed_prefix_is_stripped_however_it_is_split(echo_chars: int) -> None:
    manners = Manners(echoes=True, echo_chars=echo_chars)
    async with client(saying("The sky is blue today."), manners, LLAMA_CPP) as engine:
        assert await said(engine, replace(HELLO, continues="The sky is")) == " blue today."


def test_a_beginning_that_is_only_like_the_prefix_is_kept() -> None:
    echo = Echo("The sky is blue.")
    assert [echo.without(piece) for piece in ("The ", "sky ", "was ", "grey.")] == ["", "", "The sky was ", "grey."]


def test_a_text_that_ends_like_the_beginning_of_the_prefix_is_kept() -> None:
    echo = Echo("The sky is blue.")
    assert echo.without("The sky") == ""
    assert echo.rest() == "The sky"


async def test_only_vllm_is_told_priorities_and_how_to_continue() -> None:
    for dialect, priority, continued in ((VLLM, 2, True), (LLAMA_CPP, None, None), (OPENAI, None, None)):
        manners = Manners()
        async with client(saying("Hello there."), manners, dialect) as engine:
            await said(engine, replace(HELLO, continues="Hello", priority=Priority.CANDIDATE))
        (body,) = manners.requests
        assert body.get("priority") == priority
        assert body.get("continue_final_message") == continued
        assert body["messages"][-1] == {"role": "assistant", "content": "Hello"}


async def test_every_request_streams_with_a_limit_and_its_conversation() -> None:
    manners = Manners()
    async with client(saying("{}"), manners) as engine:
        await said(engine, replace(HELLO, schema={"type": "object"}, conversation="c-1"))
    (body,) = manners.requests
    assert (body["stream"], body["max_tokens"]) == (True, 50)
    assert body["response_format"]["format"]["json_schema"] == {"type": "object"}
    assert manners.headers[0]["x-session-id"] == "c-1"


async def test_a_contract_goes_to_any_other_server_as_a_plain_json_schema() -> None:
    manners = Manners()
    async with client(saying("{}"), manners, OPENAI) as engine:
        await said(engine, replace(HELLO, schema={"type": "object"}))
    (body,) = manners.requests
    told = {"name": "answer", "schema": {"type": "object"}, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": told}


async def test_a_contract_goes_to_the_embedded_engine_as_a_grammar_that_bounds_white_space() -> None:
    manners = Manners()
    async with client(saying("{}"), manners, LLAMA_CPP) as engine:
        await said(engine, replace(HELLO, schema={"type": "object"}))
    (body,) = manners.requests
    assert body["grammar"] == '%llguidance {}\nstart: %json {"type": "object"}'
    assert "response_format" not in body


async def test_white_space_in_a_contract_is_bounded_by_vllm_itself() -> None:
    manners = Manners()
    async with client(saying("{}"), manners, VLLM) as engine:
        await said(engine, replace(HELLO, schema={"type": "object"}))
    (body,) = manners.requests
    assert (body["response_format"]["type"], body["response_format"]["format"]["max_whitespace_cnt"]) == (
        "structural_tag",
        1,
    )


async def test_the_bare_protocol_gets_no_field_that_a_strict_server_refuses() -> None:
    manners = Manners()
    async with client(saying("Hi."), manners, OPENAI) as engine:
        await said(engine)
    assert not {"top_k", "repetition_penalty", "repeat_penalty", "priority"} & set(manners.requests[0])


async def test_a_connection_is_used_again() -> None:
    manners = Manners()
    async with client(saying("Hi."), manners) as engine:
        for _ in range(3):
            assert await said(engine) == "Hi."
    assert manners.connections == 1


@pytest.mark.parametrize("dialect", [VLLM, LLAMA_CPP])
async def test_a_server_that_hangs_up_after_each_answer_is_asked_again(dialect: Dialect) -> None:
    async with client(saying("Hi."), Manners(hangs_up=True), dialect) as engine:
        assert [await said(engine) for _ in range(3)] == ["Hi."] * 3


async def test_a_silent_engine_is_unavailable_after_its_first_token_time_out() -> None:
    async with client(lambda _: Answer("late", first_delay_s=5), first_token_timeout_s=0.05) as engine:
        with pytest.raises(EngineUnavailable, match=r"silent for 0\.1 s"):
            await said(engine)


async def test_an_engine_that_falls_silent_in_the_middle_is_cut() -> None:
    async with client(lambda _: Answer("one two three", gap_s=5), stall_timeout_s=0.05) as engine:
        with pytest.raises(EngineCut, match="silent"):
            await said(engine)


async def test_a_deadline_that_comes_first_is_told_as_such() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with served(ScriptedEngine(lambda _: Answer("late", first_delay_s=5)), Manners()) as url:
        engine = CompatibleEngine(Endpoint(url, "m"), VLLM, SetClock(now))
        with pytest.raises(DeadlinePassed):
            await said(engine, replace(HELLO, deadline=now + timedelta(milliseconds=50)))
        await engine.aclose()


async def test_an_answer_that_is_no_stream_is_unavailable_not_a_crash() -> None:
    async with client(saying("Hi."), Manners(plain_json=True)) as engine:
        with pytest.raises(EngineUnavailable, match="answered no stream of events; is its address"):
            await said(engine)


async def test_nobody_listening_is_unavailable_at_once(unused_tcp_port: int) -> None:
    engine = CompatibleEngine(Endpoint(f"http://127.0.0.1:{unused_tcp_port}", "m"), VLLM, SystemClock())
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable, match="ConnectError"):
        await said(engine)
    assert time.monotonic() - begun < 1
    health = await engine.health()
    assert not health.ok
    assert "is it started?" in health.reason
    await engine.aclose()


async def test_a_proxy_in_the_environment_does_not_come_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with client(saying("Hi.")) as engine:
        assert await said(engine) == "Hi."


def test_the_key_is_not_shown_when_an_endpoint_is_printed() -> None:
    assert "secret" not in repr(Endpoint("http://127.0.0.1", "m", "secret"))


async def test_thinking_is_left_out_and_an_answer_of_nothing_else_is_empty() -> None:
    async with client(saying("<think>I should say hello.</think>Hello there.")) as engine:
        assert await said(engine) == "Hello there."
    async with client(saying("<think>I should say hello.</think>")) as engine:
        assert await said(engine) == ""


async def test_an_engine_that_thinks_for_too_long_is_told_as_such() -> None:
    thinks = Answer("<think>" + "hm " * 100, gap_s=0.02)
    async with client(lambda _: thinks, first_token_timeout_s=0.3) as engine:
        with pytest.raises(EngineUnavailable, match=r"vllm/scripted: still thinking after 0\.3 s"):
            await said(engine, replace(HELLO, max_tokens=200))


async def test_templates_are_told_not_to_think_where_the_server_takes_that() -> None:
    for dialect, told in ((VLLM, {"enable_thinking": False}), (LLAMA_CPP, {"enable_thinking": False}), (OPENAI, None)):
        manners = Manners()
        async with client(saying("Hi."), manners, dialect) as engine:
            await said(engine)
        assert manners.requests[0].get("chat_template_kwargs") == told


async def test_an_error_quotes_nothing_of_the_key() -> None:
    """Settings refuse such a key; whoever passes one all the same must not find it in an event."""
    engine = CompatibleEngine(Endpoint("http://127.0.0.1:9", "m", api_key="sk-SECRET\n"), VLLM, SystemClock())
    with pytest.raises(EngineUnavailable) as failed:
        await said(engine)
    health = await engine.health()
    assert "SECRET" not in f"{failed.value} {health}"
    await engine.aclose()


@pytest.mark.parametrize(
    "event",
    ['{"choices": [], "usage": {"prompt_tokens": 1e999}}', '{"usage": {"prompt_tokens": "many"}}', "[" * 100_000],
)
async def test_numbers_and_nesting_without_bounds_are_an_answer_that_cannot_be_read(event: str) -> None:
    with pytest.raises(EngineUnavailable, match="an event that is no answer"):
        _Heard().piece("e", event)


def test_fewer_than_no_tokens_are_none() -> None:
    heard = _Heard()
    heard.piece("e", '{"usage": {"prompt_tokens": -3, "completion_tokens": -1}}')
    assert (heard.prompt_tokens, heard.completion_tokens) == (0, 0)


@pytest.mark.parametrize(("status", "later"), [(429, True), (408, True), (503, True), (400, False), (401, False)])
def test_a_server_that_is_busy_is_unavailable_and_one_that_refuses_is_not(status: int, later: bool) -> None:
    error = refusal("e", status, '{"error": {"message": "no"}}')
    assert isinstance(error, EngineUnavailable if later else EngineRefused)
    assert str(error) == f"e: HTTP {status} no"
    assert str(refusal("e", status, "[" * 100_000)).startswith(f"e: HTTP {status} [[")
