"""Questions: one SELECT about the log, answered within limits; everything else is refused by what is wrong with it."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from infra.event_log import asking
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import Batch, LogClosed, LogLimits, QueryRefused, QueryStopped
from schemas.errors import InvalidField
from schemas.event import Event, Fact

Typed = Callable[..., list[Event[Fact]]]
AsBatch = Callable[..., Batch]
ENDLESS = "SELECT count(*) FROM range(1000000000000) WHERE hash(range) = 3"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM events",
        "FROM events",
        "WITH t AS (SELECT turn FROM events) SELECT count(DISTINCT turn) FROM t;",
        "SELECT 1 UNION ALL SELECT 2 -- two rows",
        "VALUES (1), (2)",
        "DESCRIBE events",
        "SHOW TABLES",
        "SUMMARIZE events",
        "SELECT * FROM generate_series(1, 3)",
        "SELECT unnest([1, 2])",
        "SELECT j.key FROM events, json_each(payload) AS j",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r",
        "SELECT table_name FROM information_schema.tables",
        "SELECT type, count(*) FILTER (WHERE attempt > 1) FROM events GROUP BY ALL",
        "SELECT 1 /* ; DROP TABLE events */",
        "; SELECT 1 ;; -- ; DROP TABLE events",
        "TABLE events",
        "UNPIVOT events ON type",
        "SELECT replace(replace(payload::VARCHAR, 'chocolate', 'milk'), '\"', '&quot;') FROM events",
        "SELECT regexp_replace(type, '(Turn)(.*)', '\\2 \\1', 'g') FROM events",
        "SELECT unnest(string_split(type, 'e')), list_filter([1, 2], lambda x: x > 1) FROM events",
        "SELECT * FROM information_schema.schemata",
        "DESCRIBE SELECT 1",
    ],
)
async def test_a_select_is_answered(sql: str, log: EventLog, typed: Typed, batch: AsBatch) -> None:
    await log.append(batch(typed()))
    assert (await log.ask(sql)).rows


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("", "exactly one statement, not 0"),
        ("SELECT 1; SELECT 2", "exactly one statement, not 2"),
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM events", "nothing"),
        ("FROM nowhere", "nowhere"),
        ("INSERT INTO events SELECT * FROM events", "one SELECT .* not INSERT"),
        ("WITH x AS (INSERT INTO events SELECT * FROM events RETURNING *) FROM x", "inside WITH; not INSERT"),
        ("WITH x AS (DELETE FROM events RETURNING *) FROM x", "inside WITH; not DELETE"),
        ("WITH x AS (UPDATE events SET type = 'x' RETURNING *) FROM x", "inside WITH; not UPDATE"),
        ("SELECT * FROM (WITH x AS (DELETE FROM events RETURNING *) FROM x)", "inside WITH; not DELETE"),
        ("DELETE FROM events", "not DELETE"),
        ("UPDATE events SET type = 'x'", "not UPDATE"),
        ("DROP TABLE events", "not DROP"),
        ("CREATE TABLE t AS SELECT 1", "not CREATE"),
        ("CREATE TEMP TABLE t AS SELECT 1", "not CREATE"),
        ("ALTER TABLE events ADD COLUMN x INTEGER", "not ALTER"),
        ("COPY events TO '/tmp/x.csv'", "not COPY"),
        ("EXPORT DATABASE '/tmp/x'", "not EXPORT"),
        ("IMPORT DATABASE '/tmp/x'", "not PRAGMA"),
        ("ATTACH '/tmp/x.db'", "not ATTACH"),
        ("DETACH log", "not DETACH"),
        ("PRAGMA version", "not PRAGMA"),
        ("CALL pragma_version()", "not CALL"),
        ("SET threads = 1", "not SET"),
        ("RESET threads", "not SET"),
        ("SET VARIABLE x = 1", "not SET"),
        ("INSTALL httpfs", "not LOAD"),
        ("LOAD httpfs", "not LOAD"),
        ("CHECKPOINT", "not CALL"),
        ("BEGIN", "not TRANSACTION"),
        ("PREPARE p AS SELECT 1", "not PREPARE"),
        ("EXPLAIN ANALYZE SELECT 1", "not EXPLAIN"),
        ("VACUUM", "not VACUUM"),
        ("PIVOT events ON type USING count(*)", "FILTER"),
        ("FROM read_csv('/etc/passwd')", "no table function 'read_csv'"),
        ("FROM READ_TEXT('/etc/passwd')", "no table function 'read_text'"),
        ("FROM main.read_blob('/etc/passwd')", "no table function 'read_blob'"),
        ("FROM read_parquet('x.parquet')", "no table function 'read_parquet'"),
        ("FROM glob('/etc/*')", "no table function 'glob'"),
        ("SELECT (SELECT content FROM read_text('/etc/passwd'))", "no table function 'read_text'"),
        ("SELECT 1 WHERE 1 IN (FROM query('SELECT 1'))", "no table function 'query'"),
        ("FROM query_table('events')", "no table function 'query_table'"),
        ("FROM json_execute_serialized_sql('{}')", "no table function 'json_execute_serialized_sql'"),
        ("FROM duckdb_settings()", "no table function 'duckdb_settings'"),
        ("FROM force_checkpoint()", "no table function 'force_checkpoint'"),
        ("FROM '/etc/passwd'", "no file: '/etc/passwd'"),
        ("FROM 'x.parquet'", "no file: 'x.parquet'"),
        ('SELECT * FROM "/etc/passwd"', "no file: '/etc/passwd'"),
        ("FROM 'file:x'", "no file: 'file:x'"),
        ("FROM 's3://a/b.parquet'", "no file: 's3://a/b.parquet'"),
        ("FROM '*'", "no file"),
        ("SUMMARIZE '/etc/passwd'", "no file"),
        ("DESCRIBE '/etc/passwd'", "no file"),
        ("SUMMARIZE FROM read_csv('/etc/passwd')", "no table function 'read_csv'"),
        ("DESCRIBE FROM read_csv('/etc/passwd')", "no table function 'read_csv'"),
        ("FROM system.main.read_text('/etc/passwd')", "no table function 'read_text'"),
        ("FROM \"read_text\"('/etc/passwd')", "no table function 'read_text'"),
        ("SELECT 1 LIMIT (SELECT count(*) FROM read_text('/etc/passwd'))", "no table function 'read_text'"),
        ("SELECT * FROM (VALUES (1)) AS t(x), LATERAL read_text('/etc/passwd')", "no table function 'read_text'"),
        ("FROM sniff_csv('/etc/passwd')", "no table function 'sniff_csv'"),
        ("FROM unnest(glob('/etc/*'))", "glob"),
        ("SELECT list_transform(['/etc/passwd'], lambda x: read_text(x))", "read_text"),
        ("SELECT getenv('HOME')", "getenv does not exist"),
        ("SELECT system.main.getenv('HOME')", "getenv does not exist"),
        ("FROM getenv('HOME')", "no table function 'getenv'"),
        ("FROM duckdb_secrets()", "no table function 'duckdb_secrets'"),
        ("FROM which_secret('s3://x', 's3')", "no table function 'which_secret'"),
        ("CREATE SECRET x (TYPE s3)", "not CREATE"),
        ("CREATE TEMP MACRO m() AS TABLE FROM read_text('/etc/passwd')", "not CREATE"),
        ("WITH x AS (COPY events TO '/tmp/x.csv') FROM x", "inside WITH; not COPY"),
        ("MERGE INTO events USING events ON true WHEN MATCHED THEN DELETE", "not MERGE"),
        ("COMMENT ON TABLE events IS 'x'", "not ALTER"),
        ("SELECT * FROM (PIVOT events ON type USING count(*))", "FILTER"),
        ("SELECT 1 INTO x", "syntax error"),
        ("SELECT 1;\n--x\n;SELECT 2", "exactly one statement, not 2"),
        (";", "exactly one statement, not 0"),
        ("ＳＥＬＥＣＴ 1", "syntax error"),
        ("/* SELECT */ DR\u004fP TABLE events", "not DROP"),
        ("EXPLAIN SELECT 1", "not EXPLAIN"),
        ("FROM log", "log does not exist"),
        ("FROM self", "self does not exist"),
        ("FROM pd", "pd does not exist"),
        ("FROM pg_catalog.pg_settings", "no table 'pg_settings'"),
        ("FROM duckdb_databases", "no table 'duckdb_databases'"),
        ("FROM pragma_database_list", "no table 'pragma_database_list'"),
        ("SELECT " + "(" * 3_000 + "1" + ")" * 3_000, "depth"),
        ("SELECT " + "NOT " * 4_500 + "true", "depth"),
        ("SELECT * FROM " + "(SELECT * FROM " * 900 + "events" + ")" * 900, "fewer others inside one another"),
        ("SELECT list_reduce(['a', 'b'], lambda a, b: a || a)", "no function 'list_reduce'"),
        ("SELECT levenshtein(payload::VARCHAR, payload::VARCHAR) FROM events", "no function 'levenshtein'"),
        (f"SELECT replace(replace('xx', 'x', '{'y' * 99}'), 'y', '{'z' * 99}')", "at most 1,000 times as long"),
        (f"SELECT regexp_replace(type, '', '{'y' * 2_000}', 'g') FROM events", "at most 1,000 times as long"),
        ("SELECT replace(type, 'x', type) FROM events", "texts that are written out"),
        ("SELECT type.replace('x', type) FROM events", "texts that are written out"),
        ("SELECT repeat('x', 1000000000)", "no function 'repeat'"),
        ("SELECT range(100000000)", "no function 'range'.*in FROM it is allowed"),
        ("SELECT max(lpad('x', 1000000000, 'y')) OVER () FROM events", "no function 'lpad'"),
        ("SELECT sleep_ms(1000)", "only waits"),
        ("SELECT current_setting('temp_directory')", "no function 'current_setting'"),
        ("SELECT nextval('s')", "no function 'nextval'"),
        ("SELECT $unknown", "unknown"),
        ("SELECT '" + "x" * 30_000 + "'", "at most 20000 characters"),
        ("SELECT '\udc80'", "valid Unicode"),
    ],
)
async def test_everything_else_is_refused_by_what_is_wrong_with_it(
    sql: str, reason: str, log: EventLog, typed: Typed, batch: AsBatch
) -> None:
    await log.append(batch(typed()))

    with pytest.raises(QueryRefused, match=f"(?is)expected.*{reason}") as refused:
        await log.ask(sql)

    assert isinstance(refused.value, InvalidField)
    assert refused.value.field == "sql"
    assert (await log.ask("SELECT count(*) FROM events")).rows == ((4,),)


async def test_the_database_itself_refuses_to_write_whatever_the_parser_let_through(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.event_log.asking.refuse_unless_select", lambda parser, sql: None)

    for sql in (
        "INSERT INTO streams SELECT * FROM streams",
        "DROP TABLE events",
        "COPY events TO '/tmp/parley-must-not-exist.csv'",
        "ATTACH '/tmp/parley-must-not-exist.db'",
        "SET lock_configuration = false",
        "FROM read_text('/etc/passwd')",
    ):
        with pytest.raises(QueryRefused, match=r"read-only|disabled|locked"):
            await log.ask(sql)
    assert not left_behind("parley-must-not-exist*")


def left_behind(pattern: str) -> list[Path]:
    return list(Path("/tmp").glob(pattern))


async def test_parameters_are_values_and_never_sql(log: EventLog, typed: Typed, batch: AsBatch) -> None:
    await log.append(batch(typed()))

    table = await log.ask("SELECT $text AS text, $n + 1 AS n", {"text": "'; DROP TABLE events; --", "n": 1})
    listed = await log.ask(
        "SELECT count(*) FROM events WHERE list_contains($types, type)", {"types": ["TaskCompleted"]}
    )

    assert table.rows == (("'; DROP TABLE events; --", 2),)
    assert listed.rows == ((1,),)


@pytest.mark.parametrize("value", ["\udc80", 2**200, object(), [1, object()]])
async def test_a_parameter_that_the_database_cannot_take_is_refused(value: Any, log: EventLog) -> None:
    with pytest.raises(QueryRefused, match=r"expected"):
        await log.ask("SELECT $value", {"value": value})
    assert (await log.ask("SELECT 1")).rows == ((1,),)


async def test_every_kind_of_value_comes_as_json_can_hold_it(log: EventLog) -> None:
    table = await log.ask("""
        SELECT 12.50 AS money, TIMESTAMPTZ '2026-11-20 13:00:00+01' AS moment, DATE '2026-11-20' AS day,
            INTERVAL 90 MINUTE AS span, 'nan'::DOUBLE AS nan, '-inf'::FLOAT AS inf, '\\xFF'::BLOB AS bytes,
            '019aa0b4-6e02-7a10-8f4c-5d2e91b3c740'::UUID AS uuid, {'a': [1, NULL], 'b': 1.5::DOUBLE} AS struct,
            MAP {1: 'x'} AS map, 170141183460469231731687303715884105727 AS huge, '{"a": 1}'::JSON AS json,
            NULL AS nothing, true AS yes, '☕' AS text, TIME '12:30' AS time_of_day, '101'::BIT AS bits""")

    found = dict(zip(table.columns, table.rows[0], strict=True))
    assert found == {
        "money": "12.50",
        "moment": "2026-11-20T12:00:00Z",
        "day": "2026-11-20",
        "span": "PT1H30M",
        "nan": "NaN",
        "inf": "-Infinity",
        "bytes": "ff",
        "uuid": "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
        "struct": {"a": [1, None], "b": 1.5},
        "map": {"1": "x"},
        "huge": 170141183460469231731687303715884105727,
        "json": '{"a": 1}',
        "nothing": None,
        "yes": True,
        "text": "☕",
        "time_of_day": "12:30:00",
        "bits": "101",
    }
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert table.types[table.columns.index("moment")] == "TIMESTAMP WITH TIME ZONE"


async def test_rows_beyond_the_limit_are_cut_off_and_that_is_told(log: EventLog) -> None:
    cut = await log.ask("SELECT * FROM range(1000000000000)", limit_rows=3)
    whole = await log.ask("SELECT * FROM range(3)", limit_rows=3)
    none = await log.ask("SELECT * FROM range(3)", limit_rows=0)

    assert (cut.rows, cut.truncated) == (((0,), (1,), (2,)), True)
    assert (whole.rows, whole.truncated) == (((0,), (1,), (2,)), False)
    assert (none.rows, none.truncated) == ((), True)


async def test_an_answer_is_cut_off_where_it_grows_too_large(path: Path) -> None:
    async with await open_log(path, LogLimits(ask_bytes=1_000, ask_rows=500)) as log:
        table = await log.ask("SELECT 'x' || range AS text FROM range(100000)", limit_rows=1_000_000)
    assert table.truncated
    assert 50 < len(table.rows) < 200


async def test_a_question_that_takes_too_long_is_stopped_and_the_reader_is_free_again(path: Path) -> None:
    async with await open_log(path, LogLimits(readers=1)) as log:
        for _ in range(3):
            began = perf_counter()
            with pytest.raises(QueryStopped, match=r"an answer within 0\.2 s"):
                await log.ask(ENDLESS, timeout_s=0.2)
            assert perf_counter() - began < 2
            assert (await log.ask("SELECT 1")).rows == ((1,),)


async def test_waiting_for_a_reader_counts_and_ends(path: Path) -> None:
    async with await open_log(path, LogLimits(readers=1)) as log:
        endless = asyncio.create_task(log.ask(ENDLESS, timeout_s=20))
        await asyncio.sleep(0)  # it takes the only reader
        with pytest.raises(QueryStopped, match=r"a free reader within 0\.1 s; all 1 are busy"):
            await log.ask("SELECT 1", timeout_s=0.1)
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless
        assert (await log.ask("SELECT 1", timeout_s=5)).rows == ((1,),)


async def test_a_question_that_needs_too_much_memory_is_stopped(path: Path) -> None:
    async with await open_log(path, LogLimits(memory_mb=64, spill_mb=16)) as log:
        with pytest.raises(QueryStopped, match="memory limit"):
            await log.ask("SELECT list(a.range) FROM range(100000) a, range(100000) b")
        assert (await log.ask("SELECT 1")).rows == ((1,),)


async def test_questions_that_take_all_memory_are_stopped_for_ingest(path: Path, typed: Typed, batch: AsBatch) -> None:
    async def hungry(log: EventLog) -> None:
        while True:
            with contextlib.suppress(QueryStopped):
                await log.ask("SELECT range, count(*) FROM range(30000000) GROUP BY 1 ORDER BY 2, 1", timeout_s=20)

    async with await open_log(path, LogLimits(memory_mb=48, spill_mb=16, readers=2)) as log:
        eaters = [asyncio.create_task(hungry(log)) for _ in range(2)]
        for place in range(30):
            events = [event for _ in range(50) for event in typed()]
            done = await log.append(batch(events, first=place * len(events) + 1))
            assert done.recorded == 200
        for eater in eaters:
            eater.cancel()
        await asyncio.gather(*eaters, return_exceptions=True)
        assert (await log.ask("SELECT count(*), count(DISTINCT id) FROM events")).rows == ((6000, 6000),)


async def test_closing_ends_what_is_being_asked(path: Path) -> None:
    log = await open_log(path)
    endless = asyncio.create_task(log.ask(ENDLESS, timeout_s=20))
    await asyncio.sleep(0)  # it has a reader
    await log.aclose()
    with pytest.raises(LogClosed):
        await endless
    with pytest.raises(LogClosed):
        await log.ask("SELECT 1")


async def test_the_writer_goes_on_while_everybody_asks(path: Path, typed: Typed, batch: AsBatch) -> None:
    async with await open_log(path) as log:
        askers = [asyncio.create_task(log.ask(ENDLESS, timeout_s=1.5)) for _ in range(4)]
        for turn in range(20):
            await log.append(batch(typed(), first=turn * 4 + 1))
        assert not any(asker.done() for asker in askers), "all was written while the questions ran"
        stopped = await asyncio.gather(*askers, return_exceptions=True)
        assert all(isinstance(answer, QueryStopped) for answer in stopped)
        assert (await log.ask("SELECT count(*) FROM events")).rows == ((80,),)


async def test_a_hurried_writer_sets_questions_aside_and_they_are_answered_later(
    path: Path, typed: Typed, batch: AsBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    answer = asking._Reader.answer

    def counted(self: asking._Reader, sql: str, *rest: Any) -> Any:
        begun.append(sql)
        return answer(self, sql, *rest)

    monkeypatch.setattr(asking._Reader, "answer", counted)
    async with await open_log(path) as log:
        slow = asyncio.create_task(log.ask("SELECT count(*), max(hash(range)) FROM range(300000000)"))
        await asyncio.sleep(0)  # it has a reader
        log.hurries = True

        for turn in range(3):
            await log.append(batch(typed(), first=turn * 4 + 1))
            assert not slow.done()
        log.hurries = False

        assert (await slow).rows[0][0] == 300_000_000
        assert len(begun) > 1, "it was asked anew"
        assert (await log.ask("SELECT count(*) FROM events")).rows == ((12,),)


async def test_a_question_that_is_set_aside_again_and_again_ends_at_its_time(
    path: Path, typed: Typed, batch: AsBatch
) -> None:
    async with await open_log(path) as log:
        log.hurries = True
        endless = asyncio.create_task(log.ask(ENDLESS, timeout_s=1))
        place = 1
        while not endless.done():
            await log.append(batch(typed(), first=place))
            place += 4
        with pytest.raises(QueryStopped, match="within 1 s"):
            await endless
