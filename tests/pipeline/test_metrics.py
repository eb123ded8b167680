"""Metrics of several workers become one exposition that Prometheus can read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.clock import SetClock, SystemClock
from infra.telemetry import Telemetry
from pipeline.metrics import Metrics, gathered, merged
from pipeline.worker import Worker
from schemas.chat import SentenceGenerated
from schemas.event import Event, Fact
from schemas.stage import Stage
from schemas.turns import TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent

    Until = Callable[..., Awaitable[Any]]


def samples(exposition: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("worker", "")): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if "le" not in sample.labels
    }


def test_two_workers_of_a_stage_stand_side_by_side_in_one_family() -> None:
    counts = {"handled": 3, "dead": 1, "in_flight": 2}
    one, two = Metrics("intent", "1", lambda: counts), Metrics("intent", "2", lambda: counts)
    one.handled(queue_ms=5.0, work_ms=20.0)
    one.handled(queue_ms=5.0, work_ms=2_000.0)

    exposition = merged([one.exposition().decode(), two.exposition().decode()])

    found = samples(exposition)
    assert found["parley_stage_handled_total", "1"] == found["parley_stage_handled_total", "2"] == 3
    assert found["parley_stage_in_flight", "2"] == 2
    assert found["parley_stage_work_seconds_count", "1"] == 2
    assert found["parley_stage_work_seconds_sum", "1"] == 2.02
    assert found["parley_stage_work_seconds_count", "2"] == 0
    assert exposition.count("# TYPE parley_stage_handled_total") == 1


async def test_a_stage_tells_what_it_handled_failed_retried_buried_and_how_long_the_next_one_waits(
    bus: Bus, new_event: "NewEvent", until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.retry.FIRST_DELAY_S", 0.01)
    release = asyncio.Event()

    async def handle(event: Event[TextTurnOpened], _: None, earlier: tuple[Fact, ...]) -> AsyncIterator[Fact]:
        if event.fact.text == "bad":
            raise OSError("disk gone")
        if event.fact.text == "slow":
            await release.wait()
        yield SentenceGenerated(asked="?", index=0, text="Said.", last=True, firsts=("Said.",))

    worker = Worker(
        Stage("chat", (TextTurnOpened,), (SentenceGenerated,), handle), None, bus, SystemClock(), Telemetry("test")
    )
    await worker.metrics.announce(bus)
    consumer = await worker.start()
    for text in ("good", "bad", "slow", "waiting"):
        await bus.say(new_event(TextTurnOpened(text=text)), Hop("keeper"))
        if text == "bad":
            await until(lambda: worker.counts.dead == 1)
    await until(lambda: worker.counts.in_flight == 1)

    told = {
        (sample.name, sample.labels["stage"]): sample.value
        for family in text_string_to_metric_families(
            await gathered(bus, SetClock(datetime.now(UTC) + timedelta(seconds=30)))
        )
        for sample in family.samples
        if "le" not in sample.labels
    }
    release.set()
    await consumer.stop()

    assert told["parley_stage_handled_total", "chat"] == 1
    assert told["parley_stage_failed_total", "chat"] == 5, "each try counts"
    assert told["parley_stage_retried_total", "chat"] == 4
    assert told["parley_stage_dead_total", "chat"] == 1
    assert told["parley_stage_in_flight", "chat"] == 1
    assert told["parley_stage_behind", "chat"] == 1
    assert 30 <= told["parley_stage_queue_age_seconds", "chat"] < 90
    assert told["parley_stage_queue_age_seconds", "tts"] == 0
    assert told["parley_stage_work_seconds_count", "chat"] == 1
