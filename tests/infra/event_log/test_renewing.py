"""Now and then the file is closed and opened anew, and nobody notices but the process's memory."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra import memory
from infra.event_log import duck
from infra.event_log.lines import imported, line_of_event
from infra.event_log.log import open_log
from infra.event_log.port import Batch, LogBroken, LogBusy, LogClosed, LogLimits, QueryStopped, StreamIdentity
from schemas.event import Event, Fact

Typed = Callable[..., list[Event[Fact]]]
AsBatch = Callable[..., Batch]
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = -1"


@pytest.fixture
def renewals(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each time that a file was opened anew."""
    seen: list[Path] = []
    reopen = duck.Connection.reopen

    def counted(self: duck.Connection, path: Path, *rest: object) -> None:
        seen.append(path)
        reopen(self, path, *rest)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(duck.Connection, "reopen", counted)
    return seen


async def test_each_row_is_recorded_once_and_questions_are_answered_across_renewals(
    path: Path, typed: Typed, batch: AsBatch, renewals: list[Path]
) -> None:
    events = [event for _ in range(20) for event in typed()]
    async with await open_log(path, LogLimits(renew_rows=10)) as log:
        for first in range(0, len(events), 4):
            asked = asyncio.create_task(log.ask("SELECT count(*) FROM events"))
            await log.append(batch(events[first : first + 4], first=first + 1))
            again = await log.append(batch(events[first : first + 4], first=first + 1))
            assert (again.recorded, again.redelivered) == (0, 4), "what is known is known after a renewal too"
            assert (await asked).rows[0][0] in (first, first + 4)
        found = (await log.ask("SELECT count(*), count(DISTINCT id), max(log_seq) FROM events")).rows

    assert found == ((80, 80, 80),)
    assert len(renewals) >= 5


async def test_a_question_under_way_is_not_disturbed_and_the_renewal_waits(
    path: Path, typed: Typed, batch: AsBatch, renewals: list[Path]
) -> None:
    async with await open_log(path, LogLimits(renew_rows=4, readers=1)) as log:
        asking = asyncio.create_task(log.ask(ENDLESS, timeout_s=1.0))
        await asyncio.sleep(0)  # it has the reader
        await log.append(batch(typed()))
        assert not renewals
        with pytest.raises(QueryStopped, match=r"an answer within 1 s"):
            await asking

        await log.append(batch(typed(), first=5))

        assert renewals == [path]
        assert (await log.ask("SELECT count(*) FROM events")).rows == ((8,),)


async def test_whoever_is_cancelled_meanwhile_leaves_questions_and_the_file_in_order(
    path: Path, typed: Typed, batch: AsBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def held_up() -> None:
        begun.set()
        assert go_on.wait(60)

    monkeypatch.setattr(memory, "give_back", held_up)  # in the writer's thread, within a renewal
    async with await open_log(path, LogLimits(renew_rows=4)) as log:
        appending = asyncio.create_task(log.append(batch(typed())))
        await asyncio.to_thread(begun.wait)
        appending.cancel()
        asking = asyncio.create_task(log.ask("SELECT count(*) FROM events"))
        await asyncio.sleep(0.05)
        assert not asking.done(), "it waits until the file is open"
        go_on.set()

        assert (await asking).rows == ((4,),)
        with pytest.raises(asyncio.CancelledError):
            await appending


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """So many times (its one number) the file is somebody else's when it shall be opened."""
    left, connect = [0], duck.connect

    def refused(*arguments: object, **named: object) -> duck.Connection:
        if left[0]:
            left[0] -= 1
            raise LogBusy(Path("events.duckdb"), 4711)
        return connect(*arguments, **named)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(duck, "connect", refused)
    return left


async def test_a_file_that_somebody_looks_into_is_waited_for(
    path: Path, typed: Typed, batch: AsBatch, refusals: list[int]
) -> None:
    async with await open_log(path, LogLimits(renew_rows=4)) as log:
        refusals[0] = 3
        assert (await log.append(batch(typed()))).recorded == 4
        assert (await log.ask("SELECT count(*) FROM events")).rows == ((4,),)


async def test_a_file_that_does_not_open_again_is_told_and_loses_nothing(
    path: Path, typed: Typed, batch: AsBatch, refusals: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.event_log.log.REOPEN_WITHIN_S", 0.1)
    log = await open_log(path, LogLimits(renew_rows=4))
    refusals[0] = 1_000
    with pytest.raises(LogBroken, match=r"start the logger again .*4711"):
        await log.append(batch(typed()))
    with pytest.raises(LogClosed):
        await log.ask("SELECT 1")
    await log.aclose()

    refusals[0] = 0
    async with await open_log(path) as again:
        assert (await again.ask("SELECT count(*) FROM events")).rows == ((4,),)


async def test_a_question_that_waited_is_not_let_in_when_the_file_is_opened_anew_once_more(path: Path) -> None:
    async with await open_log(path) as log:
        asking = log._asking
        with asking.waiting():
            question = asyncio.create_task(log.ask("SELECT 1"))
            await _everybody_runs()
        with asking.waiting():  # before the question ran
            await _everybody_runs()
            assert not asking.answers
        assert (await question).rows == ((1,),)


async def _everybody_runs() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_with_two_writers_no_question_meets_a_file_that_is_being_opened(
    path: Path, typed: Typed, batch: AsBatch, renewals: list[Path]
) -> None:
    """The stream and an import at once: each may open the file anew, and neither opens the gate for the other."""
    stream = [event for _ in range(60) for event in typed()]
    dumped = [event for _ in range(60) for event in typed()]
    answers = 0
    async with await open_log(path, LogLimits(renew_rows=8)) as log:

        async def appended() -> None:
            for first in range(0, len(stream), 8):
                await log.append(batch(stream[first : first + 8], first=first + 1))

        async def taken_in() -> None:
            made = StreamIdentity("a-run", NOON)
            lines = [
                imported(line_of_event(made, seq, event, {}, NOON).encode())
                for seq, event in enumerate(dumped, start=1)
            ]
            for first in range(0, len(lines), 8):
                await log.take_in(lines[first : first + 8])

        async def asked(until: "asyncio.Future[Any]") -> None:
            nonlocal answers
            while not until.done():
                await log.ask("SELECT count(*), max(payload::VARCHAR) FROM events")
                answers += 1
                await asyncio.sleep(0.02)  # in which the file may be opened anew

        writing = asyncio.gather(appended(), taken_in())
        await asyncio.gather(asked(writing), asked(writing), writing)
        found = (await log.ask("SELECT count(*), count(DISTINCT id) FROM events")).rows

    assert found == ((480, 480),)
    assert len(renewals) >= 5
    assert answers > 0


async def test_a_log_that_is_not_behind_opens_its_file_anew_more_often(
    path: Path, typed: Typed, batch: AsBatch, renewals: list[Path]
) -> None:
    limits = LogLimits(renew_rows=1_000, renew_calm_rows=8, calm_rows=8)
    events = [event for _ in range(4) for event in typed()]
    async with await open_log(path, limits) as log:
        await log.append(batch(events[:12]))
        assert not renewals, "so large a batch means that more is waiting"

        await log.append(batch(events[12:16], first=13))

    assert renewals == [path]
