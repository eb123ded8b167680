"""History over HTTP: pages, one conversation, forgetting, a summary; and nobody else's."""

from typing import TYPE_CHECKING

import httpx
import pytest

from infra.tokens import Role
from tests.pipeline.gateway.api.asking import problem

if TYPE_CHECKING:
    from tests.conftest import Until
    from tests.pipeline.gateway.api.conftest import Ask

pytestmark = pytest.mark.slow


async def said(client: httpx.AsyncClient, *messages: str, conversation: str | None = None) -> str:
    """The conversation in which these were said and answered."""
    for message in messages:
        answer = await client.post("/api/chat/respond", json={"message": message, "conversation": conversation})
        assert answer.status_code == 200, answer.text
        conversation = answer.json()["conversation"]
    assert conversation is not None
    return conversation


async def test_pages_lead_through_what_was_said_newest_first(as_user: "Ask") -> None:
    paul = as_user("paul")
    await said(paul, "hello one", "hello two", "hello three")

    first = (await paul.get("/api/chat/history/paul", params={"limit": 2})).json()
    rest = (await paul.get("/api/chat/history/paul", params={"limit": 2, "cursor": first["next"]})).json()

    assert [turn["user"] for turn in first["turns"]] == ["hello three", "hello two"]
    assert [turn["user"] for turn in rest["turns"]] == ["hello one"]
    assert rest["next"] is None
    assert all(turn["reply"] and turn["time"] for turn in first["turns"])
    assert [turn["number"] for turn in first["turns"]] == [3, 2]


async def test_what_is_forgotten_is_gone_and_what_is_another_conversation_s_stays(as_user: "Ask") -> None:
    rita = as_user("rita")
    gone, kept = await said(rita, "hello there", "hello again"), await said(rita, "good morning")

    only = await rita.delete("/api/chat/history/rita", params={"conversation": gone})

    assert only.json() == {"user_id": "rita", "conversation": gone, "turns": 2}
    left = (await rita.get("/api/chat/history/rita")).json()["turns"]
    assert [turn["conversation"] for turn in left] == [kept]
    after = (await rita.post("/api/chat/respond", json={"message": "thank you", "conversation": gone})).json()
    assert after["context_used"] is False
    assert (await rita.delete("/api/chat/history/rita")).json()["turns"] == 2
    assert (await rita.delete("/api/chat/history/rita")).json()["turns"] == 0
    assert (await rita.get("/api/chat/history/rita")).json()["turns"] == []


async def test_a_summary_is_counted_from_what_is_kept_and_from_the_log(as_user: "Ask", until: "Until") -> None:
    sam = as_user("sam")
    conversation = await said(sam, "note that milk is out", "note that eggs are out")
    await said(sam, "hello there")

    async def counted() -> bool:
        intents = (await sam.get("/api/chat/summary/sam")).json()["intents"]
        return bool(intents == [{"label": "create_note", "times": 2}, {"label": "chit_chat", "times": 1}])

    await until(counted)  # the log gets them within two seconds
    told = (await sam.get("/api/chat/summary/sam")).json()
    assert (told["conversations"], told["turns"]) == (2, 3)
    assert told["first_at"] < told["last_at"] == told["last"]["time"]
    assert (told["last"]["user"], told["last"]["conversation"] != conversation) == ("hello there", True)


async def test_somebody_of_whom_nothing_is_known_has_an_empty_history(as_user: "Ask") -> None:
    nobody = as_user("nobody")

    assert (await nobody.get("/api/chat/history/nobody")).json() == {"user_id": "nobody", "turns": [], "next": None}
    told = (await nobody.get("/api/chat/summary/nobody")).json()
    assert (told["turns"], told["first_at"], told["last"], told["intents"]) == (0, None, None, [])


async def test_another_s_history_is_read_with_analytics_and_deleted_only_by_an_admin(as_user: "Ask") -> None:
    await said(as_user("tina"), "hello there")
    bob, auditor, admin = as_user("bob"), as_user("auditor", Role.ANALYTICS), as_user("root", Role.ADMIN)

    for path in ("/api/chat/history/tina", "/api/chat/summary/tina"):
        problem(await bob.get(path), 403, "forbidden")
        assert (await auditor.get(path)).status_code == 200
    for who in (bob, auditor):
        problem(await who.delete("/api/chat/history/tina"), 403, "forbidden")
    assert (await admin.delete("/api/chat/history/tina")).json()["turns"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "query.limit"),
        ({"limit": "101"}, "query.limit"),
        ({"limit": "many"}, "query.limit"),
        ({"conversation": "mine"}, "query.conversation"),
        ({"cursor": "x" * 401}, "query.cursor"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, query: dict[str, str], field: str
) -> None:
    told = problem(await client.get("/api/chat/history/me", params=query), 422, "invalid-request")

    assert told["field"] == field


async def test_a_cursor_of_another_list_and_a_user_that_is_none_are_refused(client: httpx.AsyncClient) -> None:
    told = problem(await client.get("/api/chat/history/me", params={"cursor": "abc"}), 422, "invalid-field")
    assert told["field"] == "cursor"

    for method in ("GET", "DELETE"):
        answer = await client.request(method, "/api/chat/history/a.b")
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
