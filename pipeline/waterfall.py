"""One turn as a waterfall: each handling of an event by a stage, its wait and its work, on the turn's own time line.

Made from rows of the log, so it needs no collector and works for turns of long ago.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from infra.event_log.port import Json, Table
from schemas.turns import OPENINGS

SQL: Final = (
    "SELECT stage, cause, type, time, queue_ms, work_ms, attempt, payload FROM events "
    "WHERE turn = $turn AND run = $run "
    "AND type NOT IN ('FeedbackRecorded', 'PersonaUpdated') "  # said long after the end
    "ORDER BY stream_seq"
)

_OPENINGS: Final = frozenset(fact.__name__ for fact in OPENINGS)


@dataclass(slots=True)
class Span:
    """One event handled by one stage. Times are milliseconds from the turn's submission."""

    stage: str
    queued_ms: float  # when its cause was said
    began_ms: float
    ended_ms: float
    attempt: int
    said: list[str]
    note: str = ""

    @property
    def queue_ms(self) -> float:
        return self.began_ms - self.queued_ms

    @property
    def work_ms(self) -> float:
        return self.ended_ms - self.began_ms

    @property
    def told(self) -> str:
        """What it said, each kind once with its count, and what is to be known of it."""
        kinds = dict.fromkeys(self.said)
        counted = (name if self.said.count(name) == 1 else f"{self.said.count(name)} {name}" for name in kinds)
        return f"{', '.join(counted)}{f' ({self.note})' if self.note else ''}"


def spans_of(table: Table) -> list[Span]:
    """The spans of a turn, in the order in which they began; empty when the log has no such turn."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    if not rows:
        return []
    opened = min(_time(row["time"]) for row in rows)
    spans: dict[tuple[str, str, bool], Span] = {}
    for row in rows:
        at_ms = (_time(row["time"]) - opened) / timedelta(milliseconds=1)
        queue_ms, work_ms = _number(row["queue_ms"]), _number(row["work_ms"])
        # All that the keeper says of a turn is caused by its submission; it opens it in one hop and ends it in another.
        key = (str(row["stage"]), str(row["cause"]), row["type"] in _OPENINGS)
        began_ms = at_ms - work_ms
        span = spans.get(key)
        if span is None:
            attempt = int(_number(row["attempt"])) or 1
            span = spans[key] = Span(str(row["stage"]), began_ms - queue_ms, began_ms, at_ms, attempt, [])
        span.ended_ms = max(span.ended_ms, at_ms)
        span.said.append(str(row["type"]))
        span.note = _note(row) or span.note
    waited_ms = -min(0.0, *(span.queued_ms for span in spans.values()))  # before it was opened
    for span in spans.values():
        span.queued_ms, span.began_ms, span.ended_ms = (
            ms + waited_ms for ms in (span.queued_ms, span.began_ms, span.ended_ms)
        )
    return sorted(spans.values(), key=lambda span: span.began_ms)


def bar(span: Span, total_ms: float, width: int) -> str:
    """The span on a line of `width` characters: `·` before it, `░` while it waited, `█` while it was worked on."""

    def place(ms: float) -> int:
        return min(width, max(0, round(ms / total_ms * width))) if total_ms > 0 else 0

    queued, began, ended = place(span.queued_ms), place(span.began_ms), place(span.ended_ms)
    ended = max(ended, min(width, began + 1))
    began = min(began, ended - 1)
    return "·" * min(queued, began) + "░" * max(0, began - queued) + "█" * (ended - began) + "·" * (width - ended)


def _note(row: Mapping[str, Json]) -> str:
    """Which engine made a reply, and why it was not the first choice; which error a stage failed with."""
    payload = json.loads(str(row["payload"]))  # the log gives JSON as text
    if not isinstance(payload, dict):
        return ""
    engine = payload.get("engine")
    if isinstance(engine, dict):
        why = f", fallback: {engine.get('reason')}" if engine.get("fallback") else ""
        return f"{engine.get('backend')} {engine.get('model')}{why}"
    return f"{payload.get('error')}" if row["type"] in ("StageFailed", "TurnFailed") else ""


def _time(value: Json) -> datetime:
    return datetime.fromisoformat(str(value))


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def total_ms(spans: Sequence[Span]) -> float:
    """From the turn's submission to its last event."""
    return max((span.ended_ms for span in spans), default=0.0)
