"""Typed turns over HTTP, in the seed's shape, and what is told of the model."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from infra.clock import new_id
from infra.tokens import Role
from pipeline.front_end import NoEnd
from pipeline.gateway.api.chat import CONTEXT_MAX_CHARS
from tests.pipeline.gateway.api.asking import asking, labels, problem

if TYPE_CHECKING:
    from tests.conftest import Until
    from tests.pipeline.gateway.api.conftest import Ask

pytestmark = pytest.mark.slow


async def test_a_message_is_answered_in_the_shape_of_the_seed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/chat/respond", json={"message": "Hello, how are you?"})

    assert answer.status_code == 200
    told = answer.json()
    assert told["success"] is True
    assert told["response"]
    assert told["context_used"] is False
    assert (told["model_info"]["model_name"], told["model_info"]["inference_engine"]) == ("rules", "contextual")
    assert 0 < told["model_info"]["response_time"] < 60
    assert (told["status"], labels(told), told["tasks"]) == ("completed", ["chit_chat"], [])
    assert told["intents"][0]["slots"] == {}


async def test_what_was_done_and_what_was_said_before_count_as_context(client: httpx.AsyncClient) -> None:
    said = {"message": "note that the red bike is in the cellar", "context": {"intent": "create_ledger"}}

    first = (await client.post("/api/chat/respond", json=said)).json()
    second = (
        await client.post(
            "/api/chat/respond", json={"message": "thank you very much", "conversation": first["conversation"]}
        )
    ).json()

    assert labels(first) == ["create_note"]  # whatever a client's context says
    assert first["tasks"][0]["success"] is True
    assert first["context_used"] is True
    assert (second["conversation"], second["context_used"]) == (first["conversation"], True)


async def test_at_three_is_meant_in_the_time_zone_that_is_named(client: httpx.AsyncClient) -> None:
    said = {"message": "remind me tomorrow at three to feed the cat", "time_zone": "Asia/Tokyo"}

    told = (await client.post("/api/chat/respond", json=said)).json()

    assert told["intents"][0]["slots"]["when"]["at"].endswith("+09:00")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.message"),
        ({"message": ""}, "body.message"),
        ({"message": "   "}, "body.message"),
        ({"message": "x" * 4_001}, "body.message"),
        ({"message": "bell \x07"}, "body.message"),
        ({"message": "hello", "conversation": "mine"}, "body.conversation"),
        ({"message": "hello", "user_id": "a.b"}, "body.user_id"),
        ({"message": "hello", "time_zone": "Mars/Olympus"}, "body.time_zone"),
        ({"message": "hello", "context": "yes"}, "body.context"),
        ({"message": "hello", "context": {"text": "x" * CONTEXT_MAX_CHARS}}, "body.context"),
    ],
)
async def test_a_message_that_cannot_be_taken_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    told = problem(await client.post("/api/chat/respond", json=body), 422, "invalid-request")

    assert told["field"] == field
    assert told["expected"]


@pytest.mark.parametrize("body", [b"", b"hello", b"{", b"[]", b"[" * 50_000, b"\xff\xfe"])
async def test_a_body_that_is_no_message_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/api/chat/respond", content=body, headers={"content-type": "application/json"})

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_a_token_nothing_is_answered(guarded: FastAPI, as_user: "Ask") -> None:
    stranger = as_user("ann")
    del stranger.headers["authorization"]

    for answer in (
        await stranger.post("/api/chat/respond", json={"message": "hello"}),
        await stranger.get("/api/chat/model-info"),
        await stranger.get("/api/chat/health"),
    ):
        problem(answer, 401, "token-missing")


async def test_only_an_admin_speaks_in_another_s_name(as_user: "Ask") -> None:
    said = {"message": "hello", "user_id": "bob"}

    problem(await as_user("ann").post("/api/chat/respond", json=said), 403, "forbidden")
    told = (await as_user("root", Role.ADMIN).post("/api/chat/respond", json=said)).json()

    seen = await as_user("bob").get(f"/api/turns/{told['turn']}")
    assert seen.json()["user"] == "bob"


async def test_a_token_for_figures_only_says_nothing(as_user: "Ask") -> None:
    answer = await as_user("auditor", Role.ANALYTICS).post("/api/chat/respond", json={"message": "hello"})

    problem(answer, 403, "forbidden")


async def test_nobody_speaks_in_another_s_conversation(as_user: "Ask") -> None:
    own = (await as_user("ann").post("/api/chat/respond", json={"message": "hello"})).json()
    said = {"message": "stop that", "conversation": own["conversation"], "interrupts": True}

    problem(await as_user("bob").post("/api/chat/respond", json=said), 404, "not-found")

    assert (await as_user("ann").post("/api/chat/respond", json=said)).status_code == 200


async def test_a_turn_that_fails_is_a_problem_that_names_the_turn(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.bus.delivery import Hop
    from pipeline.front_end import FollowedTurn, FrontEnd, Told
    from schemas.event import Event, Fact
    from schemas.turns import TurnFailed

    def failing(code: str, expected: str | None = None) -> None:
        async def send(self: FrontEnd, submission: Any, meta: Any) -> FollowedTurn:
            end = TurnFailed(code=code, message="Sorry.", stage="chat", expected=expected)  # type: ignore[arg-type]
            return FollowedTurn(meta, [Told(Event[Fact].first(end, meta), Hop("keeper"))])

        monkeypatch.setattr(FrontEnd, "send", send)

    for code, status in (("deadline", 504), ("stage-failed", 502), ("invalid", 422), ("busy", 429)):
        failing(code)
        told = problem(await client.post("/api/chat/respond", json={"message": "hello"}), status, code)
        assert (told["detail"], told["stage"]) == ("Sorry.", "chat")
        assert told["turn"]
    failing("too-many", "at most 2 turns a minute; try again in 41 s")
    answer = await client.post("/api/chat/respond", json={"message": "hello"})
    problem(answer, 429, "too-many")
    assert answer.headers["retry-after"] == "41"


async def test_a_turn_that_does_not_end_is_told_after_the_patience_of_a_front_end(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.front_end import FrontEnd

    async def send(self: FrontEnd, submission: Any, meta: Any) -> Any:
        raise NoEnd(f"turn {meta.turn} was accepted, but nothing was heard of it")

    monkeypatch.setattr(FrontEnd, "send", send)

    problem(await client.post("/api/chat/respond", json={"message": "hello"}), 504, "no-end")


async def test_the_model_is_told_as_it_is_configured(client: httpx.AsyncClient) -> None:
    told = (await client.get("/api/chat/model-info")).json()

    assert (told["model_name"], told["inference_engine"], told["minimal_mode"]) == ("rules", "contextual", True)
    assert told["available"] is True
    assert told["fallbacks"] == []


async def test_an_engine_that_does_not_answer_is_told_with_what_answers_instead(
    gateway: Any,
) -> None:
    nobody = {
        "default_model": "shared",
        "engine.backend": "openai",
        "engine.base_url": "http://127.0.0.1:9",
        "engine.model": "some-model",
    }
    async with asking(await gateway(**nobody)) as client:
        told = (await client.get("/api/chat/model-info")).json()
        health = (await client.get("/api/chat/health")).json()

    assert (told["model_name"], told["inference_engine"], told["available"]) == ("some-model", "openai", False)
    assert told["fallbacks"] == ["contextual"]
    assert (health["status"] != "healthy", health["minimal_mode"]) == (True, False)
    assert any("127.0.0.1:9" in wrong for wrong in health["wrong"])


async def test_chat_is_healthy_where_all_its_parts_are(client: httpx.AsyncClient, until: "Until") -> None:
    async def healthy() -> bool:  # a busy process may miss a look
        told = (await client.get("/api/chat/health")).json()
        return bool((told["status"], told["minimal_mode"], told["wrong"]) == ("healthy", True, []))

    await until(healthy)


async def test_a_new_conversation_may_have_an_id_of_the_client_s(client: httpx.AsyncClient) -> None:
    own = new_id()

    told = (await client.post("/api/chat/respond", json={"message": "hello", "conversation": own})).json()

    assert told["conversation"] == own
