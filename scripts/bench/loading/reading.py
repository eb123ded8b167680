"""Reads what a load has left while the house still stands: ends and times, both in the log.

The log is asked over the bus, as anybody would. What one waits in all for the keeper, and for the log, is taken from
the times of the events on either side.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from infra.bus.connection import Bus
from pipeline import keeper
from pipeline.logging_stage import ask_log
from pipeline.topology import STAGE_NAMES
from schemas import subjects
from scripts.bench.loading.figures import Left, Percentiles, StageTimes
from scripts.bench.ordeal import evidence

_SHARES: Final = "[0.5, 0.95, 0.99]"
PAGE_ROWS: Final = 5_000
_ENDS: Final = """
SELECT turn, type FROM events WHERE type IN ('TurnCompleted', 'TurnFailed', 'TurnInterrupted')
ORDER BY log_seq LIMIT $many OFFSET $past"""
_STAGES: Final = f"""
SELECT stage, count(*), quantile_cont(queue_ms, {_SHARES}), quantile_cont(work_ms, {_SHARES})
FROM latency WHERE time BETWEEN $since::TIMESTAMPTZ AND $until::TIMESTAMPTZ GROUP BY stage"""
# A turn's id tells when it was submitted.
_KEEPER_OPENS: Final = f"""
SELECT count(*), quantile_cont(date_diff('us', uuid_extract_timestamp(turn), time) / 1e3, {_SHARES}) FROM events
WHERE type IN ('TextTurnOpened', 'SpeechTurnOpened') AND time BETWEEN $since::TIMESTAMPTZ AND $until::TIMESTAMPTZ"""
_KEEPER_ENDS: Final = f"""
SELECT count(*), quantile_cont(date_diff('us', told, ended) / 1e3, {_SHARES}) FROM (
    SELECT max(time) FILTER (WHERE type IN ('ReplyChosen', 'SpeechReady', 'SentenceChosen')) AS told,
        max(time) FILTER (WHERE type = 'TurnCompleted') AS ended
    FROM events GROUP BY turn
) WHERE told IS NOT NULL AND ended BETWEEN $since::TIMESTAMPTZ AND $until::TIMESTAMPTZ"""
_LOGGER: Final = f"""
SELECT count(*), quantile_cont(date_diff('us', time, recorded_at) / 1e3, {_SHARES}) FROM events
WHERE time BETWEEN $since::TIMESTAMPTZ AND $until::TIMESTAMPTZ"""
_BESIDES: Final = (
    ("keeper: submission to opening", _KEEPER_OPENS),
    ("keeper: last word to end", _KEEPER_ENDS),
    ("log: said to committed", _LOGGER),
)


async def settled(bus: Bus) -> int:
    """Wait until everybody has heard everything; how many messages are not acknowledged when time is up."""
    return await evidence.quiet(bus)


async def left(bus: Bus) -> Left:
    """What is there when everybody has heard everything."""
    unread = await settled(bus)
    [(rows, events)] = (await ask_log(bus, "SELECT count(*), count(DISTINCT id) FROM events")).rows
    return Left(
        ends=await _ends(bus),
        in_stream=(await bus.extent(subjects.EVENT_STREAM)).last_seq,  # all that it ever had: the oldest it forgets
        in_log=_whole(rows),
        events_in_log=_whole(events),
        dead_letters=(await bus.js.stream_info(subjects.DEAD_STREAM)).state.messages,
        unread=unread,
    )


async def _ends(bus: Bus) -> list[tuple[str, str]]:
    """Each end of a turn, as (turn, type), however often the log has it."""
    found: list[tuple[str, str]] = []
    while True:
        page = await ask_log(bus, _ENDS, {"many": PAGE_ROWS, "past": len(found)})
        found += [(str(turn), str(kind)) for turn, kind in page.rows]
        if len(page.rows) < PAGE_ROWS:
            return found


async def stages(bus: Bus, since: datetime, until: datetime) -> list[StageTimes]:
    """Queue and work of what was said between two moments, in the order of a turn."""
    span: dict[str, Any] = {"since": since, "until": until}
    rows = {str(row[0]): row[1:] for row in (await ask_log(bus, _STAGES, span)).rows}
    found = [
        StageTimes(name, _whole(handled), _percentiles(queue), _percentiles(work))
        for name in (*STAGE_NAMES, keeper.NAME)
        for handled, queue, work in ([rows[name]] if name in rows else [])
    ]
    for name, question in _BESIDES:
        [(handled, both)] = (await ask_log(bus, question, span)).rows
        found.append(StageTimes(name, _whole(handled), None, _percentiles(both)))
    return found


def _percentiles(value: object) -> Percentiles:
    assert isinstance(value, Sequence)  # as the question asks for
    return Percentiles(*(float(each) for each in value))


def _whole(value: object) -> int:
    assert isinstance(value, int)  # as the question asks for
    return value
