"""Turns that end before they are opened: the log shows each of them once, as the keeper has told it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from infra.clock import SetClock, new_id
from infra.event_log import reports
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import Batch, Json, Row, StreamIdentity
from infra.state.port import State
from pipeline.keeper import Keeper
from pipeline.log_files import Ask
from pipeline.replay.choosing import Wanted, chosen
from pipeline.turn_limits import WAITING_MAX
from schemas.event import Event, Fact, Meta
from schemas.turns import StageFailed

if TYPE_CHECKING:
    from tests.pipeline.conftest import Submitter

    Talk = Callable[..., Submitter]

STREAM = StreamIdentity("PARLEY_EVENTS", datetime(2026, 11, 1, tzinfo=UTC))
UNREADABLE = StageFailed(
    failed_stage="keeper",
    error="InvalidField",
    message="fact.text",
    tries=1,
    code="invalid",
    field="fact.text",
    value="''",
    expected="some text",
)


def unreadable(clock: SetClock) -> Meta:
    """What a subject alone tells of a submission."""
    return Meta(id="x", type="TextSubmitted", conversation=new_id(), turn=new_id(), user="unknown", time=clock.now())


async def write(log: EventLog, said: list[Event[Fact]]) -> None:
    rows = [Row(seq, event.subject, {}, event.encoded()) for seq, event in enumerate(said, start=1)]
    await log.append(Batch(STREAM, tuple(rows)))


async def seen(log: EventLog, sql: str, **parameters: str) -> list[dict[str, Json]]:
    table = await log.ask(sql, parameters)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


async def flooded(keeper: Keeper, ann: "Submitter", turns: int) -> list[Event[Fact]]:
    return [event for _ in range(turns) for event in (await keeper.handle(ann.text())).said]


async def reported(log: EventLog, name: str) -> list[dict[str, Json]]:
    report = reports.report(name)
    table = await log.ask(report.sql, report.parameters(zone="UTC"))
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


async def test_each_accepted_turn_that_ended_is_one_row_however_it_ended(
    keeper: Keeper, talk: "Talk", clock: SetClock, tmp_path: Path
) -> None:
    ann = talk(user="ann")
    first, stopped = ann.text("one"), ann.text("two")
    said = list((await keeper.handle(first)).said)
    said += (await keeper.handle(stopped)).said
    said += await flooded(keeper, ann, WAITING_MAX)  # the last of them is one too many to wait
    said += (await keeper.handle(ann.stop(stopped))).said
    said += await flooded(keeper, ann, 2)  # the first waits in the place of the one that was stopped
    unseen = ann.text("never taken in")
    said += (await keeper.handle(ann.stop(unseen))).said
    said += (await keeper.handle(unseen)).said
    lost = unreadable(clock)
    said += (await keeper.refuse(lost, UNREADABLE)).said
    said += (await keeper.refuse(lost, UNREADABLE)).said
    for event in ann.chosen(first, "Done."):
        said += (await keeper.handle(event)).said

    async with await open_log(tmp_path / "log.duckdb") as log:
        await write(log, said)
        turns = await seen(log, "FROM turns WHERE status <> 'open'")
        ends = await seen(
            log, "SELECT turn FROM events WHERE type IN ('TurnCompleted', 'TurnFailed', 'TurnInterrupted')"
        )

    assert sorted(str(turn["turn"]) for turn in turns) == sorted(str(end["turn"]) for end in ends)
    unopened = [turn for turn in turns if turn["opened_at"] is None]
    assert sorted((str(turn["status"]), str(turn["code"])) for turn in unopened) == [
        ("failed", "busy"),
        ("failed", "busy"),
        ("failed", "invalid"),
        ("interrupted", "None"),
        ("interrupted", "None"),
    ]
    for turn in unopened:
        assert turn["user"] == ("unknown" if turn["code"] == "invalid" else "ann")
        assert turn["message"]
        assert turn["ended_at"]
        assert turn["number"]
        for name in ("kind", "text", "reply", "total_ms", "first_sound_ms", "deadline"):
            assert turn[name] in (None, ""), name
    [done] = [turn for turn in turns if turn["opened_at"]]
    assert (done["status"], done["total_ms"]) == ("completed", 0.0)


async def test_reports_count_them_as_failed_and_take_no_time_of_them(
    state: State, talk: "Talk", clock: SetClock, tmp_path: Path
) -> None:
    keeper = Keeper(state, clock, turns_per_minute=2)
    ann, bob = talk(user="ann"), talk(user="ann")
    turn = ann.text("one")
    said = list((await keeper.handle(turn)).said)
    said += await flooded(keeper, bob, 1)
    clock.at += timedelta(seconds=1)
    for event in ann.chosen(turn, "Done."):
        said += (await keeper.handle(event)).said
    said += await flooded(keeper, ann, 3)
    clock.at += timedelta(seconds=1)
    said += (await keeper.refuse(unreadable(clock), UNREADABLE)).said

    async with await open_log(tmp_path / "log.duckdb") as log:
        await write(log, said)
        [overview] = await reported(log, "overview")
        [day] = await reported(log, "days")
        slow = await reported(log, "slow_turns")
        listed = await reported(log, "turns")
        sessions = await seen(log, "SELECT sum(turns) AS turns FROM sessions")
        report = reports.report("overview")
        later = await log.ask(report.sql, report.parameters(since=clock.at + timedelta(seconds=1)))

    counts = {"turns": 6, "completed": 1, "failed": 4, "refused": 4, "interrupted": 0, "open": 1, "p50_ms": 1_000.0}
    assert {name: overview[name] for name in counts} == counts
    assert {name: day[name] for name in counts} == counts
    assert (overview["users"], overview["conversations"]) == (1, 3), "who sent what nobody can read is nobody"
    assert [row["status"] for row in slow] == ["completed"]
    assert [row["code"] for row in listed] == ["invalid", *["too-many"] * 3, None, None], "newest first"
    assert sessions == [{"turns": 2}], "a session is a talk"
    assert not later.rows


async def test_a_turn_whose_beginning_the_log_has_no_longer_is_not_taken_for_a_refused_one(
    keeper: Keeper, talk: "Talk", clock: SetClock, tmp_path: Path
) -> None:
    ann = talk()
    turn = ann.text("one")
    await keeper.handle(turn)
    [ended, *_] = (await keeper.handle(ann.failed(turn))).said

    async with await open_log(tmp_path / "log.duckdb") as log:
        await write(log, [ended])

        assert await seen(log, "FROM turns") == []
        assert not await reported(log, "overview")
        assert not await reported(log, "days")


async def test_there_is_nothing_of_them_that_could_be_run_again(
    state: State, talk: "Talk", clock: SetClock, tmp_path: Path
) -> None:
    keeper = Keeper(state, clock, turns_per_minute=1)
    ann = talk()
    turn = ann.text("one")
    said = list((await keeper.handle(turn)).said)
    said += await flooded(keeper, ann, 2)
    said += (await keeper.handle(ann.failed(turn))).said

    async with await open_log(tmp_path / "log.duckdb") as log:
        await write(log, said)
        ask: Ask = log.ask
        found = await chosen(ask, Wanted(where="status = 'failed'"))

    assert found.ids == [turn.meta.turn]
    assert found.unfinished == 0
