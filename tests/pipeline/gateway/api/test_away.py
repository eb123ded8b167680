"""What is answered when a part of Parley is away: a bus with nobody on it, and no bus at all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import SecretStr

from infra.bus.connection import Bus
from infra.clock import SystemClock, new_id
from infra.settings import BusSettings, EngineSettings, Settings
from pipeline import intent_desk, logging_stage, state_desk
from pipeline.gateway.api.health import told_of
from pipeline.gateway.api.looking import Seen
from pipeline.gateway.app import opened
from pipeline.presence import Present
from pipeline.standing import WorkerStanding
from tests.pipeline.gateway.api.asking import asking, problem

if TYPE_CHECKING:
    from infra.bus.server import BusAddress
    from tests.conftest import OwnServer

ASKING = (
    *("/api/chat/history/me", "/api/chat/summary/me", "/api/users/me/notes", "/api/turns", "/stats"),
    *(f"/api/turns/{new_id()}", "/api/report.json"),
)


@asynccontextmanager
async def client_of(bus: Bus, address: "BusAddress", folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    token = SecretStr(address.token or "")
    engine = EngineSettings(backend="contextual")
    settings = Settings(data_dir=folder, bus=BusSettings(url=address.url, token=token), engine=engine)
    async with opened(settings, bus, SystemClock()) as (app, _), asking(app) as client:
        yield client


@pytest.fixture
async def alone(bus: Bus, bus_address: "BusAddress", tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway on a bus with no keeper, no stage and no log."""
    async with client_of(bus, bus_address, tmp_path) as client:
        yield client


@pytest.mark.parametrize("path", ASKING)
async def test_without_keeper_and_log_what_they_have_cannot_be_told(alone: httpx.AsyncClient, path: str) -> None:
    answer = await alone.get(path)

    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0


async def test_without_an_intent_worker_nothing_is_classified(
    alone: httpx.AsyncClient, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem(await alone.post("/api/intents/classify", json={"text": "hello"}), 503, "bus-away")

    async def heard(subject: str, payload: bytes) -> None:
        """Somebody who never answers."""

    await bus.listen(intent_desk.ASK_SUBJECT, heard)
    monkeypatch.setattr(intent_desk, "ASK_TIMEOUT_S", 0.1)
    problem(await alone.post("/api/intents/classify", json={"text": "hello"}), 504, "too-late")


async def test_a_keeper_or_a_log_that_does_not_answer_in_time_is_told_as_late(
    alone: httpx.AsyncClient, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def heard(subject: str, payload: bytes) -> None:
        """Somebody who never answers."""

    await bus.listen(state_desk.ASK_SUBJECT, heard)
    await bus.listen(logging_stage.ASK_SUBJECT, heard)
    monkeypatch.setattr(state_desk, "ASK_TIMEOUT_S", 0.1)
    monkeypatch.setattr(logging_stage, "ASK_TIMEOUT_S", 0.1)

    problem(await alone.get("/api/users/me/notes"), 504, "too-late")
    problem(await alone.get("/stats"), 504, "too-late")


async def test_history_that_no_keeper_forgets_is_not_told_as_forgotten(
    alone: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.front_end.RECORDED_WITHIN_S", 0.1)

    problem(await alone.delete("/api/chat/history/me"), 504, "no-end")


async def test_when_intake_is_closed_nothing_is_accepted(alone: httpx.AsyncClient, bus: Bus) -> None:
    await bus.close_intake("the disk is almost full")

    answer = await alone.post("/api/chat/respond", json={"message": "hello"})

    problem(answer, 503, "busy")
    assert int(answer.headers["retry-after"]) > 0
    chat = (await alone.get("/api/chat/health")).json()
    assert chat["status"] == "unhealthy"
    assert any("the disk is almost full" in wrong for wrong in chat["wrong"])


async def test_every_part_that_is_away_is_named(alone: httpx.AsyncClient) -> None:
    answer = await alone.get("/health")

    told = answer.json()
    assert (answer.status_code, told["status"]) == (503, "degraded")
    assert {name for name, part in told["parts"].items() if part["ok"]} == {"bus", "intake", "engine", "disk"}
    assert "no chat is running; start one with `parley stage chat`" in told["wrong"]


async def test_without_a_bus_health_says_so_and_all_else_is_refused(own_server: "OwnServer", tmp_path: Path) -> None:
    async with (
        Bus(own_server.address, name="test") as bus,
        client_of(bus, own_server.address, tmp_path) as client,
    ):
        await own_server.kill()

        health = await client.get("/health")
        problem(await client.get("/metrics"), 503, "bus-away")
        problem(await client.get(f"/api/turns/{new_id()}"), 503, "bus-away")

    assert (health.status_code, health.json()["parts"]["bus"]["ok"]) == (503, False)


def test_several_gateways_are_one_part() -> None:
    def one(name: str, pid: int, behind: int = 0) -> WorkerStanding:
        return WorkerStanding(name, (Present(name, pid, "2026-11-20T12:00:00+00:00", ready=True),), behind, 0)

    workers = (one("gateway", 1), one("gateway", 2), one("chat", 3, behind=501))
    seen = Seen("2.15.1", "engine", True, workers, None, 9_000, True, None, None, ("chat is 501 events behind",))

    told = told_of(seen)

    assert (told.parts["gateway"].ok, told.parts["gateway"].processes) == (True, 2)
    assert (told.parts["chat"].ok, told.parts["chat"].behind, told.status) == (False, 501, "degraded")
