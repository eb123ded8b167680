"""Events as the log has them, in the order in which they happened, through whatever answers SQL.

That is the order of their times, and only among equal ones that of the log: after a logger was killed, or an older dump
was taken in, what happened earlier may have been recorded later.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from infra.event_log.port import Json, Parameter, QueryRefused
from infra.event_log.reports import EVER
from pipeline.log_files import UPTO, Ask
from schemas.catalogue import decode
from schemas.chat import ReplyRequested
from schemas.errors import SchemaError
from schemas.event import Event, Fact, Meta
from schemas.history import HistoryForgotten
from schemas.intents import IntentClassified
from schemas.speech import TranscriptReady
from schemas.tasks import ReminderDue, TaskCompleted
from schemas.turns import OPENINGS, TurnCompleted, TurnFailed, TurnInterrupted

PAGE_ROWS: Final = 800  # at first: less once an answer did not fit
IDS_A_QUESTION: Final = 150
HOUR: Final = timedelta(hours=1)
HOURS_A_PAGE: Final = 5_000
ENDS: Final = (TurnCompleted, TurnFailed, TurnInterrupted)
TOLD: Final = (
    *OPENINGS,
    TranscriptReady,
    IntentClassified,
    TaskCompleted,
    ReplyRequested,
    ReminderDue,
    HistoryForgotten,
    *ENDS,
)
"""What the state follows from, and what a stage up to the router hears."""

_META: Final = tuple(Meta.model_fields)
_COLUMNS: Final = ", ".join(f'"{name}"' for name in _META)
_AFTER: Final = "(time > $after_time::TIMESTAMPTZ OR (time = $after_time::TIMESTAMPTZ AND log_seq > $after))"
_PAGE: Final = f"""
SELECT log_seq, {_COLUMNS}, payload::VARCHAR AS payload FROM events
WHERE run = $of AND log_seq <= $upto AND type IN (SELECT unnest($types))
  AND (tenant || ' ' || "user") IN (SELECT unnest($users))
  AND time >= $from::TIMESTAMPTZ AND time < $to::TIMESTAMPTZ AND {_AFTER}
ORDER BY time, log_seq LIMIT $page"""
_HOURS: Final = """
SELECT date_trunc('hour', time) AS hour FROM events
WHERE run = $of AND log_seq <= $upto AND type IN (SELECT unnest($types))
  AND (tenant || ' ' || "user") IN (SELECT unnest($users)) AND time >= $from::TIMESTAMPTZ
GROUP BY hour ORDER BY hour LIMIT $page"""
_TURNS: Final = f"""
SELECT log_seq, {_COLUMNS}, payload::VARCHAR AS payload FROM events
WHERE run = $of AND log_seq <= $upto AND turn BETWEEN $low::UUID AND $high::UUID
  AND turn::VARCHAR IN (SELECT unnest($turns)) AND type <> 'invalid' AND {_AFTER}
ORDER BY time, log_seq LIMIT $page"""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event of which the log does not have enough, such as one without what was said."""

    turn: str
    type: str
    why: str


Logged = Event[Fact] | Unreadable


class LoggedEvents:
    """One run of the log as it was when this was opened."""

    def __init__(self, ask: Ask, of: str, upto: int) -> None:
        self._ask = ask
        self._of = of
        self._upto = upto
        self._page = PAGE_ROWS

    @classmethod
    async def opened(cls, ask: Ask, of: str) -> "LoggedEvents":
        table = await ask(UPTO, {})
        return cls(ask, of, int(str(table.rows[0][0])))

    async def of_users(self, users: Sequence[tuple[str, str]]) -> AsyncIterator[Logged]:
        """All that has to do with these users' state, from the log's beginning."""
        wanted = {"types": [fact.__name__ for fact in TOLD], "users": [f"{tenant} {user}" for tenant, user in users]}
        # An hour at a time: to find the first rows in order, each question would look at all that follow.
        async for hour in self._hours(wanted):
            async for event in self._pages(_PAGE, {**wanted, "from": hour, "to": hour + HOUR}):
                yield event

    async def of_turns(self, ids: Sequence[str]) -> AsyncIterator[tuple[str, list[Logged]]]:
        """Each of these turns with all its events, in the order of the log."""
        ordered = sorted(ids)
        for at in range(0, len(ordered), IDS_A_QUESTION):
            some = ordered[at : at + IDS_A_QUESTION]
            found: dict[str, list[Logged]] = {turn: [] for turn in some}
            wanted: dict[str, Parameter] = {"turns": some, "low": some[0], "high": some[-1]}
            async for event in self._pages(_TURNS, wanted):
                found[event.turn if isinstance(event, Unreadable) else event.meta.turn].append(event)
            for turn, events in found.items():
                yield turn, events

    async def _hours(self, wanted: Mapping[str, Parameter]) -> AsyncIterator[datetime]:
        """The hours in which anything of this happened."""
        since = EVER
        while True:
            bounds: dict[str, Parameter] = {"of": self._of, "upto": self._upto, "from": since, "page": HOURS_A_PAGE}
            rows = (await self._ask(_HOURS, {**wanted, **bounds})).rows
            for (hour,) in rows:
                since = datetime.fromisoformat(str(hour))
                yield since
            if len(rows) < HOURS_A_PAGE:
                return
            since += HOUR

    async def _pages(self, sql: str, wanted: Mapping[str, Parameter]) -> AsyncIterator[Logged]:
        after: dict[str, Parameter] = {"after": 0, "after_time": EVER}
        while True:
            bounds: dict[str, Parameter] = {"of": self._of, "upto": self._upto, "page": self._page, **after}
            try:
                table = await self._ask(sql, {**wanted, **bounds})
            except QueryRefused as refused:
                if self._page == 1 or "bytes" not in refused.expected:  # than the bus carries
                    raise
                self._page = max(self._page // 2, 1)
                continue
            for row in table.rows:
                yield _event(dict(zip(table.columns, row, strict=True)))
            if len(table.rows) < self._page and not table.truncated:
                return
            last = dict(zip(table.columns, table.rows[-1], strict=True))
            after = {"after": int(str(last["log_seq"])), "after_time": str(last["time"])}


def _event(row: dict[str, Json]) -> Logged:
    meta = json.dumps({name: row[name] for name in _META if row[name] is not None})
    try:
        return decode(f'{{"meta":{meta},"fact":{row["payload"]}}}'.encode(), str(row["type"]))
    except SchemaError as refused:
        return Unreadable(str(row["turn"]), str(row["type"]), str(refused))
