"""Writes a file of JSON lines as Parquet, with DuckDB: the second file, beside the event log's, that imports it.

The same lines give the same bytes: one thread, the order of the lines, columns as they are named and not as guessed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import duckdb

MEMORY_MB: Final = 256
ROW_GROUP_ROWS: Final = 10_000


def write(lines: Path, target: Path, columns: Mapping[str, str]) -> None:
    """`columns`: name -> DuckDB's type, e.g. {"text": "VARCHAR", "labels": "VARCHAR[]"}; what a line lacks is NULL."""
    named = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in columns.items())
    with duckdb.connect(":memory:", config={"threads": 1, "memory_limit": f"{MEMORY_MB}MB"}) as connection:
        connection.execute(
            f"COPY (SELECT * FROM read_json({_quoted(str(lines))}, format = 'newline_delimited', "
            f"columns = {{{named}}})) "
            f"TO {_quoted(str(target))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS})"
        ).fetchall()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
