"""An answer of the log as a person or a program wants it: a table, JSON, CSV, or a file with types."""

import csv
import io
import json
from enum import StrEnum
from pathlib import Path

from infra.event_log.port import Json, Table
from schemas.errors import InvalidField


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"

    @property
    def is_text(self) -> bool:
        """Whether a terminal can show it."""
        return self not in (Format.PARQUET, Format.ARROW)


def as_json(table: Table) -> str:
    """One JSON object a row, one row a line."""
    rows = (json.dumps(dict(zip(table.columns, row, strict=True)), ensure_ascii=False) for row in table.rows)
    return "".join(f"{row}\n" for row in rows)


def as_csv(table: Table) -> str:
    """A line of names, then the rows; what is missing is empty, lists and objects are JSON."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_cell(value) for value in row] for row in table.rows)
    return out.getvalue()


def _cell(value: Json) -> str | int | float:
    match value:
        case None:
            return ""
        case bool() | list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return value


def write(table: Table, form: Format, out: Path, text: str | None) -> None:
    """Write an answer to a file, whole or not at all: `text`, or a form that is none. Raises InvalidField."""
    beside = out.with_name(f".{out.name}.part")
    try:
        if text is not None:
            beside.write_text(text, encoding="utf-8", newline="")
        elif form is Format.PARQUET:
            from infra.event_log.answer_files import write_parquet

            write_parquet(table, beside)
        else:
            from infra.event_log.answer_files import write_arrow

            write_arrow(table, beside)
        beside.replace(out)
    except OSError as error:
        raise InvalidField("--out", str(out), f"a file that can be written ({error.strerror})") from None
    finally:
        beside.unlink(missing_ok=True)
