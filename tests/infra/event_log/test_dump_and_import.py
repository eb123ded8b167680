"""What is dumped and taken in again answers the same questions; nothing is taken in twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.clock import SetClock
from infra.event_log import duck, lines
from infra.event_log.lines import imported
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import Batch, Row, StreamIdentity, TakenIn
from pipeline.log_files import Wanted, dumped
from schemas import upgrades
from schemas.errors import InvalidField, NewerSchema, SchemaError
from schemas.event import Event, Fact

GOLDEN = sorted((Path(__file__).parents[2] / "schemas" / "golden").rglob("*.json"))
VIEWS = ("turns", "transcripts", "intents", "tasks", "replies", "feedback", "latency", "engines", "failures")
Said = list[Event[Fact]]
AsBatch = Callable[..., Batch]
AsRow = Callable[..., Row]


async def lines_of(log: EventLog, **wanted: Any) -> list[str]:
    return [line async for line in dumped(log.ask, Wanted(**wanted))]


async def take_in(log: EventLog, dump: list[str]) -> TakenIn:
    return await log.take_in([imported(line.encode()) for line in dump])


async def everything(log: EventLog, *, leave_out: str = "log_seq, stream") -> dict[str, list[Any]]:
    """All that can be asked: the rows as they are, and each view."""
    told = {"events": await log.ask(f"SELECT * EXCLUDE ({leave_out}) FROM events ORDER BY stream_seq, id")}
    told |= {view: await log.ask(f"FROM {view} ORDER BY ALL") for view in VIEWS}
    return {name: [table.columns, table.rows] for name, table in told.items()}


@pytest.fixture
async def other(tmp_path: Path, clock: SetClock) -> AsyncIterator[EventLog]:
    async with await open_log(tmp_path / "other" / "log.duckdb", clock=clock) as opened:
        yield opened


@pytest.fixture
def odd(row: AsRow, typed: Callable[..., Said]) -> Callable[[int], list[Row]]:
    """Messages that are hard to keep: later fields, headers that are none, no events, bytes that are no text."""

    def make(first: int) -> list[Row]:
        later, event = typed()[0], typed()[0]
        tree = json.loads(later.encoded())
        tree["meta"] |= {"mood": "good", "schema_version": "1.9"}
        tree["fact"] |= {"added": {"a": [1, 2.5, None, "ü\n\u2028"]}}
        hop = {"Parley-Hop": "0.1 1e-07 3", "traceparent": "none"}
        return [
            Row(first, later.subject, hop, json.dumps(tree).encode()),
            Row(first + 1, event.subject, {"Parley-Hop": "soon"}, event.encoded()),
            Row(first + 2, event.subject, {"ce-source": "chat", "X": "\udcff"}, b'{"no": "event"}'),
            Row(first + 3, "any.where", {}, b"\xff\x00\n"),
            Row(first + 4, "any.where", {}, "Zeile\n\u2028ü".encode()),
        ]

    return make


async def test_another_log_that_takes_in_a_dump_answers_the_same(
    log: EventLog,
    other: EventLog,
    typed: Callable[..., Said],
    spoken: Callable[..., Said],
    batch: AsBatch,
    stream: StreamIdentity,
    odd: Callable[[int], list[Row]],
    clock: SetClock,
) -> None:
    await log.append(batch([*typed(), *spoken(), *typed(run="replay-1")]))
    await log.append(Batch(stream, tuple(odd(100))))
    clock.at += timedelta(days=1)

    dump = await lines_of(log)
    done = await take_in(other, dump)

    assert done == TakenIn(recorded=len(dump), known=0)
    assert await everything(other) == await everything(log)
    assert await lines_of(other) == dump
    assert len((await other.ask("FROM failures WHERE type = 'invalid'")).rows) == 3


async def test_taking_in_twice_or_ones_own_adds_nothing(
    log: EventLog,
    other: EventLog,
    typed: Callable[..., Said],
    batch: AsBatch,
    stream: StreamIdentity,
    odd: Callable[[int], list[Row]],
) -> None:
    await log.append(batch(typed()))
    await log.append(Batch(stream, tuple(odd(100))))
    dump = await lines_of(log)
    await take_in(other, dump)

    assert await take_in(other, dump) == TakenIn(0, len(dump))
    assert await take_in(other, [*dump, *dump][:7]) == TakenIn(0, 7)
    assert await take_in(log, dump) == TakenIn(0, len(dump))
    assert await take_in(log, await lines_of(other)) == TakenIn(0, len(dump))


async def test_what_was_taken_in_half_is_made_whole_by_taking_it_in_again(
    log: EventLog, other: EventLog, typed: Callable[..., Said], batch: AsBatch, stream: StreamIdentity
) -> None:
    await log.append(batch([*typed("one"), *typed("two")]))
    await log.append(batch(typed("three"), of=StreamIdentity(stream.name, stream.created - timedelta(days=1))))
    dump = await lines_of(log)
    await take_in(other, dump[:3])

    assert await take_in(other, dump) == TakenIn(recorded=9, known=3)
    assert await lines_of(other) == dump
    assert len((await other.ask("FROM streams")).rows) == 2


async def test_a_batch_that_cannot_be_written_leaves_nothing_and_can_be_taken_in_again(
    log: EventLog, other: EventLog, typed: Callable[..., Said], batch: AsBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.append(batch(typed()))
    dump = await lines_of(log)
    with monkeypatch.context() as broken:
        broken.setattr("infra.event_log.importing._MOVE", "UPDATE streams SET nothing = $position + $stream WHERE $now")
        with pytest.raises(duck.Error):
            await take_in(other, dump)

    assert (await other.ask("SELECT count(*) FROM events")).rows == ((0,),)
    assert (await other.ask("SELECT count(*) FROM streams")).rows == ((0,),)
    assert await take_in(other, dump) == TakenIn(4, 0)


async def test_what_the_stream_brings_later_is_not_recorded_again_and_its_position_is_its_own(
    log: EventLog, other: EventLog, typed: Callable[..., Said], batch: AsBatch, stream: StreamIdentity
) -> None:
    first, second, third = typed("one"), typed("two"), typed("three")
    await log.append(batch([*first, *second]))
    await take_in(other, await lines_of(log))

    assert other.position(stream) == 0
    done = await other.append(batch([*second, *third], first=5))

    assert (done.recorded, done.copies) == (4, 4)
    assert other.position(stream) == 12
    assert await other.last_position(stream.name) == 12
    assert len((await other.ask("FROM turns")).rows) == 3
    assert len((await other.ask("SELECT DISTINCT log_seq FROM events")).rows) == 12


async def test_only_what_is_wanted_is_dumped(log: EventLog, typed: Callable[..., Said], batch: AsBatch) -> None:
    one, two = typed("one"), typed("two", run="replay-1")
    await log.append(batch([*one, *two]))

    async def texts(**wanted: Any) -> set[str]:
        told = [json.loads(line)["event"]["fact"] for line in await lines_of(log, **wanted)]
        return {fact["text"] for fact in told if "text" in fact}

    assert await texts(run="live") == {"one"}
    assert await texts(conversation=two[0].meta.conversation) == {"two"}
    assert len(await lines_of(log, since=one[1].meta.time)) == 6
    assert len(await lines_of(log, until=one[1].meta.time)) == 2
    assert await lines_of(log, run="no-such") == []


async def test_long_logs_are_dumped_page_by_page(
    log: EventLog, typed: Callable[..., Said], batch: AsBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.log_files.SPAN_ROWS", 30)
    monkeypatch.setattr("pipeline.log_files.PAGE_ROWS", 7)
    said = [event for number in range(25) for event in typed(f"turn {number} " + "x" * 3_000)]
    await log.append(batch(said))

    for page_chars in (10_000, 1_000_000):
        monkeypatch.setattr("pipeline.log_files.PAGE_CHARS", page_chars)
        assert [json.loads(line)["event"]["meta"]["id"] for line in await lines_of(log)] == [e.meta.id for e in said]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_every_event_that_was_ever_written_is_taken_in(path: Path, log: EventLog, stream: StreamIdentity) -> None:
    event = json.loads(await asyncio.to_thread(path.read_bytes))

    done = await take_in(log, [line(stream, event)])

    assert done == TakenIn(1, 0)
    [(payload, version)] = (await log.ask("SELECT payload, schema_version FROM events")).rows
    assert json.loads(str(payload)) == event["fact"]
    assert version == event["meta"]["schema_version"]


def line(stream: StreamIdentity, event: Any, /, **changed: Any) -> str:
    """A line as a dump has it."""
    created = stream.created.isoformat()
    told = {"dump": 1, "stream": stream.name, "created": created, "seq": 1, "recorded_at": created, "event": event}
    return json.dumps(told | changed)


async def test_an_older_event_is_taken_in_as_one_of_today(
    log: EventLog, stream: StreamIdentity, typed: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = json.loads(typed("hello")[0].encoded())
    old["meta"]["schema_version"] = "0.4"
    old["fact"]["words"] = old["fact"].pop("text")

    def step(tree: Any) -> Any:
        tree["fact"]["text"] = tree["fact"].pop("words")
        return tree

    monkeypatch.setattr(lines, "upgraded", lambda tree: upgrades.upgraded(tree, steps={0: step}))
    await take_in(log, [line(stream, old)])

    assert (await log.ask("SELECT text FROM turns")).rows == (("hello",),)
    assert (await log.ask("SELECT schema_version FROM events")).rows == (("1.0",),)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"dump": 2}, "dump"),
        ({"dump": None}, "dump"),
        ({"seq": 0}, "seq"),
        ({"stream": "a.b"}, "stream"),
        ({"created": "2026-11-20T12:00:00"}, "created"),
        ({"recorded_at": "0001-01-01T00:00:00Z"}, "recorded_at"),
        ({"event": None}, "event"),
        ({"raw": {"subject": "x", "hex": "0"}}, "raw.hex"),
        ({"mood": "good"}, "mood"),
        ({"event": {"meta": {"schema_version": "1.0", "type": "Nothing"}, "fact": {}}}, "meta.type"),
        ({"event": {"meta": {"schema_version": "0.1", "type": "TextTurnOpened"}, "fact": {}}}, "meta.schema_version"),
    ],
)
def test_a_bad_line_is_refused_by_the_name_of_its_field(
    stream: StreamIdentity, typed: Callable[..., Said], changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        imported(line(stream, json.loads(typed()[0].encoded()), **changed).encode())

    assert refused.value.field == field


def test_a_newer_event_a_long_line_and_no_json_are_refused(stream: StreamIdentity, typed: Callable[..., Said]) -> None:
    newer = json.loads(typed()[0].encoded())
    newer["meta"]["schema_version"] = "2.0"
    with pytest.raises(NewerSchema):
        imported(line(stream, newer).encode())
    for bad in (b"garbage", b"[]", b"{", b"\xff", b" " * (lines.LINE_MAX_BYTES + 1)):
        with pytest.raises(SchemaError):
            imported(bad)
