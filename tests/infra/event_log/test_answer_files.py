"""Answers as files: the types come back, whatever they are."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import nanoarrow
import pytest
from nanoarrow.ipc import InputStream

from infra.event_log.answer_files import write_arrow, write_parquet
from infra.event_log.log import EventLog
from infra.event_log.port import Table

VALUES = {
    "i": "1::BIGINT",
    "f": "1.5::DOUBLE",
    "b": "true",
    "s": "'ü,\"x\"'",
    "moment": "TIMESTAMPTZ '2026-11-20 12:00:00.123456+00'",
    "day": "DATE '2026-11-20'",
    "id": "UUID '019aa0b4-5c1f-7d33-9a52-0e4b7c61f2a8'",
    "amount": "12.50::DECIMAL(10, 2)",
    "huge": "170141183460469231731687303715884105727::HUGEINT",
    "items": "['a', NULL]",
    "thing": "{'x': 1, 'y': ['b']}",
    "tree": "'{\"k\": [1, null]}'::JSON",
    "bytes": r"'\xAA\x00'::BLOB",
    "span": "INTERVAL 3 DAY",
    "nothing": "NULL",
    "big": "'inf'::DOUBLE",
}
NULLS = ", ".join("NULL" for _ in VALUES)
SQL = f"SELECT * FROM (VALUES ({', '.join(VALUES.values())}), ({NULLS})) AS t({', '.join(VALUES)})"
EXPECTED: dict[str, Any] = {
    "i": 1,
    "f": 1.5,
    "b": True,
    "s": 'ü,"x"',
    "moment": datetime(2026, 11, 20, 12, 0, 0, 123456, UTC),
    "day": date(2026, 11, 20),
    "id": UUID("019aa0b4-5c1f-7d33-9a52-0e4b7c61f2a8"),
    "amount": Decimal("12.50"),
    "items": ["a", None],
    "thing": {"x": 1, "y": ["b"]},
    "tree": '{"k": [1, null]}',
    "bytes": b"\xaa\x00",
    "big": float("inf"),
}


async def test_parquet_has_the_types_of_the_question(log: EventLog, tmp_path: Path) -> None:
    file = tmp_path / "answer.parquet"

    write_parquet(await log.ask(SQL), file)

    found = duckdb.connect().table_function("read_parquet", [str(file)])
    first, second = (dict(zip(found.columns, row, strict=True)) for row in found.fetchall())
    assert {name: first[name] for name in EXPECTED} == EXPECTED
    assert list(first) == list(VALUES)
    assert set(second.values()) == {None}
    types = dict(zip(found.columns, map(str, found.types), strict=True))
    assert (types["moment"], types["amount"], types["tree"]) == ("TIMESTAMP WITH TIME ZONE", "DECIMAL(10,2)", "JSON")


async def test_arrow_is_a_stream_that_others_read(log: EventLog, tmp_path: Path) -> None:
    file = tmp_path / "answer.arrows"
    sql = "SELECT i::BIGINT AS i, 'x' || i AS s, [i, NULL] AS list FROM range(5000) AS r(i)"

    write_arrow(await log.ask(sql), file)

    with InputStream.from_path(file) as stream:
        rows = list(nanoarrow.ArrayStream(stream).read_all().iter_tuples())
    assert rows == [(i, f"x{i}", [i, None]) for i in range(5_000)]


@pytest.mark.parametrize("rows", [(), ((1, 2, 3),)])
def test_columns_of_one_name_and_no_rows_are_written_too(tmp_path: Path, rows: Any) -> None:
    file = tmp_path / "answer.parquet"

    write_parquet(Table(("a", "A", 'say "x"'), ("BIGINT", "BIGINT", "BIGINT"), rows), file)

    found = duckdb.connect().table_function("read_parquet", [str(file)])
    assert found.columns == ["a", "A_1", 'say "x"']
    assert found.fetchall() == list(rows)


def test_a_place_that_cannot_be_written_is_told_as_such(tmp_path: Path) -> None:
    table = Table(("a",), ("BIGINT",), ((1,),))
    for write in (write_parquet, write_arrow):
        with pytest.raises(OSError, match="no"):
            write(table, tmp_path / "no" / "such" / "folder")
