"""An answer of the log as it looks on a terminal."""

from collections.abc import Sequence

from rich.table import Table as TerminalTable
from rich.text import Text

from infra.event_log.port import Json, Table

_NUMBERS = ("BIGINT", "INTEGER", "DOUBLE", "HUGEINT", "DECIMAL", "UBIGINT", "FLOAT")
_LONGEST = 1e15  # beyond, a float does not hold every whole number


def terminal_table(
    table: Table,
    title: str | None = None,
    *,
    columns: Sequence[str] | None = None,
    cell_chars: int | None = None,
    digits: int | None = None,
) -> TerminalTable:
    """An answer of the log as it looks on a terminal; `columns` and `cell_chars` leave out what has no room.

    Numbers have so many significant `digits`, else one behind the point.
    """
    shown = TerminalTable(title=title, title_justify="left")
    kept = [place for place, name in enumerate(table.columns) if columns is None or name in columns]
    for place in kept:
        number = any(table.types[place].startswith(kind) for kind in _NUMBERS)
        shown.add_column(table.columns[place], overflow="fold", justify="right" if number else "left")
    for row in table.rows:
        shown.add_row(*(Text(_cell(row[place], cell_chars, digits)) for place in kept))
    return shown


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
