"""A report as JSON, for programs: the same figures as on the terminal and on the page."""

from dataclasses import asdict
from decimal import Decimal

from pipeline.report.asking import USED, Told
from pipeline.report.costs import totals, uncounted, unpriced


def tree(told: Told) -> dict[str, object]:
    """{run, since, until, time_zone, <question>: rows…, cost, truncated}. An amount is a text: no digit is lost.

    `overview` and `decisions` are one row or null; a row of `tokens` has `cost` and `currency`, null where no price is
    configured; `cost` alone is null where a count that the price needs is. The slowest rows of `slow_turns` have
    `waterfall`. `truncated` names the questions of whose rows the log has more than it answers.
    """
    scope = told.scope
    answers: dict[str, object] = {name: told.rows(name) for name in USED}
    for name in ("overview", "decisions"):
        answers[name] = next(iter(told.rows(name)), None)
    answers["tokens"] = [
        {**row, "cost": _amount(cost.amount), "currency": cost.currency}
        for row, cost in zip(told.rows("tokens"), told.costs, strict=True)
    ]
    answers["slow_turns"] = [_with_waterfall(told, row) for row in told.rows("slow_turns")]
    return {
        "run": scope.run,
        "since": scope.since.isoformat() if scope.since else None,
        "until": scope.until.isoformat() if scope.until else None,
        "time_zone": scope.zone,
        **answers,
        "cost": {
            "known": {currency: _amount(amount) for currency, amount in totals(told.costs).items()},
            "unknown_models": unpriced(told.costs),
            "uncounted_models": uncounted(told.costs),
        },
        "truncated": [name for name in USED if told.tables[name].truncated],
    }


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"


def _with_waterfall(told: Told, row: dict[str, object]) -> dict[str, object]:
    spans = told.waterfalls.get(str(row["turn"]))
    if spans is None:
        return row
    drawn = [{**asdict(span), "queue_ms": span.queue_ms, "work_ms": span.work_ms} for span in spans]
    return {**row, "waterfall": drawn}
