"""Large answers as bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.event_log.log import EventLog, open_log
from infra.event_log.packing import rows_of, unpacked
from infra.event_log.port import Batch, LogLimits, QueryRefused
from schemas.event import Event, Fact

VALUES = """
SELECT range AS i, '☕' || chr(10) || range AS text, [range, NULL] AS list, 'nan'::DOUBLE AS nan,
    TIMESTAMPTZ '2026-11-20 13:00:00+01' AS moment, {'a': 1.5} AS struct
FROM range(500)"""


async def test_an_answer_that_was_packed_is_the_same_answer(
    log: EventLog, typed: Callable[..., list[Event[Fact]]], batch: Callable[..., Batch]
) -> None:
    await log.append(batch(typed()))

    for sql in (VALUES, "FROM events ORDER BY log_seq", "SELECT 1 WHERE false"):
        packed, whole = await log.pack(sql), await log.ask(sql)
        again = unpacked(packed)
        assert (again.columns, again.types, again.rows) == (whole.columns, whole.types, whole.rows)
        assert (packed.count, packed.truncated) == (len(whole.rows), False)


async def test_it_may_have_more_rows_than_one_that_comes_whole_and_is_small(log: EventLog) -> None:
    packed = await log.pack("SELECT range, 'the same words in each row' AS words FROM range(200000)")

    assert (packed.count, packed.truncated) == (200_000, False)
    assert len(packed.rows) < packed.size_bytes / 5
    assert sum(1 for _ in rows_of(packed.rows)) == 200_000


async def test_it_is_cut_at_as_many_rows_as_are_wanted_and_at_its_limits(path: Path) -> None:
    async with await open_log(path, LogLimits(pack_rows=1_000, pack_bytes=5_000)) as log:
        wanted = await log.pack("FROM range(100)", limit_rows=10)
        too_many = await log.pack("SELECT 1 FROM range(5000)", limit_rows=5_000)
        too_large = await log.pack("SELECT 'x' || range FROM range(5000)")

    assert (wanted.count, wanted.truncated) == (10, True)
    assert (too_many.count, too_many.truncated) == (1_000, True)
    assert too_large.truncated
    assert too_large.size_bytes <= 5_000 + too_large.count  # line ends


async def test_it_is_refused_like_any_question(log: EventLog) -> None:
    with pytest.raises(QueryRefused, match="not DROP"):
        await log.pack("DROP TABLE events")


def test_bytes_that_are_no_packed_rows_are_told() -> None:
    with pytest.raises(OSError, match="gzip"):
        list(rows_of(b"something else"))
