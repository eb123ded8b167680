"""The list of turns tells what the log's view of turns tells, of every kind of turn."""

from datetime import datetime
from pathlib import Path

from infra.event_log.log import open_read_only
from pipeline.gateway.api.listing import RECENT_SQL, listed, wanted
from tests import counted_log

VIEW = """
SELECT turn, conversation, number, "user", kind = 'speech' AS spoken, opened_at, ended_at, status, text, intents,
    CASE status WHEN 'failed' THEN message ELSE reply END AS reply, code, total_ms
FROM turns WHERE run = 'live' ORDER BY opened_at DESC, turn DESC"""


async def test_each_turn_is_told_as_the_view_has_it(tmp_path: Path) -> None:
    path = tmp_path / "log.duckdb"
    await counted_log.write(path)
    async with await open_read_only(path) as log:
        seen = listed(await log.ask(VIEW))
        [tenant] = {str(row[0]) for row in (await log.ask("SELECT DISTINCT tenant FROM turns")).rows}

        told = listed(await log.ask(RECENT_SQL, wanted(tenant, 100)))

        assert told == seen
        assert {turn.status for turn in told} >= {"completed", "failed", "interrupted"}
        assert {turn.spoken for turn in told} == {True, False}
        pages: list[str] = []
        before: tuple[datetime, str] | None = None
        while page := listed(await log.ask(RECENT_SQL, wanted(tenant, 2, before=before))):
            pages += [turn.turn for turn in page]
            before = (page[-1].opened_at, page[-1].turn)
        assert pages == [turn.turn for turn in told]
        for user in {turn.user for turn in told}:
            own = listed(await log.ask(RECENT_SQL, wanted(tenant, 100, user=user)))
            assert own == [turn for turn in told if turn.user == user]
