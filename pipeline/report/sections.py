"""What a report shows, part by part, as texts: the same tables on the terminal and on the page. Pure.

Knows which columns of an answer a person wants to see and how a value is read; the words are in english.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from unicodedata import category
from zoneinfo import ZoneInfo

from infra.event_log.reports import report
from pipeline.report import english
from pipeline.report.asking import Scope, Told
from pipeline.report.costs import shown, totals, uncounted, unpriced
from pipeline.report.rows import number, rows_of
from pipeline.waterfall import Span

ROWS_MAX: Final = 60
WIDE: Final = frozenset({"text", "turn", "example", "said", "reason", "intents", "error"})
TEXT_CHARS: Final = 160
TIMES: Final = "%Y-%m-%d %H:%M"

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "days": (
        "day",
        "turns",
        "completed",
        "failed",
        "refused",
        "interrupted",
        "open",
        "p50_ms",
        "p95_ms",
        "clarified",
        "fallbacks",
    ),
    "latency": (
        *("stage", "handled", "queue_p50_ms", "queue_p95_ms", "queue_p99_ms"),
        *("work_p50_ms", "work_p95_ms", "work_p99_ms", "retried"),
    ),
    "slow_stages": (
        *("stage", "user", "first_day", "last_day", "before_ms", "p50_ms"),
        *("worst_day", "queue_p95_ms", "work_p95_ms", "handled"),
    ),
    "intents": ("label", "intents", "confidence_avg", "by_head", "by_engine", "by_fallback"),
    "confidence": ("from_confidence", "intents", "by_head", "by_engine", "by_fallback"),
    "decisions": ("turns", "automatic", "clarified", "clarified_percent", "nothing_heard"),
    "engines": ("backend", "model", "fallback", "reason", "replies", "completion_tokens_per_s", "work_p50_ms"),
    "fallbacks": ("what", "asked", "fallbacks", "percent", "reason"),
    "tokens": ("model", "backend", "replies", "prompt_tokens", "completion_tokens", "cost"),
    "failures": ("type", "stage", "code", "error", "times", "last", "example"),
    "feedback": ("label", "given", "up", "down", "corrected", "relabelled", "preferred", "compared", "reward_avg"),
    "slow_turns": ("total_ms", "first_sound_ms", "status", "intents", "text", "turn"),
}
"""The parts after the overview, in their order, and the columns that are shown of each."""
NUMBERS: Final = ("_ms", "_avg", "_percent", "cost")  # how columns end that hold numbers, if anything
SPAN_COLUMNS: Final = ("stage", "began_ms", "queue_ms", "work_ms", "attempt", "said")


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and whether what stands under it are numbers."""

    heading: str
    numbers: bool
    wide: bool = False  # words that want room


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One question and its answer; without a row there was nothing."""

    name: str
    title: str
    says: str
    grid: Grid
    there: int  # rows, of which the grid may have only the first
    truncated: bool  # the log has even more
    note: str = ""


def scope_line(scope: Scope) -> str:
    """Which part of the log a report tells of."""
    since, until = (_moment(each, scope.zone) if each else None for each in (scope.since, scope.until))
    return english.scope_told(scope.run, since, until, scope.zone)


def overview(told: Told) -> list[tuple[str, str]]:
    """The key figures: what, and how much; empty when there was no turn."""
    if not told.rows("overview"):
        return []
    [row] = told.rows("overview")
    figures = [(english.COLUMNS[name], _text(name, value)) for name, value in row.items()]
    shares = [(english.COLUMNS["clarified_percent"], row["clarified_percent"]) for row in told.rows("decisions")]
    shares += [(english.SERIES_STOOD_IN, row["percent"]) for row in told.rows("fallbacks") if row["what"] == "reply"]
    return figures + [(what, _text("percent", value)) for what, value in shares]


def parts(told: Told) -> list[Part]:
    """All parts after the overview."""
    return [_part(told, name, columns) for name, columns in COLUMNS.items()]


def _part(told: Told, name: str, columns: tuple[str, ...]) -> Part:
    table, question = told.tables[name], report(name)
    rows = rows_of(table)
    note = ""
    if name == "tokens":
        rows = [{**row, "cost": _cost(cost.amount, cost.currency)} for row, cost in zip(rows, told.costs, strict=True)]
        note = cost_line(told)
    grid = Grid(
        tuple(Column(english.COLUMNS[column], _is_number(rows, column), column in WIDE) for column in columns),
        tuple(tuple(_text(column, row[column], told.scope.zone) for column in columns) for row in rows[:ROWS_MAX]),
    )
    return Part(name, question.title, question.says, grid, len(rows), table.truncated, note)


def cut_line(part: Part, shown: int) -> str:
    """What is missing where only so many rows are shown; empty when nothing is."""
    if shown >= part.there and not part.truncated:
        return ""
    return english.rows_cut(min(shown, part.there), part.there, truncated=part.truncated)


def spans_grid(spans: Sequence[Span]) -> Grid:
    """A waterfall as a table."""
    rows = [
        {
            "stage": span.stage,
            "began_ms": span.began_ms,
            "queue_ms": span.queue_ms,
            "work_ms": span.work_ms,
            "attempt": span.attempt,
            "said": span.told,
        }
        for span in spans
    ]
    return Grid(
        tuple(
            Column(english.COLUMNS[name], name.endswith("_ms") or name == "attempt", name in WIDE)
            for name in SPAN_COLUMNS
        ),
        tuple(tuple(_text(name, row[name]) for name in SPAN_COLUMNS) for row in rows),
    )


def turn_line(row: Mapping[str, object]) -> str:
    """What a waterfall is of."""
    took = _text("total_ms", row["total_ms"])
    return f"{took} ms · {_text('text', row['text'])} · {_text('intents', row['intents'])} · {row['turn']}"


def cost_line(told: Told) -> str:
    """What all of it has cost."""
    known = [f"{shown(amount)} {currency}" for currency, amount in totals(told.costs).items()]
    return english.cost_told(known, unpriced(told.costs), uncounted(told.costs))


def _cost(amount: Decimal | None, currency: str | None) -> str:
    return f"{shown(amount)} {currency}" if amount is not None else english.UNKNOWN_COST


def _is_number(rows: Sequence[Mapping[str, object]], column: str) -> bool:
    values = [row[column] for row in rows if row[column] is not None]
    return column.endswith(NUMBERS) or (bool(values) and all(type(value) in (int, float) for value in values))


def _text(column: str, value: object, zone: str = "UTC") -> str:
    match value:
        case None if column == "first_day":
            return english.ALWAYS
        case None | "" | []:
            return english.NO_VALUE
        case bool():
            return "yes" if value else "no"
        case _ if column == "from_confidence":
            return f"{number(value):.1f} to {number(value) + 0.1:.1f}"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.2f}" if column in ("confidence_avg", "reward_avg") else f"{value:,.1f}".removesuffix(".0")
        case list():
            text = ", ".join(map(str, value))
        case _ if column == "last":
            text = _moment(datetime.fromisoformat(str(value)), zone)
        case _:
            text = " ".join(str(value).split())
    text = "".join("\ufffd" if category(sign) == "Cc" else sign for sign in text)  # a terminal would obey them
    return text if len(text) <= TEXT_CHARS else f"{text[: TEXT_CHARS - 1]}…"


def _moment(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).strftime(TIMES)
