"""Asks the log all that a report tells of one run, or of a time of it. Knows neither terminal nor page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from infra.event_log import reports
from infra.event_log.port import LogUnreadable, QueryRefused, Table
from infra.settings import PriceSettings
from pipeline import waterfall
from pipeline.log_files import Ask
from pipeline.report.costs import Cost, costs_of
from pipeline.report.rows import rows_of
from pipeline.waterfall import Span
from schemas.ids import LIVE_RUN

USED: Final = (
    "overview",
    "days",
    "latency",
    "slow_stages",
    "intents",
    "confidence",
    "decisions",
    "engines",
    "fallbacks",
    "tokens",
    "failures",
    "feedback",
    "slow_turns",
)
"""The ready questions of a report, in the order in which it tells them."""
_NOT_THERE: Final = "does not exist"  # as DuckDB says it of a view that an older Parley did not make
DRAWN_TURNS: Final = 5  # of the slowest, as waterfalls


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the log; None: from its beginning, to its end."""

    zone: str  # the time zone in which days begin and times are told
    run: str = LIVE_RUN
    since: datetime | None = None
    until: datetime | None = None  # left out


@dataclass(frozen=True, slots=True)
class Told:
    """What the log has answered."""

    scope: Scope
    currency: str  # of prices that name none
    tables: Mapping[str, Table]  # by the names in USED
    costs: tuple[Cost, ...]  # one for each row of `tokens`
    waterfalls: Mapping[str, list[Span]]  # turn -> what was done in it, of the slowest turns

    def rows(self, name: str) -> list[dict[str, object]]:
        """The rows of an answer, by column."""
        return rows_of(self.tables[name])


async def told(ask: Ask, scope: Scope, prices: Mapping[str, PriceSettings], currency: str) -> Told:
    """Everything, one question after the other. Raises what asking raises, and LogUnreadable for an older log."""
    try:
        return await _told(ask, scope, prices, currency)
    except QueryRefused as refused:
        if _NOT_THERE not in refused.expected:
            raise
        raise LogUnreadable(
            f"the log lacks a view that the report asks for; start this Parley once, or again, with `parley up` "
            f"({refused.expected.splitlines()[0].rpartition('Error: ')[2]})"
        ) from None


async def _told(ask: Ask, scope: Scope, prices: Mapping[str, PriceSettings], currency: str) -> Told:
    tables = {}
    for name in USED:
        report = reports.report(name)
        parameters = report.parameters(
            run=scope.run, since=scope.since or reports.EVER, until=scope.until or reports.NEVER, zone=scope.zone
        )
        tables[name] = await ask(report.sql, parameters)
    slowest = [str(row["turn"]) for row in rows_of(tables["slow_turns"])[:DRAWN_TURNS]]
    return Told(
        scope,
        currency,
        tables,
        costs_of(rows_of(tables["tokens"]), prices, currency),
        {turn: waterfall.spans_of(await ask(waterfall.SQL, {"turn": turn, "run": scope.run})) for turn in slowest},
    )
