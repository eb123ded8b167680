"""The rows of the log's answer as mappings, and the values in them as numbers. Pure."""

from infra.event_log.port import Table


def rows_of(table: Table) -> list[dict[str, object]]:
    """One mapping a row, by column."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def number(value: object) -> float:
    """A value that is counted or measured; 0 where there is none."""
    return float(value) if isinstance(value, int | float) else 0.0


def measured(value: object) -> float | None:
    """A value that may not have been measured."""
    return float(value) if isinstance(value, int | float) else None
