"""An answer of the log as a file with types: Parquet as DuckDB writes it, Arrow as an IPC stream.

Works on the answer alone, in memory: it is small by the log's own limits, and the log's connections write no files.
"""

import json
from pathlib import Path

from infra.event_log.duck import Head, Typed
from infra.event_log.port import Table


def write_parquet(table: Table, path: Path) -> None:
    """Write a whole answer. Raises OSError."""
    typed = _typed(table)
    try:
        typed.write_parquet(path)
    finally:
        typed.close()


def write_arrow(table: Table, path: Path) -> None:
    """Write a whole answer as an Arrow IPC stream (pyarrow.ipc.open_stream, polars.read_ipc_stream). Raises OSError."""
    from nanoarrow import c_array_stream
    from nanoarrow.ipc import StreamWriter

    typed = _typed(table)
    try:
        with path.open("wb") as file, StreamWriter.from_writable(file) as writer:
            writer.write_stream(c_array_stream(typed.arrow()))
    finally:
        typed.close()


def _typed(table: Table) -> Typed:
    return Typed(Head(table.columns, table.types), (json.dumps(row) for row in table.rows))
