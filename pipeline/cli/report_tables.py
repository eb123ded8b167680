"""A report as it looks on a terminal: the same parts as on the page, with fewer rows and columns."""

from typing import Final, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.cli.tables import whole_chars
from pipeline.cli.trace import drawn
from pipeline.report import english, sections
from pipeline.report.asking import Told
from pipeline.report.sections import Part

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
    "slow_stages": (
        "stage",
        "user",
        "slow since",
        "slow until",
        "before, ms",
        "took p50, ms",
        "waited p95, ms",
        "worked p95, ms",
    ),
    "slow_turns": ("took, ms", "end", "intents", "turn"),
}
"""The columns that a terminal has room for; `--json` has all of them."""


def show(console: Console, answers: Told) -> None:
    """Print all of it."""
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
        console.print(Text(f"\n{sections.turn_line(row)}"))
        console.print(drawn(spans, console.width, title=False))
    if answers.waterfalls:
        console.print(Text(english.LEGEND_BAR))


def _show_part(console: Console, part: Part) -> None:
    console.print(Text(f"\n{part.title}: {part.says}", style="italic"))
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    wanted = NARROW.get(part.name)
    places = [place for place, column in enumerate(part.grid.columns) if wanted is None or column.heading in wanted]
    cells = [[_cut(row[place]) for row in part.grid.rows[:ROWS_MAX]] for place in places]
    columns = [part.grid.columns[place] for place in places]
    widest = [max(map(len, (column.heading, *each))) for column, each in zip(columns, cells, strict=True)]
    narrow = sum(widest) + 2 * len(places) > console.width
    for column, each in zip(columns, cells, strict=True):
        least = max(map(len, (*column.heading.split(), *each)))  # a heading may be broken, a value may not
        justify: Literal["left", "right"] = "right" if column.numbers else "left"
        width = least if narrow and not column.wide else None
        whole = whole_chars(each)
        shown.add_column(
            Text(column.heading),
            justify=justify,
            overflow="fold",
            width=width,
            min_width=whole or None,
            no_wrap=whole > 0,
        )
    for row in zip(*cells, strict=True):
        shown.add_row(*map(Text, row))
    console.print(shown)
    if cut := sections.cut_line(part, ROWS_MAX):
        console.print(Text(cut))
    if part.note:
        console.print(Text(part.note))


def _cut(text: str) -> str:
    return text if len(text) <= CELL_CHARS else f"{text[: CELL_CHARS - 1]}…"
