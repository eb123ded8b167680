"""Turns as a list, from the log: what an endpoint tells of each of many."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, Field

from infra.event_log.port import Parameter, Table
from pipeline.gateway.api.turn_shapes import Status
from pipeline.report.rows import rows_of
from schemas.ids import LIVE_RUN

RECENT_SQL: Final = f"""
WITH wanted AS (
    SELECT turn FROM events
    WHERE type IN ('TextTurnOpened', 'SpeechTurnOpened') AND run = '{LIVE_RUN}' AND tenant = $tenant
      AND ($user::VARCHAR IS NULL OR "user" = $user::VARCHAR)
      AND ($conversation::UUID IS NULL OR conversation = $conversation::UUID)
      AND ($since::TIMESTAMPTZ IS NULL OR time >= $since::TIMESTAMPTZ)
      AND ($before::TIMESTAMPTZ IS NULL OR (time, turn) < ($before::TIMESTAMPTZ, $before_turn::UUID))
    ORDER BY time DESC, turn DESC
    LIMIT $limit
)
SELECT turn, conversation, number, "user", kind, opened_at, ended_at, status, text, intents, reply, code, total_ms
FROM turns
WHERE run = '{LIVE_RUN}' AND tenant = $tenant AND turn IN (SELECT turn FROM wanted)
ORDER BY opened_at DESC, turn DESC"""


def wanted(
    tenant: str,
    limit: int,
    *,
    user: str | None = None,
    conversation: str | None = None,
    since: datetime | None = None,
    before: tuple[datetime, str] | None = None,
) -> dict[str, Parameter]:
    """The parameters of RECENT_SQL; None: of all. `before`: the page before ended with this time and turn."""
    moment, turn = before or (None, None)
    whose: dict[str, Parameter] = {"tenant": tenant, "user": user, "conversation": conversation}
    return {**whose, "since": since, "before": moment, "before_turn": turn, "limit": limit}


class TurnListed(BaseModel):
    """One turn in a list; all of it: GET /api/turns/{turn}."""

    turn: str
    conversation: str
    number: int
    user: str
    spoken: bool
    opened_at: datetime
    ended_at: datetime | None
    status: Status
    text: str | None = Field(description="Empty or null where the log keeps nothing of what is said.")
    intents: list[str]
    reply: str | None
    code: str | None = Field(description="Why it failed.")
    total_ms: float | None


def listed(table: Table) -> list[TurnListed]:
    """The rows of RECENT_SQL."""
    return [TurnListed.model_validate({**row, "spoken": row["kind"] == "speech"}) for row in rows_of(table)]
