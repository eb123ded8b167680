"""A turn's waterfall: a span a handling, from the turn's submission on."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from infra.event_log.port import Json, Table
from pipeline.waterfall import bar, spans_of, total_ms

OPENED = datetime(2026, 11, 22, 12, tzinfo=UTC)
COLUMNS = ("stage", "cause", "type", "time", "queue_ms", "work_ms", "attempt", "payload")
Row = tuple[Json, ...]


def row(stage: str, cause: str, kind: str, at_ms: float, queue_ms: float = 0.0, work_ms: float = 0.0) -> Row:
    at = OPENED + timedelta(milliseconds=at_ms)
    return (stage, cause, kind, at.isoformat(), queue_ms, work_ms, 1, json.dumps({"error": "EngineAway"}))


TYPES = ("VARCHAR",) * len(COLUMNS)
TURN = Table(
    COLUMNS,
    TYPES,
    (
        row("keeper", "submission", "TextTurnOpened", 0, queue_ms=500, work_ms=2),
        row("chat", "asked", "SentenceGenerated", 40, queue_ms=10, work_ms=20),
        row("chat", "asked", "ReplyGenerated", 60, queue_ms=10, work_ms=40),
        row("keeper", "submission", "TurnFailed", 100, queue_ms=5, work_ms=3),
        row("keeper", "submission", "ApologyRequested", 101, queue_ms=5, work_ms=4),
    ),
)


def test_the_keeper_opens_and_ends_a_turn_in_two_spans_and_the_wait_before_them_is_seen() -> None:
    spans = spans_of(TURN)

    assert [(span.stage, span.queued_ms, span.began_ms, span.ended_ms, span.told) for span in spans] == [
        ("keeper", 0, 500, 502, "TextTurnOpened"),
        ("chat", 512, 522, 562, "SentenceGenerated, ReplyGenerated"),
        ("keeper", 594, 599, 603, "TurnFailed, ApologyRequested (EngineAway)"),
    ]
    assert total_ms(spans) == 603
    assert bar(spans[0], 603, 40) == "░" * 33 + "█" + "·" * 6


def test_a_turn_whose_wait_nobody_noted_begins_with_its_opening() -> None:
    rows = (row("keeper", "s", "TextTurnOpened", 0), row("keeper", "s", "TurnCompleted", 60))

    [opening, ending] = spans_of(Table(COLUMNS, TYPES, rows))

    assert (opening.queued_ms, opening.ended_ms, ending.began_ms) == pytest.approx((0, 0, 60))


def test_a_turn_that_the_log_does_not_have_has_no_spans() -> None:
    assert spans_of(Table(COLUMNS, TYPES, ())) == []
