"""All words of a report that are not the log's: headings of columns, captions of charts, notes.

What a question is called and what it tells stands in its SQL file (infra/event_log/reports/), for `parley log stats`
too.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

TITLE: Final = "Parley report"
NOTHING_YET: Final = "No turn was taken in this time, so there is nothing to tell yet."
NOTHING: Final = "nothing"
NO_VALUE: Final = "–"
ALWAYS: Final = "always"
FIGURES: Final = "Figures"
FOOTER: Final = "This page needs no network, and holds what people said: mind whom you give it to."

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
COLUMNS: Final[Mapping[str, str]] = {
    "asked": "asked",
    "backend": "backend",
    "before_ms": "before, ms",
    "began_ms": "began at, ms",
    "by_engine": "by engine",
    "by_fallback": "by fallback",
    "by_head": "by head",
    "clarified": "asked back",
    "clarified_percent": "asked back, %",
    "code": "code",
    "compared": "compared",
    "completed": "completed",
    "completion_tokens": "completion tokens",
    "completion_tokens_per_s": "tokens a second",
    "confidence_avg": "confidence, mean",
    "conversations": "conversations",
    "corrected": "corrected",
    "cost": "cost",
    "day": "day",
    "down": "thumbs down",
    "error": "error",
    "example": "example",
    "failed": "failed",
    "fallback": "stood in",
    "fallbacks": "stood in",
    "first_day": "slow since",
    "first_sound_ms": "first sound, ms",
    "from_confidence": "confidence",
    "given": "given",
    "handled": "handled",
    "intents": "intents",
    "interrupted": "interrupted",
    "label": "intent",
    "last": "last",
    "last_day": "slow until",
    "model": "model",
    "nothing_heard": "nothing heard",
    "open": "open",
    "p50_ms": "took p50, ms",
    "p95_ms": "took p95, ms",
    "percent": "%",
    "preferred": "another preferred",
    "prompt_tokens": "prompt tokens",
    "queue_ms": "waited, ms",
    "queue_p50_ms": "waited p50, ms",
    "queue_p95_ms": "waited p95, ms",
    "queue_p99_ms": "waited p99, ms",
    "reason": "why",
    "refused": "of them refused",
    "relabelled": "relabelled",
    "replies": "replies",
    "retried": "retried",
    "reward_avg": "reward, mean",
    "said": "said",
    "spoken": "spoken",
    "stage": "stage",
    "status": "end",
    "text": "what was said",
    "times": "times",
    "total_ms": "took, ms",
    "attempt": "try",
    "automatic": "acted without a question",
    "turn": "turn",
    "turns": "turns",
    "type": "event",
    "up": "thumbs up",
    "user": "user",
    "users": "users",
    "what": "for",
    "work_ms": "worked, ms",
    "work_p50_ms": "worked p50, ms",
    "work_p95_ms": "worked p95, ms",
    "work_p99_ms": "worked p99, ms",
    "worst_day": "worst day",
}

CHART_TURNS: Final = "Turns a day"
CHART_TOOK: Final = "Milliseconds from the opening of a turn to its end, by day"
CHART_RATES: Final = "Of a hundred turns: asked back, and replies by an engine that stood in, by day"
CHART_LATENCY: Final = "Milliseconds that 95 of 100 events waited and were worked on at most, by stage"
CHART_INTENTS: Final = "How often each intent was wanted"
CHART_CONFIDENCE: Final = "Intents by confidence, and who decided them"
CHART_FEEDBACK: Final = "Thumbs up and down, by intent"
CHART_WATERFALL: Final = "Where the time of this turn went, in milliseconds from its submission"
SERIES_TOOK: Final = ("p50", "p95")
SERIES_RATES: Final = ("asked back, %", "stood in, %")
SERIES_LATENCY: Final = ("waited", "worked")
SERIES_DECIDED: Final = ("head", "engine", "fallback")
SERIES_FEEDBACK: Final = ("up", "down")
SERIES_WATERFALL: Final = ("before", "waited", "worked")

LEGEND_BAR: Final = "░ waited, █ was worked on"


SERIES_STOOD_IN: Final = "replies by an engine that stood in, %"


def day(when: date) -> str:
    """A day on an axis, which never has more than a quarter of a year."""
    return f"{when.day} {MONTHS[when.month - 1]}"


def of_days(shown: int, there: int) -> str:
    """How many of the days a chart shows."""
    return f"the newest {shown} of {there} days"


def rows_cut(shown: int, there: int, *, truncated: bool) -> str:
    """That a table shows only its first rows; `truncated`: that there are more than the log has answered."""
    if truncated:
        return f"The first {shown} rows: the log has more than the {there} that fit into its answer."
    return f"The first {shown} of {there} rows; `--json` has all."


def scope_told(run: str, since: str | None, until: str | None, zone: str) -> str:
    """Which part of the log this is."""
    whose = "live turns" if run == "live" else f"run {run}"
    match since, until:
        case None, None:
            when = "all there are"
        case _, None:
            when = f"from {since}"
        case None, _:
            when = f"before {until}"
        case _:
            when = f"from {since}, before {until}"
    return f"{whose}, {when}; days and times as in {zone}"


def cost_told(known: Sequence[str], unpriced: Sequence[str], uncounted: Sequence[str]) -> str:
    """What tokens have cost as far as prices and counts are known."""
    if not (known or unpriced or uncounted):
        return "No engine has counted a token."
    reasons = {"`prices` has none": unpriced, "only one of its token counts was told": uncounted}
    missing = ", and ".join(f"for {', '.join(models)}: {why}" for why, models in reasons.items() if models)
    told = [", ".join(known)] if known else []
    return f"Cost: {', and '.join([*told, *([f'unknown {missing}'] if missing else [])])}."


UNKNOWN_COST: Final = "unknown"
