"""What a user has, over HTTP: made by saying so, listed by pages, and nobody else's."""

from typing import TYPE_CHECKING

import pytest

from infra.tokens import Role
from tests.pipeline.gateway.api.asking import problem

if TYPE_CHECKING:
    from tests.pipeline.gateway.api.conftest import Ask

pytestmark = pytest.mark.slow
LISTS = ("reminders", "notes", "ledger", "expenses", "appointments", "friends")
SAID = (
    "remind me tomorrow at three to call the dentist",
    "note that the milk is out",
    "note that the eggs are out",
    "Cem owes me 20 euros for lunch",
    "I spent 12 euros on coffee",
    "schedule a meeting with the team tomorrow at ten",
    "add Mia as a friend",
)


async def test_what_was_said_stands_in_the_lists(as_user: "Ask") -> None:
    yara = as_user("yara")
    for message in SAID:
        answer = await yara.post("/api/chat/respond", json={"message": message, "time_zone": "Europe/Berlin"})
        assert answer.json()["tasks"][0]["success"], answer.text

    told = {name: (await yara.get(f"/api/users/yara/{name}")).json() for name in LISTS}

    assert [row["title"] for row in told["reminders"]["rows"]] == ["call the dentist"]
    assert told["reminders"]["rows"][0]["time_zone"] == "Europe/Berlin"
    assert [row["text"] for row in told["notes"]["rows"]] == ["the eggs are out", "the milk is out"]
    [balance] = told["ledger"]["balances"]
    assert (balance["person"], balance["amount_minor"], balance["currency"]) == ("Cem", 2_000, "EUR")
    assert [row["amount_minor"] for row in told["ledger"]["rows"]] == [2_000]
    assert [(row["amount_minor"], row["purpose"]) for row in told["expenses"]["rows"]] == [(1_200, "coffee")]
    assert len(told["appointments"]["rows"]) == 1
    assert [row["name"] for row in told["friends"]["rows"]] == ["Mia"]
    assert {each["next"] for each in told.values()} == {None}

    first = (await yara.get("/api/users/yara/notes", params={"limit": 1})).json()
    rest = (await yara.get("/api/users/yara/notes", params={"limit": 1, "cursor": first["next"]})).json()
    assert [row["text"] for row in (*first["rows"], *rest["rows"])] == ["the eggs are out", "the milk is out"]


@pytest.mark.parametrize("name", LISTS)
async def test_another_s_list_is_refused_and_a_wrong_question_too(as_user: "Ask", name: str) -> None:
    path = f"/api/users/zoe/{name}"

    problem(await as_user("bob").get(path), 403, "forbidden")
    problem(await as_user("zoe", Role.ANALYTICS).get("/api/users/a.b/" + name), 422, "invalid-field")
    assert (await as_user("root", Role.ADMIN).get(path)).json()["rows"] == []
    zoe = as_user("zoe")
    assert (await zoe.get(path)).json()["rows"] == []
    problem(await zoe.get(path, params={"limit": 0}), 422, "invalid-request")
    problem(await zoe.get(path, params={"cursor": "abc"}), 422, "invalid-field")
