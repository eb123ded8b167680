"""`parley log stats`: the ready questions to the log, as tables."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console
from rich.text import Text

from infra import settings as configuration
from infra.event_log import reports
from infra.event_log.port import Parameter, Table
from infra.event_log.reports import Report
from pipeline.cli import exits
from pipeline.cli.moments import MOMENT, moment
from pipeline.cli.reaching_log import asking
from pipeline.cli.tables import terminal_table
from schemas.ids import LIVE_RUN, checked_token, checked_uuid7

USUAL: Final = ("overview", "latency", "slow_stages", "intents", "engines", "failures", "slow_turns")
CELL_CHARS: Final = 40
ONE_ROW: Final = "overview"  # told as a line
NARROW: Final[Mapping[str, tuple[str, ...]]] = {
    "turns": ("number", "kind", "text", "intents", "status", "code", "total_ms"),
    "engines": ("backend", "model", "fallback", "reason", "replies", "work_p50_ms"),
    "slow_stages": ("stage", "user", "first_day", "last_day", "before_ms", "p50_ms", "work_p95_ms"),
    "slow_turns": ("total_ms", "status", "intents", "turn"),
}
"""The columns that a terminal has room for; `--json` has all of them."""


def stats(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[REPORT]...", help=f"Of {', '.join(reports.names())}.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help=f"From here on. {MOMENT}")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time.")] = None,
    conversation: Annotated[str | None, typer.Option("--conversation", "-c", help="Only this conversation.")] = None,
    run: Annotated[str, typer.Option("--run", help="Another run than the live one.")] = LIVE_RUN,
    as_json: Annotated[bool, typer.Option("--json", help="JSON: the rows by report.")] = False,
) -> None:
    """What the log says of turns, stages, engines and failures, while Parley runs and when it does not.

    Without names: overview, latency, slow_stages, intents, engines, failures, slow_turns.
    """
    with exits.told():
        if conversation is not None:
            checked_uuid7("--conversation", conversation)
        checked_token("--run", run)
        wanted = [reports.report(name) for name in names or USUAL]
        zone = configuration.load().time_zone
        scope: dict[str, Any] = {
            "run": run,
            "since": moment("--since", since, zone) if since is not None else reports.EVER,
            "until": moment("--until", until, zone) if until is not None else reports.NEVER,
            "conversation": conversation,
            "zone": zone,
        }
        answers = asyncio.run(_asked({report: report.parameters(**scope) for report in wanted}))
        if as_json:
            print(json.dumps({name: _rows(table) for name, table in answers.items()}, ensure_ascii=False))
            return
        console = Console()
        for report in wanted:
            _show(console, report, answers[report.name])


async def _asked(wanted: Mapping[Report, Mapping[str, Parameter]]) -> dict[str, Table]:
    async with asking() as ask:
        return {report.name: await ask(report.sql, parameters) for report, parameters in wanted.items()}


def _rows(table: Table) -> list[dict[str, object]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _show(console: Console, report: Report, table: Table) -> None:
    if not table.rows:
        console.print(f"{report.title}: nothing", markup=False)
        return
    title = f"{report.title}: {report.says}"
    if report.name == ONE_ROW:
        told = (
            f"{name} {value:.0f}" for name, value in zip(table.columns, table.rows[0], strict=True) if value is not None
        )
        console.print(Text(title, style="italic"), Text(f"  {', '.join(told)}"), sep="\n")
        return
    shown = terminal_table(table, title, columns=NARROW.get(report.name), cell_chars=CELL_CHARS)
    shown.box = box.SIMPLE_HEAD
    shown.padding = (0, 1, 0, 0)
    console.print(shown)
