"""The list of turns tells what the log's view of turns tells, of every kind of turn."""

from datetime import datetime, timedelta
from pathlib import Path

from infra.clock import new_id
from infra.event_log.log import open_log, open_read_only
from infra.event_log.port import Batch, Row, StreamIdentity
from pipeline.gateway.api.listing import RECENT_SQL, listed, wanted
from schemas.event import Event, Fact, Meta
from schemas.turns import TurnEnd, TurnFailed, TurnInterrupted
from tests import counted_log

VIEW = """
SELECT turn, conversation, number, "user", kind = 'speech' AS spoken, opened_at, ended_at, status, text, intents,
    CASE status WHEN 'failed' THEN message ELSE reply END AS reply, code, total_ms
FROM turns WHERE run = 'live' ORDER BY coalesce(opened_at, ended_at) DESC, turn DESC"""
NEVER_OPENED: dict[str, TurnEnd] = {
    "b": TurnFailed(code="busy", message="I am still busy."),
    "c": TurnInterrupted(reason="stopped by the user"),
}
"""The turns that ended before they were opened, by the one a second before them."""


async def refuse(path: Path) -> None:
    """Add what the keeper says of turns that end before they are opened."""
    rows: list[Row] = []
    for before, fact in NEVER_OPENED.items():
        at, turn = counted_log.OPENED[before] + timedelta(seconds=1), new_id()
        meta = Meta(
            id=turn,
            type=type(fact).__name__,
            conversation=counted_log.CONVERSATIONS[before],
            turn=turn,
            number=4,
            user="anna",
            stage="keeper",
            time=at,
        )
        event = Event[Fact].first(fact, meta)
        rows.append(Row(len(rows) + 1, event.subject, {}, event.encoded()))
    stream = StreamIdentity("PARLEY_EVENTS", counted_log.STREAM.created + timedelta(days=1))
    async with await open_log(path) as log:
        await log.append(Batch(stream, tuple(rows)))


async def test_each_turn_is_told_as_the_view_has_it(tmp_path: Path) -> None:
    path = tmp_path / "log.duckdb"
    await counted_log.write(path)
    await refuse(path)
    async with await open_read_only(path) as log:
        seen = listed(await log.ask(VIEW))
        [tenant] = {str(row[0]) for row in (await log.ask("SELECT DISTINCT tenant FROM turns")).rows}

        told = listed(await log.ask(RECENT_SQL, wanted(tenant, 100)))

        assert told == seen
        assert {turn.status for turn in told} >= {"completed", "failed", "interrupted"}
        assert {turn.spoken for turn in told} == {True, False, None}
        assert [turn.status for turn in told if turn.opened_at is None] == ["interrupted", "failed"]
        pages: list[str] = []
        before: tuple[datetime, str] | None = None
        while page := listed(await log.ask(RECENT_SQL, wanted(tenant, 2, before=before))):
            pages += [turn.turn for turn in page]
            before = (page[-1].began_at, page[-1].turn)
        assert pages == [turn.turn for turn in told]
        for user in {turn.user for turn in told}:
            own = listed(await log.ask(RECENT_SQL, wanted(tenant, 100, user=user)))
            assert own == [turn for turn in told if turn.user == user]
