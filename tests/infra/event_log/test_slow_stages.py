"""Which stage is slow, for whom, since when: by the ready report, and by hand over the views."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from infra.clock import new_id
from infra.event_log.log import open_log, open_read_only
from infra.event_log.port import Batch, Json, Row, StreamIdentity
from infra.event_log.reports import report
from schemas.chat import ReplyRequested
from schemas.event import Event, Fact, Meta
from schemas.turns import TextTurnOpened

BY_HAND: Final = """
WITH days AS (
    SELECT l.stage, t."user", l.time::DATE AS day, count(*) AS handled, median(l.queue_ms + l.work_ms) AS p50_ms
    FROM latency AS l JOIN turns AS t USING (tenant, run, turn) WHERE l.run = 'live' GROUP BY ALL
), compared AS (
    SELECT *, quantile_disc(p50_ms, 0.5) OVER earlier AS before_ms, lag(p50_ms) OVER earlier AS day_before_ms
    FROM days
    WINDOW earlier AS (PARTITION BY stage, "user" ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), followed AS (
    SELECT c.stage, c."user", c.day AS since, c.before_ms, d.day, d.p50_ms, d.handled,
        bool_and(d.p50_ms >= greatest(50, 2 * c.before_ms)) OVER (PARTITION BY c.stage, c."user", c.day ORDER BY d.day)
            AS slow
    FROM compared AS c JOIN days AS d ON d.stage = c.stage AND d."user" = c."user" AND d.day >= c.day
    WHERE c.p50_ms >= greatest(50, 2 * c.before_ms) AND c.day_before_ms < greatest(50, 2 * c.before_ms)
)
SELECT stage, "user", since, max(day) AS until, before_ms, median(p50_ms) AS p50_ms, sum(handled)::INT AS handled
FROM followed WHERE slow GROUP BY stage, "user", since, before_ms HAVING sum(handled) >= 3
QUALIFY since = max(since) OVER (PARTITION BY stage, "user") ORDER BY p50_ms DESC
"""
FAST: Final = (100, 100, 100, 100, 100)
SLOW: Final = (3_100, 3_100, 3_100, 3_100, 3_100)
OUTLIER: Final = (100, 100, 9_000, 100, 100)
Days = Mapping[int, Sequence[float]]  # of November, the milliseconds that chat worked


@pytest.fixture
async def found(tmp_path: Path, days: Days) -> AsyncIterator[tuple[dict[str, Json] | None, list[Json] | None]]:
    """What the report and the query tell of carol's chat."""
    path = tmp_path / "log.duckdb"
    async with await open_log(path) as log:
        rows = [row for day, each in days.items() for place, took in enumerate(each) for row in _turn(day, place, took)]
        numbered = tuple(Row(place, *row) for place, row in enumerate(rows, start=1))
        await log.append(Batch(StreamIdentity("PARLEY_EVENTS", datetime(2026, 11, 1, tzinfo=UTC)), numbered))
    async with await open_read_only(path) as log:
        asked = report("slow_stages")
        table = await log.ask(asked.sql, asked.parameters(zone="UTC"))
        told = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        assert [row["stage"] for row in told] in ([], ["chat"])  # the keeper waits 0 ms and works 0 ms
        by_hand = (await log.ask(BY_HAND)).rows
        yield (told[0] if told else None), (list(by_hand[0]) if by_hand else None)


def _turn(day: int, place: int, took: float) -> list[tuple[str, dict[str, str], bytes]]:
    turn, at = new_id(), datetime(2026, 11, day, 9, place, tzinfo=UTC)
    meta = Meta(
        id=f"{turn}-0",
        type="TextTurnOpened",
        conversation=turn,
        turn=turn,
        number=1,
        user="carol",
        cause=f"{turn}-submitted",
        stage="keeper",
        time=at,
        deadline=at + timedelta(minutes=1),
    )
    opened = Event[Fact].first(TextTurnOpened(text="hi"), meta)
    said = opened.following("chat", 0, ReplyRequested(text="hi"), at + timedelta(milliseconds=took))
    hops = ((opened, "0 0 1"), (said, f"0 {took} 1"))
    return [(event.subject, {"Parley-Hop": hop}, event.encoded()) for event, hop in hops]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param(
            {8: FAST, 9: FAST, 10: OUTLIER, 11: FAST, 12: FAST, 13: FAST, 14: SLOW, 15: SLOW, 18: SLOW},
            ("2026-11-14", None, 100.0, 3_100.0),
            id="an outlier before",
        ),
        pytest.param(
            {8: [100], 9: [100], 10: [9_000], 11: [100], 12: [100], 14: [3_100], 15: [3_100], 16: [3_100]},
            ("2026-11-14", None, 100.0, 3_100.0),
            id="one turn a day",
        ),
        pytest.param(
            {8: FAST, 9: SLOW, 10: SLOW, 11: FAST, 12: FAST},
            ("2026-11-09", "2026-11-10", 100.0, 3_100.0),
            id="over again",
        ),
        pytest.param(
            {8: FAST, 9: SLOW, 10: FAST, 11: FAST, 12: SLOW, 13: SLOW},
            ("2026-11-12", None, 100.0, 3_100.0),
            id="the last of two",
        ),
        pytest.param({8: FAST, **dict.fromkeys(range(9, 20), SLOW)}, ("2026-11-09", None, 100.0, 3_100.0), id="long"),
        pytest.param({8: SLOW, 9: SLOW, 10: SLOW}, (None, None, None, 3_100.0), id="always"),
        pytest.param({8: FAST, 9: FAST, 10: [9_000]}, (None, None, None, 100.0), id="one outlier alone on its day"),
        pytest.param({8: FAST, 9: [190] * 5}, (None, None, None, 145.0), id="not twice as slow"),
    ],
)
async def test_slow_since_is_the_first_day_of_the_last_stretch(
    found: tuple[dict[str, Json] | None, list[Json] | None], expected: tuple[str | None, ...]
) -> None:
    told, by_hand = found

    assert told is not None
    assert tuple(told[name] for name in ("first_day", "last_day", "before_ms", "p50_ms")) == expected
    if expected[0] is None:
        assert by_hand is None
    else:
        assert by_hand is not None
        assert by_hand[:3] == ["chat", "carol", expected[0]]
        assert by_hand[4:6] == list(expected[2:])


@pytest.mark.parametrize("days", [{8: [2, 2, 2], 9: [2, 2, 2], 10: [9, 9, 9]}])
async def test_what_takes_a_few_milliseconds_is_not_slow(
    found: tuple[dict[str, Json] | None, list[Json] | None],
) -> None:
    assert found == (None, None)
