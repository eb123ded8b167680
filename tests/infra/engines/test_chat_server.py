"""The server in front of an engine that lives in its process: over real sockets, with a scripted engine behind it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn

from infra.clock import SystemClock
from infra.engines import chat_server
from infra.engines.admission import Admission
from infra.engines.chat_server import ChatServer
from infra.engines.compatible import CompatibleEngine
from infra.engines.dialects import GPT4ALL
from infra.engines.http import Endpoint
from infra.engines.port import Ask, EngineCut, EngineRefused, EngineUnavailable, Message, Priority
from infra.engines.scripted import Answer, ScriptedEngine, by_question, saying

KEY = "secret-key"
BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
ASK = Ask((Message("user", "Hello"),), 24, datetime.now(UTC) + timedelta(hours=1))
SLOW = by_question({"slow": Answer("one two three four " * 50, gap_s=0.01)}, Answer("quick"))


@asynccontextmanager
async def served(engine: ScriptedEngine) -> AsyncIterator[str]:
    """One request at a time, as gpt4all has it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        application = ChatServer(engine, KEY, Admission(1, 1)).application()
        options: dict[str, Any] = {"log_level": "error", "lifespan": "off", "timeout_graceful_shutdown": 1}
        server = uvicorn.Server(uvicorn.Config(application, **options))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def client(engine: ScriptedEngine) -> AsyncIterator[CompatibleEngine]:
    async with served(engine) as url:
        made = CompatibleEngine(Endpoint(url, engine.model, KEY), GPT4ALL, SystemClock())
        yield made
        await made.aclose()


@asynccontextmanager
async def http(engine: ScriptedEngine) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with served(engine) as url, httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as made:
        yield made


def about(text: str) -> Ask:
    return replace(ASK, messages=(Message("user", text),), max_tokens=500)


async def text_of(engine: CompatibleEngine, asked: Ask) -> str:
    return "".join([delta.text async for delta in engine.generate(asked)])


async def test_an_ask_arrives_as_it_was_made() -> None:
    scripted = ScriptedEngine(saying("Hello there, you."))
    asked = replace(
        ASK,
        messages=(Message("system", "Be brief."), Message("user", "Hi")),
        temperature=0.3,
        top_p=0.7,
        top_k=7,
        repetition_penalty=1.2,
        priority=Priority.CANDIDATE,
        continues="Hello",
    )
    async with client(scripted) as engine:
        deltas = [delta async for delta in engine.generate(asked)]
    assert "".join(delta.text for delta in deltas) == " there, you."
    assert deltas[-1].finish == "stop"
    assert (deltas[-1].prompt_tokens, deltas[-1].completion_tokens) == (3, 2)
    assert replace(scripted.asked[0], deadline=asked.deadline) == asked


async def test_a_request_that_wants_no_stream_gets_one_object() -> None:
    async with http(ScriptedEngine(saying("Hello there."))) as made:
        told = (await made.post("/v1/chat/completions", json={**BODY, "max_tokens": 1})).json()
    assert told["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}
    assert told["choices"][0]["finish_reason"] == "length"
    assert told["usage"] == {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


@pytest.mark.parametrize("path", ["/v1/models", "/slots", "/nothing"])
async def test_all_but_health_needs_the_key(path: str) -> None:
    async with http(ScriptedEngine(saying("x"))) as made:
        assert (await made.get("/health", headers={"Authorization": ""})).status_code == 200
        for wrong in ("", "Bearer", f"Bearer {KEY}x", KEY):
            assert (await made.get(path, headers={"Authorization": wrong})).status_code == 401
        told = await made.post("/v1/chat/completions", json=BODY, headers={"Authorization": ""})
    assert told.status_code == 401
    assert KEY not in told.text


async def test_no_web_page_may_read_an_answer() -> None:
    async with http(ScriptedEngine(saying("x"))) as made:
        origin = {"Origin": "http://a-page.example", "Access-Control-Request-Method": "POST"}
        answers = [
            await made.get("/health", headers=origin),
            await made.options("/v1/chat/completions", headers=origin),
            await made.options("/v1/chat/completions", headers={**origin, "Authorization": ""}),
        ]
    assert not any("access-control-allow-origin" in answer.headers for answer in answers)
    assert [answer.status_code for answer in answers] == [200, 405, 401]


@pytest.mark.parametrize(
    ("changed", "status", "told"),
    [
        ({"max_tokens": 0}, 400, "max_tokens: 0 is not allowed; expected greater than or equal to 1"),
        ({"temperature": "hot"}, 400, "temperature: 'hot' is not allowed; expected a valid number"),
        ({"top_p": 1.5}, 400, "top_p: 1.5 is not allowed; expected less than or equal to 1"),
        ({"messages": []}, 400, "messages: this is not allowed; expected List should have at least 1 item"),
        (
            {"messages": [{"role": "secret words", "content": "x"}]},
            400,
            "messages.0.role: this is not allowed; expected",
        ),
        ({"messages": [{"role": "user", "content": ["secret words"]}]}, 400, "messages.0.content: this is not allowed"),
        ({"model": "other"}, 404, "model: 'other' is not served here; expected scripted"),
        ({"padding": "x" * (1 << 20)}, 413, "body: more than 1048576 bytes"),
    ],
)
async def test_a_request_that_cannot_be_used_is_told_why(changed: dict[str, Any], status: int, told: str) -> None:
    async with http(ScriptedEngine(saying("x"))) as made:
        answer = await made.post("/v1/chat/completions", json={**BODY, **changed})
    assert answer.status_code == status
    assert told in answer.json()["error"]["message"]
    assert "secret words" not in answer.text


async def test_what_is_no_json_is_refused_without_being_quoted() -> None:
    async with http(ScriptedEngine(saying("x"))) as made:
        answer = await made.post("/v1/chat/completions", content=b'{"messages": "secret words')
    assert answer.status_code == 400
    assert "body: this is not allowed; expected Invalid JSON" in answer.text
    assert "secret words" not in answer.text


@pytest.mark.parametrize("error", [EngineUnavailable("out of memory"), EngineRefused("too long")])
async def test_what_goes_wrong_before_the_first_token_keeps_its_kind(error: EngineUnavailable | EngineRefused) -> None:
    async with client(ScriptedEngine(lambda _: Answer(error=error))) as engine:
        with pytest.raises(type(error), match=str(error)):
            await text_of(engine, ASK)


async def test_what_goes_wrong_in_the_middle_is_told_as_such() -> None:
    async with client(ScriptedEngine(lambda _: Answer("one two three four", cut_after=2))) as engine:
        heard = ""
        with pytest.raises(EngineCut, match="the script cuts here"):
            async for delta in engine.generate(ASK):
                heard += delta.text
    assert heard == "one two"


async def test_one_request_is_answered_at_a_time_and_the_more_urgent_next() -> None:
    scripted = ScriptedEngine(SLOW)
    async with client(scripted) as engine, aclosing(engine.generate(about("slow"))) as first:
        await anext(first)
        waiting = [
            asyncio.create_task(text_of(engine, replace(about(priority.name), priority=priority)))
            for priority in (Priority.BACKGROUND, Priority.LIVE, Priority.CONTRACT)
        ]
        await asyncio.sleep(0.2)
        assert (len(scripted.asked), scripted.running) == (1, 1)
        await first.aclose()
        assert await asyncio.gather(*waiting) == ["quick"] * 3
    asked = [each.messages[0].content for each in scripted.asked]
    assert asked == ["slow", "CONTRACT", "LIVE", "BACKGROUND"]
    assert scripted.closed_early == 1


async def test_a_client_that_hangs_up_while_it_waits_is_forgotten() -> None:
    scripted = ScriptedEngine(SLOW)
    async with client(scripted) as engine, aclosing(engine.generate(about("slow"))) as first:
        await anext(first)
        waiting = asyncio.create_task(text_of(engine, about("never")))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0.1)
        await first.aclose()
        assert await text_of(engine, about("later")) == "quick"
    assert [each.messages[0].content for each in scripted.asked] == ["slow", "later"]


async def test_a_client_that_hangs_up_before_the_first_token_stops_the_engine(
    until: Callable[..., Awaitable[Any]],
) -> None:
    scripted = ScriptedEngine(lambda _: Answer("late", first_delay_s=60))
    async with client(scripted) as engine:
        waiting = asyncio.create_task(text_of(engine, ASK))
        await until(lambda: scripted.running == 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: scripted.running == 0, within_s=2)
    assert scripted.closed_early == 1


async def test_more_than_so_many_may_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_server, "WAITING_MAX", 2)
    async with client(ScriptedEngine(SLOW)) as engine, aclosing(engine.generate(about("slow"))) as first:
        await anext(first)
        waiting = [asyncio.create_task(text_of(engine, about(str(number)))) for number in range(2)]
        await asyncio.sleep(0.2)
        with pytest.raises(EngineUnavailable, match="busy: 2 requests are waiting; try again later"):
            await text_of(engine, about("too many"))
        await first.aclose()
        assert await asyncio.gather(*waiting) == ["quick", "quick"]


async def test_slots_tell_what_is_being_generated() -> None:
    async with http(ScriptedEngine(SLOW)) as made:
        assert (await made.get("/slots")).json() == [{"id": 0, "is_processing": False}]
        slow = {"messages": [{"role": "user", "content": "slow"}], "stream": True}
        async with made.stream("POST", "/v1/chat/completions", json=slow) as answer:
            await anext(answer.aiter_lines())
            assert (await made.get("/slots")).json() == [{"id": 0, "is_processing": True}]
