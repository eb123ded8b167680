"""Which charts stand with which part of a report, and what is drawn in them. Knows no SVG: charts.py draws."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from pipeline.report import charts, english
from pipeline.report.asking import Told
from pipeline.report.rows import measured, number
from pipeline.report.sections import turn_line
from pipeline.waterfall import Span

DAYS_MIN: Final = 2  # of one, the table tells all
DAYS_MAX: Final = 92  # of a chart; the table has more
STAGES_MAX: Final = 12
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as SVG, and what it shows in words."""

    svg: str
    caption: str


def drawn(told: Told) -> dict[str, list[Chart]]:
    """The charts of each part that has rows and charts."""
    return {name: draw(told.rows(name)) for name, draw in _DRAWN.items() if told.rows(name)}


def _days(rows: Sequence[Row]) -> list[Chart]:
    days = _without_gaps(rows)
    if len(days) < DAYS_MIN:
        return []
    labels = [english.day(date.fromisoformat(day)) for day, _ in days]
    cut = f" ({english.of_days(len(days), len(rows))})" if len(rows) > len(days) else ""

    def of(name: str) -> list[float]:
        return [number(row.get(name)) for _, row in days]

    def known(name: str) -> list[float | None]:
        return [measured(row.get(name)) for _, row in days]

    def rate(name: str) -> list[float | None]:
        return [100 * number(row[name]) / number(row["turns"]) if row else None for _, row in days]

    ends = [(english.COLUMNS[name], of(name)) for name in ("completed", "failed", "interrupted", "open")]
    took = list(zip(english.SERIES_TOOK, (known("p50_ms"), known("p95_ms")), strict=True))
    rates = list(zip(english.SERIES_RATES, (rate("clarified"), rate("fallbacks")), strict=True))
    drawn = [Chart(charts.columns(english.CHART_TURNS, labels, ends), english.CHART_TURNS + cut)]
    if any(value is not None for _, values in took for value in values):
        drawn.append(Chart(charts.lines(english.CHART_TOOK, labels, took), english.CHART_TOOK + cut))
    drawn.append(Chart(charts.lines(english.CHART_RATES, labels, rates), english.CHART_RATES + cut))
    return drawn


def _without_gaps(rows: Sequence[Row]) -> list[tuple[str, Row]]:
    """The newest days in their order, those without a turn too."""
    found = {str(row["day"]): row for row in rows}
    last = date.fromisoformat(max(found))
    first = max(date.fromisoformat(min(found)), last - timedelta(days=DAYS_MAX - 1))
    days = [(first + timedelta(days=place)).isoformat() for place in range((last - first).days + 1)]
    return [(day, found.get(day, {})) for day in days]


def _latency(rows: Sequence[Row]) -> list[Chart]:
    shown = rows[:STAGES_MAX]
    labels = [str(row["stage"]) for row in shown]
    values = ([number(row[name]) for row in shown] for name in ("queue_p95_ms", "work_p95_ms"))
    series = list(zip(english.SERIES_LATENCY, values, strict=True))
    svg = charts.rows(english.CHART_LATENCY, labels, series, "waits", stacked=False)
    return [Chart(svg, english.CHART_LATENCY)]


def _intents(rows: Sequence[Row]) -> list[Chart]:
    labels = [str(row["label"]) for row in rows]
    series = [(english.COLUMNS["intents"], [number(row["intents"]) for row in rows])]
    return [Chart(charts.rows(english.CHART_INTENTS, labels, series), english.CHART_INTENTS)]


def _confidence(rows: Sequence[Row]) -> list[Chart]:
    by_step = {round(number(row["from_confidence"]), 1): row for row in rows}
    steps = [place / 10 for place in range(10)]
    values = ([number(by_step.get(step, {}).get(f"by_{name}")) for step in steps] for name in english.SERIES_DECIDED)
    series = list(zip(english.SERIES_DECIDED, values, strict=True))
    labels = [f"{step:.1f}" for step in steps]
    return [Chart(charts.columns(english.CHART_CONFIDENCE, labels, series), english.CHART_CONFIDENCE)]


def _feedback(rows: Sequence[Row]) -> list[Chart]:
    rated = [row for row in rows if number(row["up"]) or number(row["down"])]
    if not rated:
        return []
    labels = [str(row["label"]) or english.NO_VALUE for row in rated]
    values = ([number(row[name]) for row in rated] for name in ("up", "down"))
    series = list(zip(english.SERIES_FEEDBACK, values, strict=True))
    return [Chart(charts.rows(english.CHART_FEEDBACK, labels, series), english.CHART_FEEDBACK)]


_DRAWN: Final[Mapping[str, Callable[[Sequence[Row]], list[Chart]]]] = {
    "days": _days,
    "latency": _latency,
    "intents": _intents,
    "confidence": _confidence,
    "feedback": _feedback,
}


def waterfall(told: Told, turn: str, spans: Sequence[Span]) -> tuple[str, str]:
    """What a waterfall is of, and the waterfall as SVG."""
    row = next(row for row in told.rows("slow_turns") if row["turn"] == turn)
    waited = [max(0.0, span.began_ms - max(0.0, span.queued_ms)) for span in spans]
    values = (
        [max(0.0, span.queued_ms) for span in spans],
        waited,
        [span.work_ms for span in spans],
    )
    series = list(zip(english.SERIES_WATERFALL, values, strict=True))
    svg = charts.rows(english.CHART_WATERFALL, [span.stage for span in spans], series, "spans", hidden=1)
    return turn_line(row), svg
