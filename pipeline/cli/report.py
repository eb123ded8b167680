"""`parley report`: how it went, on the terminal, as JSON, or as a page."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra import settings as configuration
from infra.private_files import write_private
from infra.settings import Settings
from pipeline.cli import exits
from pipeline.cli.joining import note
from pipeline.cli.moments import MOMENT, moment
from pipeline.cli.reaching_log import asking
from pipeline.cli.trace import drawn
from pipeline.report import english, programs, sections
from pipeline.report.asking import Scope, Told, told
from pipeline.report.sections import Part
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN, checked_token

CELL_CHARS: Final = 40
ROWS_MAX: Final = 14
NARROW: Final = {
    "days": (
        "day",
        "turns",
        "completed",
        "failed",
        "interrupted",
        "took p50, ms",
        "took p95, ms",
        "asked back",
        "stood in",
    ),
    "feedback": ("intent", "given", "thumbs up", "thumbs down", "corrected", "relabelled", "reward, mean"),
    "engines": ("backend", "model", "stood in", "replies", "worked p50, ms"),
    "failures": ("event", "stage", "code", "error", "times"),
    "slow_turns": ("took, ms", "end", "intents", "turn"),
}


def report(
    since: Annotated[str | None, typer.Option("--since", help=f"From here on. {MOMENT}")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time.")] = None,
    run: Annotated[str, typer.Option("--run", help="Another run than the live one.")] = LIVE_RUN,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one HTML page, with charts, that needs nothing else.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON: all figures, for programs.")] = False,
) -> None:
    """How it went: turns, latency, intents, fallbacks, errors, tokens and their cost, feedback, the slowest turns.

    While Parley runs and when it does not. The page holds what people said in the slowest turns, so only its owner may
    read it.
    """
    with exits.told():
        settings = configuration.load()
        scope = Scope(
            zone=settings.time_zone,
            run=checked_token("--run", run),
            since=moment("--since", since, settings.time_zone) if since is not None else None,
            until=moment("--until", until, settings.time_zone) if until is not None else None,
        )
        if scope.since and scope.until and scope.until <= scope.since:
            raise InvalidField("--until", until, f"a time after --since ({since})")
        if html is not None and (html.is_dir() or not html.parent.is_dir()):
            raise InvalidField("--html", str(html), "a file in a folder that exists")
        answers = asyncio.run(_asked(settings, scope))
        if as_json:
            print(json.dumps(programs.tree(answers), ensure_ascii=False))
        if html is not None:
            _write(html, answers)
        elif not as_json:
            _show(Console(), answers)


async def _asked(settings: Settings, scope: Scope) -> Told:
    async with asking(settings) as ask:
        return await told(ask, scope, settings.prices, settings.currency)


def _write(html: Path, answers: Told) -> None:
    from pipeline.report.page import page  # the charts' library is not wanted for anything else

    beside = html.with_name(f".{html.name}.part")
    try:
        write_private(beside, page(answers))
        beside.replace(html)
    except OSError as error:
        raise InvalidField("--html", str(html), f"a file that can be written ({error.strerror})") from None
    finally:
        beside.unlink(missing_ok=True)
    note(f"the report is in {html}")


def _show(console: Console, answers: Told) -> None:
    console.print(Text(f"{english.TITLE}: {sections.scope_line(answers.scope)}", style="bold"))
    figures = sections.overview(answers)
    if not figures:
        console.print(english.NOTHING_YET)
    else:
        console.print(Text(" · ".join(f"{what}: {value}" for what, value in figures)))
    for part in sections.parts(answers):
        if part.grid.rows:
            _show_part(console, part)
        elif figures:
            console.print(Text(f"\n{part.title}: {english.NOTHING}"))
    for turn, spans in answers.waterfalls.items():
        row = next(row for row in answers.rows("slow_turns") if row["turn"] == turn)
        console.print(Text(f"\n{sections.turn_line(row, spans)}"))
        console.print(drawn(spans, console.width, title=False))
    if answers.waterfalls:
        console.print(Text(english.LEGEND_BAR))


def _show_part(console: Console, part: Part) -> None:
    console.print(Text(f"\n{part.title}: {part.says}", style="italic"))
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    wanted = NARROW.get(part.name)
    places = [place for place, column in enumerate(part.grid.columns) if wanted is None or column.heading in wanted]
    for place in places:
        column = part.grid.columns[place]
        words = (
            column.heading.split()
            if column.wide
            else [*column.heading.split(), *(row[place] for row in part.grid.rows)]
        )
        least = min(CELL_CHARS, max(map(len, words)))
        justify: Literal["left", "right"] = "right" if column.numbers else "left"
        shown.add_column(Text(column.heading), justify=justify, overflow="fold", min_width=least)
    for row in part.grid.rows[:ROWS_MAX]:
        shown.add_row(*(Text(_cut(row[place])) for place in places))
    console.print(shown)
    if len(part.grid.rows) > ROWS_MAX:
        console.print(Text(english.rows_cut(ROWS_MAX, part.there)))
    if part.note:
        console.print(Text(part.note))


def _cut(text: str) -> str:
    return text if len(text) <= CELL_CHARS else f"{text[: CELL_CHARS - 1]}…"
