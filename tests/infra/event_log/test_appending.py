"""Each message of the stream becomes one row, whatever order and however often it comes."""

import json
import resource
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from infra.event_log import duck
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import Appended, Batch, Json, LogLimits, Row, StreamChanged, StreamIdentity
from schemas.errors import InvalidField
from schemas.event import SCHEMA_MINOR, SCHEMA_VERSION, Event, Fact

Said = list[Event[Fact]]
Typed = Callable[..., Said]
AsBatch = Callable[..., Batch]
AsRow = Callable[..., Row]


async def recorded(log: EventLog, columns: str = "id") -> list[tuple[Json, ...]]:
    return list((await log.ask(f"SELECT {columns} FROM events ORDER BY stream, stream_seq")).rows)


async def test_an_event_is_recorded_with_its_columns_and_its_fact(log: EventLog, typed: Typed, batch: AsBatch) -> None:
    turn = typed()

    done = await log.append(batch(turn))

    assert done == Appended(recorded=4, position=4)
    [row] = (await log.ask("SELECT * FROM events WHERE type = 'IntentClassified'")).rows
    columns = (await log.ask("SELECT * FROM events LIMIT 0")).columns
    found = dict(zip(columns, row, strict=True))
    meta = turn[1].meta
    assert json.loads(str(found.pop("payload"))) == json.loads(turn[1].encoded())["fact"]
    assert found == {
        "log_seq": 2,
        "stream": 1,
        "stream_seq": 2,
        "id": meta.id,
        "type": "IntentClassified",
        "tenant": "local",
        "run": "live",
        "conversation": meta.conversation,
        "turn": meta.turn,
        "number": 1,
        "user": "anna",
        "cause": turn[0].meta.id,
        "stage": "intent",
        "time": "2026-11-20T12:00:00.020000Z",
        "deadline": "2026-11-20T12:01:00Z",
        "time_zone": "Europe/Berlin",
        "speech": True,
        "schema_version": SCHEMA_VERSION,
        "queue_ms": 1.5,
        "work_ms": 20.25,
        "attempt": 1,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "rest": None,
        "recorded_at": "2026-11-20T12:00:01Z",
    }


async def test_missing_headers_are_null(log: EventLog, typed: Typed, row: AsRow, stream: StreamIdentity) -> None:
    await log.append(Batch(stream, (row(1, typed()[0], {}),)))

    assert await recorded(log, "type, stage, queue_ms, work_ms, attempt, traceparent, rest") == [
        ("TextTurnOpened", "keeper", None, None, None, None, None)
    ]


@pytest.mark.parametrize("hop", ["soon 1 1", "1 inf 1", "1 -1 1", "1 1 0", "1 1", "1 1 1 1", "", "1 nan 1"])
async def test_headers_that_cannot_be_read_are_kept_as_they_are(
    log: EventLog, typed: Typed, row: AsRow, stream: StreamIdentity, hop: str
) -> None:
    headers = {"Parley-Hop": hop, "traceparent": "\udcff"}

    await log.append(Batch(stream, (row(1, typed()[0], headers),)))

    [(queue_ms, work_ms, attempt, trace, rest)] = await recorded(log, "queue_ms, work_ms, attempt, traceparent, rest")
    assert (queue_ms, work_ms, attempt, trace) == (None, None, None, None)
    assert json.loads(str(rest))["headers"] == {**headers, "traceparent": "\\udcff"}


async def test_what_a_later_minor_version_added_is_kept(
    log: EventLog, typed: Typed, row: AsRow, stream: StreamIdentity
) -> None:
    plain = row(1, typed()[0])
    tree = json.loads(plain.payload)
    tree["meta"] |= {"schema_version": "1.3", "mood": "cheerful"}
    tree["fact"]["language"] = "en"

    await log.append(Batch(stream, (replace(plain, payload=json.dumps(tree, indent=2).encode()),)))

    assert await recorded(log, "schema_version, payload->>'language', rest->>'$.meta.mood'") == [
        ("1.3", "en", "cheerful")
    ]


@pytest.mark.parametrize(
    ("payload", "kept"),
    [(b"\xff\x00\xfe", ("hex", "ff00fe")), (b'{"meta": \x00', ("text", '{"meta": \x00')), (b"", ("text", ""))],
)
async def test_what_is_no_event_is_recorded_as_invalid_and_stops_nothing(
    payload: bytes, kept: tuple[str, str], log: EventLog, typed: Typed, row: AsRow, stream: StreamIdentity
) -> None:
    first, second, *_ = typed()
    broken = replace(row(2, second), payload=payload)

    done = await log.append(Batch(stream, (row(1, first), broken, row(3, second))))

    assert done == Appended(recorded=3, invalid=1, position=3)
    [(kind, number, turn, told)] = (
        await log.ask("SELECT type, stream_seq, turn, payload FROM events WHERE id IS NULL")
    ).rows
    assert (kind, number, turn) == ("invalid", 2, second.meta.turn)  # the subject still tells whose it was
    wrong = json.loads(str(told))
    assert wrong[kept[0]] == kept[1]
    assert wrong["field"] == "event"
    assert wrong["headers"]["ce-type"] == "IntentClassified"


async def test_an_event_of_a_newer_major_version_is_kept_whole_as_invalid(
    log: EventLog, typed: Typed, row: AsRow, stream: StreamIdentity
) -> None:
    plain = row(1, typed()[0])
    newer = plain.payload.replace(b'"schema_version":"1.', b'"schema_version":"2.')

    await log.append(Batch(stream, (replace(plain, payload=newer),)))

    assert await recorded(log, "type, payload->>'error', payload->>'value', payload->>'text'") == [
        ("invalid", "NewerSchema", f"2.{SCHEMA_MINOR}", newer.decode())
    ]


async def test_an_event_that_claims_another_tenant_than_its_subject_is_not_believed(
    log: EventLog, typed: Typed, row: AsRow, stream: StreamIdentity
) -> None:
    plain = row(1, typed()[0])

    await log.append(Batch(stream, (replace(plain, subject=plain.subject.replace(".local.", ".other.")),)))

    assert await recorded(log, "type, tenant, payload->>'field'") == [("invalid", "other", "subject")]


async def test_a_time_that_no_calendar_holds_is_recorded_as_invalid(
    log: EventLog, typed: Typed, row: AsRow, stream: StreamIdentity
) -> None:
    plain = row(1, typed()[0])
    late = plain.payload.replace(b'"time":"2026-11-20T12:00:00Z"', b'"time":"9999-12-31T23:59:59-14:00"')
    assert late != plain.payload

    await log.append(Batch(stream, (replace(plain, payload=late),)))

    assert await recorded(log, "type, time, payload->>'field'") == [("invalid", None, "meta.time")]


async def test_a_redelivered_message_is_recorded_once(log: EventLog, typed: Typed, batch: AsBatch) -> None:
    turn = typed()
    await log.append(batch(turn[:3]))

    again = await log.append(batch(turn))

    assert again == Appended(recorded=1, redelivered=3, position=4)
    assert await recorded(log) == [(event.meta.id,) for event in turn]


async def test_a_message_that_comes_after_newer_ones_is_not_lost(log: EventLog, typed: Typed, batch: AsBatch) -> None:
    """After a kill JetStream delivers new messages first, and those that were under way when their wait is over."""
    turn = typed()
    await log.append(batch(turn[2:], first=3))
    assert log.position(batch(turn).stream) == 4

    late = await log.append(batch(turn))

    assert late == Appended(recorded=2, redelivered=2, position=4)
    assert await recorded(log) == [(event.meta.id,) for event in turn]


async def test_a_second_copy_of_an_event_under_another_number_is_dropped(
    log: EventLog, typed: Typed, batch: AsBatch
) -> None:
    turn = typed()
    await log.append(batch(turn))

    copy = await log.append(batch(turn[1:3], first=10))
    once_more = await log.append(batch(turn[1:3], first=10))

    assert copy == Appended(recorded=0, copies=2, position=11)
    assert once_more == Appended(recorded=0, copies=2, position=11)
    assert await recorded(log, "stream_seq") == [(1,), (2,), (3,), (4,)]


async def test_the_same_message_or_event_twice_in_one_batch_is_recorded_once(
    log: EventLog, typed: Typed, row: AsRow, stream: StreamIdentity
) -> None:
    first, second, *_ = typed()

    done = await log.append(Batch(stream, (row(5, first), row(2, first), row(3, second), row(3, second))))

    assert done == Appended(recorded=2, redelivered=1, copies=1, position=5)
    assert await recorded(log, "stream_seq") == [(2,), (3,)]


async def test_copies_are_sought_as_far_back_as_the_window_and_no_further(
    path: Path, typed: Typed, batch: AsBatch
) -> None:
    """The bound is in rows: this one is two."""
    old, newer = typed(), typed()
    async with await open_log(path, LogLimits(copies_window_rows=2)) as log:
        await log.append(batch([old[0], newer[0], newer[1]]))

        done = await log.append(batch([newer[1], newer[0], old[0]], first=10))

    assert done == Appended(recorded=1, copies=2, position=12)


async def test_the_same_event_of_another_run_is_another_event(log: EventLog, typed: Typed, batch: AsBatch) -> None:
    await log.append(batch(typed(run="live")))
    done = await log.append(batch(typed(run="replay-1"), first=5))

    assert done.recorded == 4


async def test_a_stream_that_was_made_anew_counts_from_one_again(log: EventLog, typed: Typed, batch: AsBatch) -> None:
    old, new = typed(), typed()
    await log.append(batch(old))
    anew = StreamIdentity("PARLEY_EVENTS", batch([]).stream.created + timedelta(days=1))
    assert log.position(anew) == 0

    done = await log.append(batch(new, of=anew))

    assert done == Appended(recorded=4, position=4)
    assert await recorded(log, "log_seq, stream, stream_seq, id") == [
        (place + 1, 1 + place // 4, place % 4 + 1, event.meta.id) for place, event in enumerate([*old, *new])
    ]
    assert await log.last_position("PARLEY_EVENTS") == 4


async def test_a_copy_from_before_the_stream_was_made_anew_is_dropped(
    log: EventLog, typed: Typed, batch: AsBatch
) -> None:
    turn = typed()
    await log.append(batch(turn))

    done = await log.append(batch(turn, of=StreamIdentity("PARLEY_EVENTS", batch([]).stream.created + timedelta(1))))

    assert done == Appended(recorded=0, copies=4, position=4)


async def test_a_stream_made_anew_without_saying_so_is_noticed_and_nothing_is_written(
    log: EventLog, typed: Typed, batch: AsBatch
) -> None:
    old = typed()
    await log.append(batch(old))

    with pytest.raises(StreamChanged, match="message 1 is on record as another event"):
        await log.append(batch([*typed(), *typed()]))

    assert await recorded(log) == [(event.meta.id,) for event in old]
    assert log.position(batch([]).stream) == 4
    assert (await log.append(batch(typed(), first=5))).recorded == 4  # and the log goes on


async def test_positions_and_numbers_go_on_after_the_log_was_closed(path: Path, typed: Typed, batch: AsBatch) -> None:
    turn = typed()
    async with await open_log(path) as log:
        await log.append(batch(turn[:3]))
    async with await open_log(path) as log:
        assert log.position(batch([]).stream) == 3
        assert (await log.append(batch(turn))).recorded == 1
        assert await recorded(log, "log_seq") == [(1,), (2,), (3,), (4,)]


async def test_what_a_full_disk_refused_is_recorded_when_there_is_room_again(
    log: EventLog, typed: Typed, batch: AsBatch
) -> None:
    whole = [batch([event for _ in range(100) for event in typed()], first=1 + 400 * place) for place in range(8)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (800_000, hard)
    )  # no file may grow beyond; a full disk, as far as one sees
    try:
        refused = 0
        for part in whole:
            try:
                await log.append(part)
            except duck.Error as error:
                assert "Could not write" in str(error)
                refused += 1
        assert 0 < refused < len(whole)
        assert (await log.ask("SELECT count(*) FROM events")).rows == ((400 * (len(whole) - refused),),)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    again = [await log.append(part) for part in whole]

    assert sum(done.recorded for done in again) == 400 * refused
    assert (await log.ask("SELECT count(*), count(DISTINCT id), max(log_seq) FROM events")).rows == (
        (3200, 3200, 3200),
    )


async def test_an_empty_batch_changes_nothing(log: EventLog, stream: StreamIdentity) -> None:
    assert await log.append(Batch(stream, ())) == Appended(recorded=0, position=0)
    assert (await log.ask("SELECT count(*) FROM streams")).rows == ((0,),)


def test_a_stream_without_a_time_zone_is_refused(stream: StreamIdentity) -> None:
    with pytest.raises(InvalidField, match=r"stream\.created"):
        StreamIdentity("PARLEY_EVENTS", stream.created.replace(tzinfo=None))
