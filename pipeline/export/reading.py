"""Reads whole turns out of the log, a page at a time, through whatever answers SQL.

An answer is limited in rows and bytes, so a page is a range of turns: their ids begin with the time, and their rows lie
in the file in about that order, so DuckDB skips all the rest. A page that does not fit is asked for in halves.
All questions see the log as it was when the first one was asked, also while Parley runs.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pydantic_core

from infra.event_log.port import Json, Parameter, QueryRefused
from infra.event_log.reports import EVER
from pipeline.export.masking import CUES
from pipeline.export.persona import Persona
from pipeline.export.turns import EVENTS, HISTORY, Feedback, LoggedTurn, add, opinions
from pipeline.log_files import IDS_PAGE, UPTO, Ask, turn_ids
from schemas.errors import InvalidField
from schemas.ids import LIVE_RUN

TURNS_PAGE: Final = 1_500  # at first: less once an answer did not fit
BREATH_TURNS: Final = 25
FEEDBACK_PAGE: Final = 1_000
TELLING_PAGE: Final = 40_000  # events, of which few tell a name: less once an answer did not fit
RUNS_NAMED: Final = 10  # the newest, where one is asked for that is not there

TELLING_EVENTS: Final = (
    "TextTurnOpened",
    "TranscriptReady",
    "TaskCompleted",
    "ReplyGenerated",
    "ReplyChosen",
    "FeedbackRecorded",
    "PersonaUpdated",
)

IDS: Final = f"""
SELECT turn::VARCHAR FROM events
WHERE run = $run AND type IN ('TextTurnOpened', 'SpeechTurnOpened') AND log_seq <= $upto AND time >= $since
  AND ($conversation IS NULL OR conversation = $conversation::UUID) AND turn > $after::UUID
ORDER BY turn LIMIT {IDS_PAGE}"""
PAGE: Final = """
SELECT turn::VARCHAR, type, conversation::VARCHAR, "user", time, payload::VARCHAR FROM events
WHERE run = $run AND turn BETWEEN $low::UUID AND $high::UUID AND type IN (SELECT unnest($types)) AND log_seq <= $upto
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
ORDER BY turn, stream, stream_seq"""
RUN: Final = "SELECT 1 FROM events WHERE run = $run AND log_seq <= $upto LIMIT 1"
RUNS: Final = f"""
SELECT run FROM events WHERE run <> '{LIVE_RUN}' AND log_seq <= $upto
GROUP BY run ORDER BY max(log_seq) DESC LIMIT {RUNS_NAMED + 1}"""
TOLD: Final = """
SELECT log_seq, payload::VARCHAR, "user", time FROM events
WHERE run = $run AND type = $type AND log_seq <= $upto
  AND ($time::TIMESTAMPTZ IS NULL OR time > $time::TIMESTAMPTZ
       OR time = $time::TIMESTAMPTZ AND log_seq > $after)
ORDER BY time, log_seq LIMIT $limit"""
"""In the order in which it happened: that of the log is another one after an import, or after the logger was killed."""
NAMES: Final = """
SELECT name FROM (
    SELECT DISTINCT "user" AS name FROM events WHERE run = $run AND log_seq <= $upto
    UNION SELECT i.value->>'$.slots.person' FROM events AS e, json_each(e.payload, '$.intents') AS i
    WHERE e.type = 'IntentClassified' AND e.run = $run AND e.log_seq <= $upto
    UNION SELECT payload->>'$.outcome.data.person' FROM events
    WHERE type = 'TaskCompleted' AND run = $run AND log_seq <= $upto)
WHERE name IS NOT NULL AND name > $after ORDER BY name LIMIT $limit"""
"""Of the events themselves: the views of intents and tasks do not tell where in the log a row stands."""


TELLING: Final = f"""
SELECT coalesce(about.conversation, e.conversation)::VARCHAR, e.payload::VARCHAR
FROM events AS e LEFT JOIN (
    SELECT DISTINCT turn, conversation FROM events
    WHERE run = $run AND type IN ('TextTurnOpened', 'SpeechTurnOpened') AND log_seq <= $upto
) AS about ON about.turn = try_cast(e.payload->>'$.about' AS UUID)
WHERE e.run = $run AND e.type IN ({", ".join(f"'{kind}'" for kind in TELLING_EVENTS)})
  AND e.log_seq > $low AND e.log_seq <= $high
  AND regexp_matches(e.payload::VARCHAR, '{CUES.replace("'", "''")}')
  AND ($conversation IS NULL OR coalesce(about.conversation, e.conversation) = $conversation::UUID
       OR regexp_matches(e.payload::VARCHAR, '(?i:my name|i am called)'))
ORDER BY e.log_seq"""
"""Whatever may tell a name, with the conversation that it belongs to: an opinion's own is another one. People's own
names count in all conversations."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of the log."""

    since: datetime = EVER
    conversation: str | None = None
    run: str = LIVE_RUN
    history: bool = True  # False: without ReplyRequested, which carries what was said before


@dataclass(slots=True)
class _PageSize:
    """How many rows are asked for at once, of one question."""

    rows: int


class LogReading:
    """The log, as it was when this was opened."""

    def __init__(self, ask: Ask, upto: int) -> None:
        self._ask = ask
        self.upto = upto  # the last place in the log that is read
        self._page_turns = TURNS_PAGE

    @classmethod
    async def opened(cls, ask: Ask) -> "LogReading":
        table = await ask(UPTO, {})
        return cls(ask, _whole(table.rows[0][0]))

    async def turns(self, wanted: Wanted, feedback: Mapping[str, Feedback]) -> AsyncIterator[LoggedTurn]:
        """All turns in the order of their ids, which is that of their beginning.

        While a page is worked on, the next one is being read.
        """
        ids = await self._ids(wanted)
        begun = 0

        def begin() -> asyncio.Task[list[LoggedTurn]] | None:
            nonlocal begun
            some = ids[begun : begun + self._page_turns]
            begun += len(some)
            return asyncio.create_task(self._page(some, wanted)) if some else None

        upcoming = begin()
        try:
            while upcoming is not None:
                page = await upcoming
                upcoming = begin()
                for place, turn in enumerate(page):
                    if place % BREATH_TURNS == 0:
                        await asyncio.sleep(0)  # lets the next page be asked for, and its answer be taken
                    turn.feedback = feedback.get(turn.id)
                    yield turn
        finally:
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)

    async def refuse_unless_there(self, field: str, run: str) -> None:
        """Raises InvalidField for a run that the log does not have; the live one it has, be it empty."""
        if run == LIVE_RUN or (await self._ask(RUN, {"run": run, "upto": self.upto})).rows:
            return
        newest = [str(name) for (name,) in (await self._ask(RUNS, {"upto": self.upto})).rows]
        named = [LIVE_RUN, *newest[:RUNS_NAMED], *("…" for _ in newest[RUNS_NAMED:])]
        raise InvalidField(field, run, f"a run in the log: {', '.join(named)}")

    async def some(self, ids: Sequence[str], run: str = LIVE_RUN) -> dict[str, LoggedTurn]:
        """Turns by their ids; those that the log does not have are missing."""
        found: dict[str, LoggedTurn] = {}
        for one in sorted(set(ids)):
            found |= {turn.id: turn for turn in await self._page([one], Wanted(run=run))}
        return found

    async def of_run(self, ids: Sequence[str], run: str) -> AsyncIterator[LoggedTurn]:
        """These turns as they were in a run, in the order of their ids; those that it does not have are missing."""
        ordered = sorted(set(ids))
        while ordered:
            some, ordered = ordered[: self._page_turns], ordered[self._page_turns :]
            for turn in await self._page(some, Wanted(run=run, history=False)):
                yield turn

    async def feedback(self, run: str = LIVE_RUN) -> dict[str, Feedback]:
        """What people thought, by the turn's id."""
        return opinions([_payload(row[1]) for row in await self._told(run, "FeedbackRecorded")])

    async def persona(self, run: str = LIVE_RUN) -> Persona:
        """What was learned of people."""
        told = await self._told(run, "PersonaUpdated")
        return Persona.of(
            [(str(user), datetime.fromisoformat(str(time)), _payload(fact)) for _, fact, user, time in told]
        )

    async def _told(self, run: str, kind: str) -> list[Sequence[Json]]:
        """All rows of TOLD for one type of event."""
        found: list[Sequence[Json]] = []
        time: datetime | None = None
        after = 0
        size = _PageSize(FEEDBACK_PAGE)
        while rows := await self._rows(TOLD, {"run": run, "type": kind, "time": time, "after": after}, size):
            found += rows
            after, time = _whole(rows[-1][0]), datetime.fromisoformat(str(rows[-1][3]))
        return found

    async def names(self, run: str = LIVE_RUN) -> list[str]:
        """The users, and the persons that intents and skills were about."""
        found: list[str] = []
        size = _PageSize(IDS_PAGE)
        while rows := await self._rows(NAMES, {"run": run, "after": found[-1] if found else ""}, size):
            found += (str(name) for (name,) in rows)
        return found

    async def telling(self, run: str, conversation: str | None) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Conversation and fact of all that may tell a name in this conversation or in any, of all times."""
        asked: dict[str, Parameter] = {"run": run, "conversation": conversation, "upto": self.upto}
        low, size = 0, TELLING_PAGE
        while low < self.upto:
            high = min(low + size, self.upto)
            rows = await self._whole_answer(TELLING, {**asked, "low": low, "high": high}, last=size == 1)
            if rows is None:
                size //= 2
                continue
            for told_in, fact in rows:
                yield str(told_in), _payload(fact)
            low = high

    async def _whole_answer(
        self, sql: str, asked: Mapping[str, Parameter], *, last: bool
    ) -> Sequence[Sequence[Json]] | None:
        """None where it does not fit, unless it was the `last` try: then it raises QueryRefused."""
        try:
            table = await self._ask(sql, asked)
        except QueryRefused:
            if last:
                raise
            return None
        return None if table.truncated else table.rows

    async def _rows(self, sql: str, asked: Mapping[str, Parameter], size: _PageSize) -> Sequence[Sequence[Json]]:
        """One page, of fewer rows from now on where it has more bytes than the bus carries."""
        while True:
            try:
                return (await self._ask(sql, {**asked, "upto": self.upto, "limit": size.rows})).rows
            except QueryRefused:
                if size.rows == 1:
                    raise
                size.rows //= 2

    async def _ids(self, wanted: Wanted) -> list[str]:
        return await turn_ids(self._ask, IDS, {**self._bounds(wanted), "since": wanted.since})

    async def _page(self, ids: Sequence[str], wanted: Wanted) -> list[LoggedTurn]:
        asked = {
            **self._bounds(wanted),
            "low": ids[0],
            "high": ids[-1],
            "types": [kind for kind in EVENTS if wanted.history or kind != HISTORY],
        }
        try:
            table = await self._ask(PAGE, asked)
            if not table.truncated:
                return _put_together(table.rows, frozenset(ids))
            if len(ids) == 1:
                raise QueryRefused(PAGE, f"turn {ids[0]} to fit into an answer")
        except QueryRefused:  # more bytes than the bus carries, or more than there is memory for
            if len(ids) == 1:
                raise
        half = len(ids) // 2
        self._page_turns = min(self._page_turns, half)
        return await self._page(ids[:half], wanted) + await self._page(ids[half:], wanted)

    def _bounds(self, wanted: Wanted) -> dict[str, Parameter]:
        return {"run": wanted.run, "upto": self.upto, "conversation": wanted.conversation}


def _put_together(rows: Sequence[Sequence[Json]], ids: frozenset[str]) -> list[LoggedTurn]:
    """Rows of PAGE as turns; a range holds others' turns too, where only later ones were wanted."""
    turns: dict[str, LoggedTurn] = {}
    for turn, kind, conversation, user, time, payload in rows:
        name = str(turn)
        if name not in ids:
            continue
        if name not in turns:
            turns[name] = LoggedTurn(name, str(conversation), str(user), datetime.fromisoformat(str(time)))
        add(turns[name], str(kind), _payload(payload))
    return list(turns.values())


def _payload(text: Json) -> dict[str, Any]:
    read = pydantic_core.from_json(str(text))
    return read if isinstance(read, dict) else {}


def _whole(value: Json) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected a whole number from the log, got {value!r}")
    return value
