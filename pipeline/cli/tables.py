"""An answer of the log as it looks on a terminal."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as TerminalTable
from rich.text import Text

from infra.event_log.port import Json, Table

_NUMBERS: Final = ("BIGINT", "INTEGER", "DOUBLE", "HUGEINT", "DECIMAL", "UBIGINT", "FLOAT")
_LONGEST: Final = 1e15  # beyond, a float does not hold every whole number
_RUNS: Final = ("run", "of")  # columns of names that people copy, as they copy ids
_LEAST_CHARS: Final = 8  # of a column that may be folded
_FRAME_CHARS: Final = 3  # around a cell


def terminal_table(
    table: Table,
    title: str | None = None,
    *,
    columns: Sequence[str] | None = None,
    cell_chars: int | None = None,
    digits: int | None = None,
) -> TerminalTable:
    """An answer of the log as it looks on a terminal; `columns` and `cell_chars` leave out what has no room.

    Numbers have so many significant `digits`, else one behind the point. Ids and names of runs are never folded.
    """
    shown = TerminalTable(title=title, title_justify="left")
    kept = [place for place, name in enumerate(table.columns) if columns is None or name in columns]
    for place in kept:
        number = any(table.types[place].startswith(kind) for kind in _NUMBERS)
        texts = [_cell(row[place], cell_chars, digits) for row in table.rows]
        least = whole_chars(texts, named=table.columns[place] in _RUNS)
        shown.add_column(
            table.columns[place],
            overflow="fold",
            justify="right" if number else "left",
            min_width=least or None,
            no_wrap=least > 0,
        )
    for row in table.rows:
        shown.add_row(*(Text(_cell(row[place], cell_chars, digits)) for place in kept))
    return shown


def whole_chars(texts: Sequence[str], *, named: bool = False) -> int:
    """How wide a column must be for its ids to stay whole: 0 when it has none; `named`: all its texts are such."""
    return max((len(text) for text in texts if named or _is_id(text)), default=0)


def show(console: Console, table: Table, *, digits: int) -> None:
    """Print the answer as a table, or where that has no room as a list of its names and values, row by row."""
    drawn = terminal_table(table, digits=digits)
    natural = _natural_chars(table, digits)
    shortest = [
        column.min_width or min(chars, _LEAST_CHARS) for column, chars in zip(drawn.columns, natural, strict=True)
    ]
    needed = natural if len(table.rows) == 1 else shortest
    if sum(needed) + _FRAME_CHARS * len(needed) + 1 <= console.width:
        console.print(drawn)
        return
    for number, row in enumerate(table.rows, start=1):
        if len(table.rows) > 1:
            console.print(Text(f"row {number}", style="italic"))
        lines = TerminalTable.grid(padding=(0, 2, 0, 0))
        lines.add_column(no_wrap=True)
        lines.add_column(overflow="fold")
        for name, value in zip(table.columns, row, strict=True):
            lines.add_row(Text(name, style="bold"), Text(_cell(value, None, digits)))
        console.print(lines)


def _natural_chars(table: Table, digits: int) -> list[int]:
    """How wide each column is where nothing is folded."""
    cells = [list(table.columns), *([_cell(value, None, digits) for value in row] for row in table.rows)]
    return [max(cell_len(line) for text in column for line in text.split("\n")) for column in zip(*cells, strict=True)]


def _is_id(text: str) -> bool:
    try:
        return len(text) == 36 and bool(UUID(text))
    except ValueError:
        return False


def _cell(value: Json, most_chars: int | None, digits: int | None) -> str:
    match value:
        case None:
            text = ""
        case list():
            text = ", ".join(str(item) for item in value)
        case float():
            text = f"{value:.1f}".removesuffix(".0") if digits is None else _rounded(value, digits)
        case _:
            text = str(value)
    return text if most_chars is None or len(text) <= most_chars else f"{text[: most_chars - 1]}…"


def _rounded(value: float, digits: int) -> str:
    """So many significant digits at least: those before the point all stay, but of numbers too long to read."""
    return f"{value:.0f}" if 10**digits <= abs(value) < _LONGEST else f"{value:.{digits}g}"
