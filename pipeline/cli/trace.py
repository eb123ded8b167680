"""`parley trace TURN`: where the time of a turn went, drawn in the terminal from the log."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.cli import exits
from pipeline.cli.log import asked
from pipeline.waterfall import SQL, Span, bar, spans_of, total_ms
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN, checked_uuid7

BAR_WIDTH = 40
BAR_LEAST = 12
BESIDE_BAR = 60  # characters that the other columns want


def trace(
    turn: Annotated[str, typer.Argument(help="The turn's id: `turn_id` of `parley say --json`, or a row of the log.")],
    run: Annotated[str, typer.Option("--run", help="The run; live unless it was a replay.")] = LIVE_RUN,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a span, one a line.")] = False,
) -> None:
    """Draw a turn as a waterfall: who handled what, how long it waited and how long it was worked on."""
    with exits.told():
        spans = spans_of(asyncio.run(asked(SQL, {"turn": checked_uuid7("TURN", turn), "run": run})))
        if not spans:
            raise InvalidField("TURN", turn, f"a turn that the log has in run {run!r}; `parley log query` lists them")
        if as_json:
            for span in spans:
                print(json.dumps({**asdict(span), "queue_ms": span.queue_ms, "work_ms": span.work_ms}))
        else:
            console = Console()
            console.print(drawn(spans, console.width))


def drawn(spans: Sequence[Span], width: int, *, title: bool = True) -> Table:
    """A waterfall as it looks on a terminal of `width` characters."""
    total = total_ms(spans)
    bar_width = max(BAR_LEAST, min(BAR_WIDTH, width - BESIDE_BAR))
    table = Table(title=f"{total:.0f} ms from submission to end" if title else None, title_justify="left", box=None)
    table.add_column("stage")
    table.add_column(f"0 … {total:.0f} ms", no_wrap=True, min_width=bar_width)
    table.add_column("queue ms", justify="right")
    table.add_column("work ms", justify="right")
    table.add_column("try")
    table.add_column("said", overflow="fold")
    for span in spans:
        line = Text(bar(span, total, bar_width))
        times = (f"{span.queue_ms:.1f}", f"{span.work_ms:.1f}", str(span.attempt))
        table.add_row(span.stage, line, *times, Text(span.told))
    return table
