"""Classifying over HTTP: as on the command line, and nothing is acted on."""

from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI

from infra.tokens import Role
from tests.pipeline.gateway.api.asking import asking, labels, problem

if TYPE_CHECKING:
    from tests.pipeline.gateway.api.conftest import Ask

pytestmark = pytest.mark.slow
PATH = "/api/intents/classify"


async def test_an_utterance_is_classified_and_not_acted_on(client: httpx.AsyncClient) -> None:
    before = (await client.get("/api/users/me/notes")).json()["rows"]
    said = "note that the attic is full and what is a quark"

    told = (await client.post(PATH, json={"text": said})).json()

    assert (told["text"], labels(told)) == (said, ["create_note", "general_query"])
    assert told["intents"][0]["slots"] == {"title": "the attic is full"}
    assert (await client.get("/api/users/me/notes")).json()["rows"] == before


async def test_a_time_is_meant_in_the_zone_that_is_named(client: httpx.AsyncClient) -> None:
    told = (await client.post(PATH, json={"text": "remind me at three to eat", "time_zone": "Asia/Tokyo"})).json()

    assert told["intents"][0]["slots"]["when"]["at"].endswith("T15:00:00+09:00")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.text"),
        ({"text": " "}, "body.text"),
        ({"text": "x" * 4_001}, "body.text"),
        ({"text": "hello", "time_zone": "Mars/Olympus"}, "body.time_zone"),
    ],
)
async def test_what_cannot_be_an_utterance_is_refused(
    client: httpx.AsyncClient, body: dict[str, str], field: str
) -> None:
    told = problem(await client.post(PATH, json=body), 422, "invalid-request")

    assert told["field"] == field


async def test_only_a_user_may_ask(guarded: FastAPI, as_user: "Ask") -> None:
    async with asking(guarded) as stranger:
        problem(await stranger.post(PATH, json={"text": "hello"}), 401, "token-missing")
    problem(await as_user("auditor", Role.ANALYTICS).post(PATH, json={"text": "hello"}), 403, "forbidden")
    assert (await as_user("ann").post(PATH, json={"text": "hello"})).status_code == 200
