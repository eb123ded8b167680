"""Turns over HTTP: one, many, where the time went, stopping, feedback; another's is not there."""

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from infra.clock import new_id
from infra.tokens import Role
from pipeline.gateway import audit
from schemas import subjects
from schemas.intake import TextSubmitted
from tests.pipeline.gateway.api.asking import labels, problem

if TYPE_CHECKING:
    from tests.conftest import Until
    from tests.pipeline.gateway.api.conftest import Ask

pytestmark = pytest.mark.slow


async def said(client: httpx.AsyncClient, message: str, **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/chat/respond", json={"message": message, **more})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_turn_is_told_whole_as_soon_as_it_has_ended(client: httpx.AsyncClient) -> None:
    own = await said(client, "note that the blue car is sold")

    told = (await client.get(f"/api/turns/{own['turn']}")).json()

    assert (told["turn"], told["conversation"], told["number"]) == (own["turn"], own["conversation"], 1)
    assert (told["status"], told["spoken"], told["user"]) == ("completed", False, "me")
    assert (told["text"], told["reply"]) == ("note that the blue car is sold", own["response"])
    assert (labels(told), [task["skill"] for task in told["tasks"]]) == (["create_note"], ["create_note"])
    assert {step["stage"] for step in told["steps"]} >= {"intent", "router", "chat", "reranker"}
    assert (told["recording"], told["speech"], told["error"], told["clarification"]) == (None, [], None, None)
    assert told["engine"]["backend"] == "fixed"  # what a skill says of what it did
    assert told["opened_at"] < told["ended_at"]


async def test_a_turn_that_only_the_log_has_is_told_the_same(
    client: httpx.AsyncClient, guarded: FastAPI, until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.bus.connection import Bus

    own = await said(client, "hello there")
    path = f"/api/turns/{own['turn']}"
    told, trace = (await client.get(path)).json(), (await client.get(f"{path}/trace")).json()
    held = Bus.messages

    async def trimmed(self: Bus, stream: str, subject: str, limit: int | None = None, **more: Any) -> Any:
        found = await held(self, stream, subject, limit, **more)
        return [] if stream == subjects.EVENT_STREAM else found

    monkeypatch.setattr(Bus, "messages", trimmed)

    async def logged() -> bool:
        return bool((await client.get(path)).json() == told)

    await until(logged)
    assert (await client.get(f"{path}/trace")).json() == trace
    problem(await client.get(f"/api/turns/{new_id()}"), 404, "not-found")


async def test_where_the_time_of_a_turn_went(client: httpx.AsyncClient) -> None:
    own = await said(client, "hello there")

    told = (await client.get(f"/api/turns/{own['turn']}/trace")).json()

    assert told["turn"] == own["turn"]
    assert {span["stage"] for span in told["spans"]} >= {"keeper", "intent", "router", "chat", "reranker"}
    assert max(span["ended_ms"] for span in told["spans"]) == told["total_ms"] > 0
    for span in told["spans"]:
        assert span["queue_ms"] == pytest.approx(span["began_ms"] - span["queued_ms"], abs=0.01)
        assert span["said"]


async def test_turns_are_listed_newest_first_by_pages_and_by_conversation(as_user: "Ask", until: "Until") -> None:
    vera = as_user("vera")
    turns = [(await said(vera, f"hello number {number}"))["turn"] for number in range(3)]

    async def listed(**query: Any) -> dict[str, Any]:
        answer = await vera.get("/api/turns", params=query)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def all_there() -> bool:
        return [turn["status"] for turn in (await listed())["turns"]] == ["completed"] * 3

    await until(all_there)
    first = await listed(limit=2)
    rest = await listed(limit=2, cursor=first["next"])
    assert [turn["turn"] for turn in (*first["turns"], *rest["turns"])] == turns[::-1]
    assert rest["next"] is None
    newest = first["turns"][0]
    assert (newest["text"], newest["status"], newest["user"]) == ("hello number 2", "completed", "vera")
    assert newest["intents"] == ["chit_chat"]
    only = await listed(conversation=newest["conversation"])
    assert [turn["turn"] for turn in only["turns"]] == turns[2:]
    assert (await listed(since=newest["opened_at"]))["turns"] == [newest]
    assert (await listed(conversation=new_id()))["turns"] == []


async def test_another_s_turn_is_not_there_but_for_who_may_see_it(as_user: "Ask") -> None:
    own = await said(as_user("will"), "hello there")
    bob, auditor = as_user("bob"), as_user("auditor", Role.ANALYTICS)
    path = f"/api/turns/{own['turn']}"
    missing = problem(await bob.get(f"/api/turns/{new_id()}"), 404, "not-found")

    for tail in ("", "/trace", "/speech/0", "/recording"):
        told = problem(await bob.get(path + tail), 404, "not-found")
        assert told["detail"] == missing["detail"]
    problem(await bob.post(f"{path}/stop"), 404, "not-found")
    problem(await bob.post(f"{path}/feedback", json={"rating": "up"}), 404, "not-found")
    assert (await auditor.get(path)).status_code == 200
    assert (await auditor.get(f"{path}/trace")).status_code == 200
    problem(await auditor.post(f"{path}/stop"), 404, "not-found")
    problem(await bob.get("/api/turns", params={"user": "will"}), 403, "forbidden")
    assert (await auditor.get("/api/turns", params={"user": "will"})).status_code == 200


async def test_who_looked_at_whose_turn_is_on_the_record(guarded: FastAPI, as_user: "Ask") -> None:
    own = await said(as_user("xena"), "hello there")
    await as_user("bob").get(f"/api/turns/{own['turn']}")
    await as_user("auditor", Role.ANALYTICS).get(f"/api/turns/{own['turn']}")

    given = guarded.state.given
    found = [each for each in await audit.records(given.bus, given.settings.tenant) if each.whose == "xena"]

    assert [(each.who, each.action, each.what, each.outcome) for each in found] == [
        ("bob", "read", "turn", "refused"),
        ("auditor", "read", "turn", "allowed"),
    ]
    assert found[0].ids == {"turn": own["turn"]}


@pytest.mark.parametrize("tail", ["", "/trace", "/speech/0", "/recording"])
async def test_what_is_no_turn_is_refused_and_one_that_is_not_there_is_not_found(
    client: httpx.AsyncClient, tail: str
) -> None:
    assert (await client.get(f"/api/turns/yesterday{tail}")).status_code == 422
    problem(await client.get(f"/api/turns/{new_id()}{tail}"), 404, "not-found")


async def test_a_typed_turn_has_no_sound(client: httpx.AsyncClient) -> None:
    own = await said(client, "hello there")

    for tail in ("/speech/0", "/recording"):
        problem(await client.get(f"/api/turns/{own['turn']}{tail}"), 404, "not-found")
    assert (await client.get(f"/api/turns/{own['turn']}/speech/-1")).status_code == 422


async def test_a_turn_is_stopped_while_it_waits_for_its_reply(
    client: httpx.AsyncClient, guarded: FastAPI, until: "Until"
) -> None:
    front_end = guarded.state.given.front_end
    meta = front_end.new_meta(speech=False)
    opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def heard(_: object) -> None:
        if not opened.done():
            opened.set_result(None)

    turn = asyncio.create_task(front_end.send(TextSubmitted(text="hello there"), meta, heard))
    await opened

    told = (await client.post(f"/api/turns/{meta.turn}/stop", json={"reason": "enough"})).json()

    await turn
    assert told["turn"] == meta.turn
    assert told["status"] in ("interrupted", "completed")  # it may have been quicker
    seen = (await client.get(f"/api/turns/{meta.turn}")).json()
    assert seen["status"] == told["status"]


async def test_a_turn_that_has_ended_stays_as_it_ended(client: httpx.AsyncClient) -> None:
    own = await said(client, "hello there")

    told = (await client.post(f"/api/turns/{own['turn']}/stop")).json()

    assert told == {"turn": own["turn"], "status": "completed", "reply": own["response"]}


@pytest.mark.parametrize("body", [{"reason": ""}, {"reason": "x" * 201}, {"sentences_played": -1}, []])
async def test_a_wish_to_stop_that_makes_no_sense_is_refused(client: httpx.AsyncClient, body: Any) -> None:
    own = await said(client, "hello there")

    problem(await client.post(f"/api/turns/{own['turn']}/stop", json=body), 422, "invalid-request")


async def test_a_turn_that_was_refused_is_told_and_listed_though_it_was_never_opened(
    as_user: "Ask", guarded: FastAPI, until: "Until"
) -> None:
    hugo = as_user("hugo")
    front_end = guarded.state.given.front_end
    refused = front_end.new_meta(user="hugo", speech=False, time_zone="Mars/Olympus")
    await front_end.send(TextSubmitted(text="hello there"), refused)
    stopped = front_end.new_meta(user="hugo", speech=False, conversation=refused.conversation)
    await front_end.stop(stopped, "enough")

    told = (await hugo.get(f"/api/turns/{refused.turn}")).json()
    assert (told["status"], told["error"]["code"], told["error"]["field"]) == ("failed", "invalid", "meta.time_zone")
    assert (told["number"], told["user"], told["text"]) == (1, "hugo", None)
    assert (told["opened_at"], told["spoken"], told["recording"], told["steps"]) == (None, None, None, [])
    assert told["reply"] == told["error"]["message"]
    problem(await hugo.get(f"/api/turns/{refused.turn}/recording"), 404, "not-found")
    problem(await as_user("bob").get(f"/api/turns/{refused.turn}"), 404, "not-found")
    again = (await hugo.post(f"/api/turns/{stopped.turn}/stop")).json()
    assert again == {"turn": stopped.turn, "status": "interrupted", "reply": ""}

    async def listed(**query: Any) -> list[dict[str, Any]]:
        turns: list[dict[str, Any]] = (await hugo.get("/api/turns", params=query)).json()["turns"]
        return turns

    async def both() -> bool:
        return len(await listed()) == 2

    await until(both)
    newest, oldest = await listed()
    assert [newest["turn"], oldest["turn"]] == [stopped.turn, refused.turn]
    assert (oldest["status"], oldest["code"], oldest["reply"]) == ("failed", "invalid", told["reply"])
    assert (oldest["opened_at"], oldest["spoken"], oldest["total_ms"]) == (None, None, None)
    assert await listed(since=newest["ended_at"]) == [newest]
    first = (await hugo.get("/api/turns", params={"limit": 1})).json()
    assert [each["turn"] for each in await listed(cursor=first["next"])] == [refused.turn]


async def test_what_is_thought_of_a_reply_is_recorded_and_told_with_the_turn(client: httpx.AsyncClient) -> None:
    own, other = await said(client, "hello there"), await said(client, "hello again")
    thumbs = {"rating": "down", "correction": "Good evening.", "intent": "general_query"}
    better = {"reward": 0.5, "compared_with": other["turn"]}

    answers = [await client.post(f"/api/turns/{own['turn']}/feedback", json=body) for body in (thumbs, better)]

    assert [answer.status_code for answer in answers] == [201, 201]
    told = (await client.get(f"/api/turns/{own['turn']}")).json()["feedback"]
    assert [{name: value for name, value in each.items() if value is not None} for each in told] == [
        {"about": own["turn"], **thumbs},
        {"about": own["turn"], **better},
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"rating": "meh"}, "body.rating"),
        ({"comment": "  "}, "body.comment"),
        ({"comment": "x" * 2_001}, "body.comment"),
        ({"reward": 1.5}, "body.reward"),
        ({"compared_with": "019aa0b4-7d10-7b21-9c5e-1f3a2b4c5d6e", "rating": "up"}, "body"),
        ({"intent": "make_coffee"}, "body.intent"),
    ],
)
async def test_feedback_that_says_nothing_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    told = problem(await client.post(f"/api/turns/{new_id()}/feedback", json=body), 422, "invalid-request")

    assert told["field"] == field


async def test_feedback_on_what_there_is_not_is_refused(client: httpx.AsyncClient) -> None:
    own = await said(client, "hello there")
    path = f"/api/turns/{own['turn']}/feedback"

    told = problem(await client.post(path, json={"preferred": 1}), 422, "invalid-field")
    assert (told["field"], "no other" in told["expected"]) == ("preferred", True)
    told = problem(await client.post(path, json={"reward": 1, "compared_with": own["turn"]}), 422, "invalid-field")
    assert told["field"] == "compared_with"
    problem(await client.post(path, json={"reward": 1, "compared_with": new_id()}), 404, "not-found")
    problem(await client.post(f"/api/turns/{new_id()}/feedback", json={"rating": "up"}), 404, "not-found")
