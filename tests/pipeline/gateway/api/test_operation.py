"""Health, metrics, figures and the report over HTTP, and who may see them."""

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from infra.tokens import Role
from pipeline import topology
from tests.pipeline.gateway.api.asking import asking, problem

if TYPE_CHECKING:
    from tests.conftest import Until
    from tests.pipeline.gateway.api.conftest import Ask, Make

pytestmark = pytest.mark.slow
OF_ALL = ("/stats", "/metrics", "/api/report", "/api/report.json")


async def well(client: httpx.AsyncClient) -> dict[str, Any] | None:
    """What is told when every process has said in time that it is there, which on a busy machine may take two looks."""
    answer = await client.get("/health")
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["status"]) in ((200, "ok"), (503, "degraded"))
    return told if answer.status_code == 200 else None


async def test_every_part_is_told(client: httpx.AsyncClient, until: "Until") -> None:
    told = await until(lambda: well(client))

    others = {"bus", "intake", "engine", "state", "log", "disk"}
    assert (told["status"], set(told["parts"]), told["wrong"]) == ("ok", {*topology.PROCESSES, *others}, [])
    assert all(part["ok"] and part["detail"] for part in told["parts"].values())
    assert told["parts"]["keeper"]["processes"] == 2


async def test_whoever_is_unknown_is_told_no_particulars(guarded: FastAPI, as_user: "Ask", until: "Until") -> None:
    async with asking(guarded) as stranger:
        told = await until(lambda: well(stranger))
        bad = await stranger.get("/health", headers={"Authorization": "Bearer rubbish"})
    assert (told["status"], told["parts"]["bus"]["ok"]) == ("ok", True)
    assert {part["detail"] for part in told["parts"].values()} == {None}
    problem(bad, 401, "token-refused")
    seen = (await as_user("auditor", Role.ANALYTICS).get("/health")).json()
    assert all(part["detail"] for part in seen["parts"].values())


async def test_a_full_disk_is_told_with_what_is_needed(gateway: "Make") -> None:
    async with asking(await gateway(**{"limits.room_min_mb": "1000000000"})) as client:
        answer = await client.get("/health")

    told = answer.json()
    assert (answer.status_code, told["status"], told["parts"]["disk"]["ok"]) == (503, "degraded", False)
    assert any("1000000000 are needed" in wrong for wrong in told["wrong"])


async def test_metrics_are_in_the_format_of_prometheus(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=1.0.0")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"parley_stage_handled", "parley_stage_behind", "parley_stage_work_seconds"} <= names


async def test_figures_tell_totals_and_the_newest_turns(client: httpx.AsyncClient, until: "Until") -> None:
    own = (await client.post("/api/chat/respond", json={"message": "hello there"})).json()

    async def logged() -> bool:
        recent = (await client.get("/stats")).json()["recent"]
        return bool(recent and recent[0]["turn"] == own["turn"] and recent[0]["status"] == "completed")

    await until(logged)
    told = (await client.get("/stats")).json()
    assert told["totals"]["turns"] >= 1
    assert len(told["recent"]) <= 20


async def test_the_report_is_a_page_under_its_own_policy_and_figures(client: httpx.AsyncClient) -> None:
    await client.post("/api/chat/respond", json={"message": "hello there"})

    page = await client.get("/api/report")
    figures = (await client.get("/api/report.json", params={"since": "2026-01-01T00:00:00Z"})).json()

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    within = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page.text)
    assert within is not None
    assert page.headers["content-security-policy"].startswith(within[1].replace("&#39;", "'"))
    assert (figures["run"], figures["since"]) == ("live", "2026-01-01T00:00:00+00:00")
    assert set(figures) >= {"overview", "latency", "cost", "slow_turns"}


@pytest.mark.parametrize("path", ["/api/report", "/api/report.json"])
async def test_a_report_on_no_time_is_refused(client: httpx.AsyncClient, path: str) -> None:
    span = {"since": "2026-11-20T12:00:00Z", "until": "2026-11-20T12:00:00Z"}

    told = problem(await client.get(path, params=span), 422, "invalid-field")
    assert told["field"] == "until"
    told = problem(await client.get(path, params={"since": "2026-11-20T12:00:00"}), 422, "invalid-request")
    assert told["field"] == "query.since"


@pytest.mark.parametrize("path", OF_ALL)
async def test_what_is_everybody_s_needs_the_role_analytics(guarded: FastAPI, as_user: "Ask", path: str) -> None:
    async with asking(guarded) as stranger:
        problem(await stranger.get(path), 401, "token-missing")
    problem(await as_user("ann").get(path), 403, "forbidden")
    assert (await as_user("auditor", Role.ANALYTICS).get(path)).status_code == 200
