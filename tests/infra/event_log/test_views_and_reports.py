"""What people see of the log: one row a turn, a transcript, an intent, …, and the ready reports."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from infra.event_log import reports
from infra.event_log.log import EventLog
from infra.event_log.port import Batch, Json, Row, StreamIdentity
from schemas.chat import Candidate, EngineUse, ReplyGenerated, ReplyRequested, TokenUse
from schemas.errors import InvalidField
from schemas.event import Event, Fact
from schemas.persona import PersonaUpdated
from schemas.turns import FeedbackRecorded, StageFailed, TextTurnOpened, TurnCompleted, TurnFailed, TurnInterrupted

Turn = Callable[..., list[Event[Fact]]]
AsBatch = Callable[..., Batch]


async def seen(log: EventLog, sql: str) -> list[dict[str, Json]]:
    table = await log.ask(sql)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


async def test_a_typed_turn_is_one_row(log: EventLog, typed: Turn, batch: AsBatch) -> None:
    await log.append(batch(typed("note to buy chocolate")))

    [turn] = await seen(log, "FROM turns")

    assert turn | {"conversation": "", "turn": ""} == {
        "tenant": "local",
        "run": "live",
        "conversation": "",
        "turn": "",
        "number": 1,
        "user": "anna",
        "kind": "text",
        "opened_at": "2026-11-20T12:00:00Z",
        "text": "note to buy chocolate",
        "intents": ["create_note"],
        "tasks": ["create_note"],
        "tasks_refused": 0,
        "reply": "Noted.",
        "status": "completed",
        "code": None,
        "message": None,
        "audio_s": None,
        "first_sound_ms": None,
        "total_ms": 50.0,
        "ended_at": "2026-11-20T12:00:00.050000Z",
        "deadline": "2026-11-20T12:01:00Z",
        "time_zone": "Europe/Berlin",
        "speech": True,
    }


async def test_a_spoken_turn_shows_what_was_heard_and_when_the_first_sound_came(
    log: EventLog, spoken: Turn, batch: AsBatch
) -> None:
    await log.append(batch(spoken("how are you")))

    [turn] = await seen(log, "SELECT kind, text, intents, tasks, reply, first_sound_ms, total_ms, audio_s FROM turns")
    [transcript] = await seen(log, "SELECT text, audio_s, confidence, backend, model, empty_because FROM transcripts")
    [intent] = await seen(log, "SELECT intent, label, confidence, decided_by, text FROM intents")
    [reply] = await seen(log, "SELECT asked, text, sentences, chosen, candidates, backend, fallback FROM replies")
    [engine] = await seen(log, "SELECT backend, fallback, reason, prompt_tokens, completion_tokens FROM engines")

    assert turn == {
        "kind": "speech",
        "text": "how are you",
        "intents": ["chit_chat"],
        "tasks": [],
        "reply": "Fine.",
        "first_sound_ms": 700.0,
        "total_ms": 900.0,
        "audio_s": 0.6,
    }
    assert list(transcript.values()) == ["how are you", 1.5, 0.8, "whisper", "tiny.en", None]
    assert list(intent.values()) == [0, "chit_chat", 0.7, "engine", "how are you"]
    assert list(reply.values()) == ["how are you", "Fine.", 1, 0, 2, "contextual", True]
    assert list(engine.values()) == ["contextual", True, "llama.cpp is loading", 30, 4]


async def test_each_task_is_one_row(log: EventLog, typed: Turn, batch: AsBatch) -> None:
    await log.append(batch(typed()))

    [task] = await seen(log, "SELECT intent, skill, success, message, data FROM tasks")

    assert json.loads(str(task.pop("data"))) == {"note": 7}
    assert list(task.values()) == [0, "create_note", True, "Noted: buy chocolate."]


async def test_a_turn_is_open_until_it_ends_and_tells_how_it_ended(
    log: EventLog, first_of_a_turn: Callable[..., Event[Fact]], batch: AsBatch
) -> None:
    turns = [first_of_a_turn(TextTurnOpened(text=text)) for text in ("open", "failed", "interrupted")]
    later = turns[0].meta.time + timedelta(seconds=2)
    failed = TurnFailed(code="deadline", message="I ran out of time.")
    stopped = TurnInterrupted(reason="stopped by the user", spoken="Well,")
    ends = [turns[1].following("keeper", 0, failed, later), turns[2].following("keeper", 0, stopped, later)]
    await log.append(batch([*turns, *ends]))

    found = await seen(log, "SELECT text, status, code, message, reply, total_ms FROM turns ORDER BY opened_at, turn")

    assert [list(turn.values()) for turn in found] == [
        ["open", "open", None, None, None, None],
        ["failed", "failed", "deadline", "I ran out of time.", None, 2000.0],
        ["interrupted", "interrupted", None, "stopped by the user", "Well,", 2000.0],
    ]


async def test_turns_of_one_moment_are_in_the_session_that_the_first_of_them_began(
    log: EventLog, first_of_a_turn: Callable[..., Event[Fact]], batch: AsBatch
) -> None:
    ids = [first_of_a_turn(TextTurnOpened(text="hello")) for _ in range(3)]
    conversation = ids[0].meta.conversation
    at = [timedelta(), timedelta(hours=1), timedelta(hours=1)]

    def told(event: Event[Fact], number: int, after: timedelta) -> Event[Fact]:
        meta = event.meta.model_copy(
            update={"conversation": conversation, "number": number, "time": event.meta.time + after}
        )
        return event.model_copy(update={"meta": meta})

    numbers = (1, 3, 2)  # those of one moment have their ids and their numbers in another order
    await log.append(batch([told(*each) for each in zip(ids, numbers, at, strict=True)]))

    assert await seen(log, "SELECT session, turns FROM sessions ORDER BY session") == [
        {"session": 1, "turns": 1},
        {"session": 2, "turns": 2},
    ]


async def test_runs_are_kept_apart(log: EventLog, typed: Turn, batch: AsBatch) -> None:
    await log.append(batch([*typed("said", run="live"), *typed("said again", run="replay-1")]))

    assert await seen(log, "SELECT run, text FROM turns ORDER BY run") == [
        {"run": "live", "text": "said"},
        {"run": "replay-1", "text": "said again"},
    ]
    report = reports.report("turns")
    assert len((await log.ask(report.sql, report.parameters(run="replay-1"))).rows) == 1


async def test_feedback_is_about_its_turn(
    log: EventLog, typed: Turn, first_of_a_turn: Callable[..., Event[Fact]], batch: AsBatch
) -> None:
    turn = typed()
    given = first_of_a_turn(FeedbackRecorded(about=turn[0].meta.turn, rating="up"))
    await log.append(batch([*turn, given]))

    assert await seen(log, "SELECT rating, reply FROM feedback JOIN turns USING (tenant, run, turn)") == [
        {"rating": "up", "reply": "Noted."}
    ]


async def test_feedback_shows_what_should_have_been_and_what_it_is_compared_with(
    log: EventLog, typed: Turn, first_of_a_turn: Callable[..., Event[Fact]], batch: AsBatch
) -> None:
    turn, other = typed(), typed()
    about = turn[0].meta.turn
    given: dict[str, Any] = {"intent": "chit_chat", "preferred": 2, "reward": -0.5, "compared_with": other[0].meta.turn}
    await log.append(batch([*turn, *other, first_of_a_turn(FeedbackRecorded(about=about, **given))]))

    assert await seen(log, "SELECT turn, intent, preferred, reward, compared_with FROM feedback") == [
        {"turn": about, **given}
    ]


async def test_what_was_learned_of_a_person_is_a_row_for_each_facet(
    log: EventLog, typed: Turn, first_of_a_turn: Callable[..., Event[Fact]], batch: AsBatch
) -> None:
    turn = typed()
    facets = {"concise": 0.62, "a.b:c-d": 0.5}
    learned = PersonaUpdated(about=turn[0].meta.turn, facets=facets, before={"concise": 0.7}, reason="too brief")
    await log.append(batch([*turn, first_of_a_turn(learned)]))

    assert await seen(log, "SELECT turn, facet, before, value, reason FROM persona ORDER BY value DESC") == [
        {"turn": turn[0].meta.turn, "facet": "concise", "before": 0.7, "value": 0.62, "reason": "too brief"},
        {"turn": turn[0].meta.turn, "facet": "a.b:c-d", "before": None, "value": 0.5, "reason": "too brief"},
    ]


async def test_latency_counts_a_handling_once_however_much_it_said(
    log: EventLog, first_of_a_turn: Callable[..., Event[Fact]], row: Callable[..., Row], stream: StreamIdentity
) -> None:
    start = first_of_a_turn(TextTurnOpened(text="hello"))
    said = [start.following("chat", index, TextTurnOpened(text=str(index)), start.meta.time) for index in range(3)]
    rows = [row(place + 1, event, {"Parley-Hop": f"4 {100 * (place + 1)} 2"}) for place, event in enumerate(said)]
    await log.append(Batch(stream, (*rows, row(9, start, {}))))

    assert await seen(log, "SELECT stage, queue_ms, work_ms, first_said_ms, attempt, said FROM latency") == [
        {"stage": "chat", "queue_ms": 4.0, "work_ms": 300.0, "first_said_ms": 100.0, "attempt": 2, "said": 3}
    ]


async def test_latency_tells_the_keepers_opening_and_end_of_a_turn_apart(
    log: EventLog, first_of_a_turn: Callable[..., Event[Fact]], row: Callable[..., Row], stream: StreamIdentity
) -> None:
    start = first_of_a_turn(TextTurnOpened(text="hello"))
    opened = start.following("keeper", 0, TextTurnOpened(text="hello"), start.meta.time)
    ended = start.following("keeper", 1, TurnCompleted(reply="Hi.", sentences=1), start.meta.time)
    rows = (row(1, opened, {"Parley-Hop": "16000 3 1"}), row(2, ended, {"Parley-Hop": "2 5 1"}))
    await log.append(Batch(stream, rows))

    assert await seen(log, "SELECT stage, queue_ms, work_ms FROM latency ORDER BY work_ms") == [
        {"stage": "keeper", "queue_ms": 16000.0, "work_ms": 3.0},
        {"stage": "keeper", "queue_ms": 2.0, "work_ms": 5.0},
    ]
    report = reports.report("latency")
    [keeper] = (await log.ask(report.sql, report.parameters())).rows
    assert keeper[:2] == ("keeper", 2)


async def test_failures_show_what_could_not_be_read_too(
    log: EventLog, first_of_a_turn: Callable[..., Event[Fact]], batch: AsBatch, stream: StreamIdentity
) -> None:
    start = first_of_a_turn(TextTurnOpened(text="hello"))
    gave_up = StageFailed(failed_stage="chat", error="EngineRefused", message="too long", tries=1)
    await log.append(batch([start, start.following("worker", 0, gave_up, start.meta.time)]))
    await log.append(Batch(stream, (Row(3, "parley.v1.odd", {}, b"\xff"),)))

    found = await seen(log, "SELECT type, stage, error, field FROM failures ORDER BY type")

    assert [list(row.values()) for row in found] == [
        ["StageFailed", "chat", "EngineRefused", None],
        ["invalid", None, "InvalidField", "event"],
    ]


@pytest.mark.parametrize("name", reports.names())
async def test_every_report_answers_and_says_what_it_tells(
    name: str, log: EventLog, typed: Turn, spoken: Turn, batch: AsBatch
) -> None:
    wrote, said = typed(), spoken()
    later = said[0].meta.time + timedelta(seconds=1)
    asked_back = ReplyRequested(text="how are you", clarification="Who?")
    reply = ReplyGenerated(
        asked="how are you",
        candidates=(Candidate(text="Fine.", sentences=("Fine.",)),),
        engine=EngineUse(backend="vllm", model="qwen"),
        tokens=TokenUse(prompt=10, completion=2),
    )
    thought = FeedbackRecorded(about=said[0].meta.turn, rating="up")
    more = [said[2].following("bench", place, fact, later) for place, fact in enumerate((asked_back, reply, thought))]
    held = batch([*wrote, *said, *more])
    slow = {"Parley-Hop": "1.5 100 1"}  # else no stage is
    rows = tuple(Row(each.stream_seq, each.subject, {**each.headers, **slow}, each.payload) for each in held.rows)
    await log.append(Batch(held.stream, rows))
    await log.append(Batch(batch([]).stream, (Row(99, "parley.v1.odd", {}, b"\xff"),)))
    report = reports.report(name)

    everything = await log.ask(report.sql, report.parameters())
    written = await log.ask(report.sql, report.parameters(conversation=wrote[0].meta.conversation))
    after = await log.ask(report.sql, report.parameters(since=later + timedelta(days=9)))
    before = await log.ask(report.sql, report.parameters(until=said[0].meta.time))

    assert report.title
    assert report.says
    assert everything.rows
    assert written.rows != everything.rows
    assert not after.rows
    assert not before.rows


async def test_the_latency_report_gives_percentiles_of_queue_and_work(
    log: EventLog, typed: Turn, batch: AsBatch
) -> None:
    await log.append(batch(typed()))
    report = reports.report("latency")

    table = await log.ask(report.sql, report.parameters())

    assert table.columns[:6] == ("stage", "handled", "queue_p50_ms", "queue_p95_ms", "work_p50_ms", "work_p95_ms")
    assert ("router", 1, 1.5, 1.5, 20.3, 20.3) in [row[:6] for row in table.rows]


async def test_the_engines_report_tells_the_commonest_reasons_and_counts_the_others(
    log: EventLog, first_of_a_turn: Callable[..., Event[Fact]], batch: AsBatch
) -> None:
    def replied(reason: str | None) -> Event[Fact]:
        engine = EngineUse(backend="contextual", model="rules", fallback=reason is not None, reason=reason)
        candidate = Candidate(text="Fine.", sentences=("Fine.",))
        reply = ReplyGenerated(asked="", candidates=(candidate,), engine=engine, tokens=TokenUse(completion=2))
        opened = first_of_a_turn(TextTurnOpened(text="how are you"))
        return opened.following("chat", 0, reply, opened.meta.time + timedelta(seconds=1))

    often = [f"{'x' * 300} {number}" for number in range(2)]  # they differ only where nobody reads on
    reasons = [
        *often,
        "away",
        "away",
        "away",
        "away",
        *(f"id {number:02}" for number in range(30)),
        "id 07",
        None,
        None,
    ]
    await log.append(batch([replied(reason) for reason in reasons]))
    report = reports.report("engines")

    table = await log.ask(report.sql, report.parameters())

    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [(row["fallback"], row["reason"], row["reasons"], row["replies"]) for row in rows] == [
        (True, "other reasons: 27", 27, 27),
        (True, "away", 1, 4),
        (False, None, 0, 2),
        (True, "id 07", 1, 2),
        (True, "x" * 200, 1, 2),
        (True, "id 00", 1, 1),
        (True, "id 01", 1, 1),
    ]
    assert {row["completion_tokens"] for row in rows} == {54, 8, 4, 2}


def test_a_report_that_does_not_exist_is_refused_with_the_ones_that_do() -> None:
    with pytest.raises(InvalidField, match="turns"):
        reports.report("../secrets")
