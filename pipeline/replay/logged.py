"""Events as the log has them, in the order in which they were recorded, through whatever answers SQL."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infra.event_log.port import Json, Parameter, QueryRefused
from pipeline.log_files import SPAN_ROWS, Ask
from schemas.catalogue import decode
from schemas.chat import ReplyRequested
from schemas.errors import SchemaError
from schemas.event import Event, Fact, Meta
from schemas.intents import IntentClassified
from schemas.speech import TranscriptReady
from schemas.tasks import ReminderDue, TaskCompleted
from schemas.turns import SpeechTurnOpened, TextTurnOpened, TurnCompleted, TurnFailed, TurnInterrupted

PAGE_ROWS: Final = 800  # at first: less once an answer did not fit
IDS_A_QUESTION: Final = 150
OPENED: Final = (TextTurnOpened, SpeechTurnOpened)
ENDS: Final = (TurnCompleted, TurnFailed, TurnInterrupted)
TOLD: Final = (*OPENED, TranscriptReady, IntentClassified, TaskCompleted, ReplyRequested, ReminderDue, *ENDS)
"""What the state follows from, and what a stage up to the router hears."""

_META: Final = tuple(Meta.model_fields)
_COLUMNS: Final = ", ".join(f'"{name}"' for name in _META)
_PAGE: Final = f"""
SELECT log_seq, {_COLUMNS}, payload::VARCHAR AS payload FROM events
WHERE run = $of AND log_seq > $after AND log_seq <= $upto AND type IN (SELECT unnest($types))
  AND (tenant || ' ' || "user") IN (SELECT unnest($users))
ORDER BY log_seq LIMIT $page"""
_TURNS: Final = f"""
SELECT log_seq, {_COLUMNS}, payload::VARCHAR AS payload FROM events
WHERE run = $of AND log_seq > $after AND log_seq <= $upto AND turn BETWEEN $low::UUID AND $high::UUID
  AND turn::VARCHAR IN (SELECT unnest($turns)) AND type <> 'invalid'
ORDER BY log_seq LIMIT $page"""


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
        table = await ask("SELECT coalesce(max(log_seq), 0) FROM events", {})
        return cls(ask, of, int(str(table.rows[0][0])))

    async def of_users(self, users: Sequence[tuple[str, str]]) -> AsyncIterator[Logged]:
        """All that has to do with these users' state, from the log's beginning."""
        wanted = {"types": [fact.__name__ for fact in TOLD], "users": [f"{tenant} {user}" for tenant, user in users]}
        # A span at a time: to find the first rows in order, each question would look at all that follow.
        for before in range(0, self._upto, SPAN_ROWS):
            async for event in self._pages(_PAGE, wanted, before, min(before + SPAN_ROWS, self._upto)):
                yield event

    async def of_turns(self, ids: Sequence[str]) -> AsyncIterator[tuple[str, list[Logged]]]:
        """Each of these turns with all its events, in the order of the log."""
        ordered = sorted(ids)
        for at in range(0, len(ordered), IDS_A_QUESTION):
            some = ordered[at : at + IDS_A_QUESTION]
            found: dict[str, list[Logged]] = {turn: [] for turn in some}
            wanted: dict[str, Parameter] = {"turns": some, "low": some[0], "high": some[-1]}
            async for event in self._pages(_TURNS, wanted, 0, self._upto):
                found[event.turn if isinstance(event, Unreadable) else event.meta.turn].append(event)
            for turn, events in found.items():
                yield turn, events

    async def _pages(self, sql: str, wanted: Mapping[str, Parameter], after: int, upto: int) -> AsyncIterator[Logged]:
        while True:
            bounds: dict[str, Parameter] = {"of": self._of, "after": after, "upto": upto, "page": self._page}
            try:
                table = await self._ask(sql, {**wanted, **bounds})
            except QueryRefused:  # more bytes than the bus carries
                if self._page == 1:
                    raise
                self._page = max(self._page // 2, 1)
                continue
            for row in table.rows:
                yield _event(dict(zip(table.columns, row, strict=True)))
            if len(table.rows) < self._page and not table.truncated:
                return
            after = int(str(table.rows[-1][0]))


def _event(row: dict[str, Json]) -> Logged:
    meta = json.dumps({name: row[name] for name in _META if row[name] is not None})
    try:
        return decode(f'{{"meta":{meta},"fact":{row["payload"]}}}'.encode(), str(row["type"]))
    except SchemaError as refused:
        return Unreadable(str(row["turn"]), str(row["type"]), str(refused))
