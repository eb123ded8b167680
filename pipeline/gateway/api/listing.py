"""Turns as a list, from the log: what an endpoint tells of each of many."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, Field

from infra.event_log.port import Parameter, Table
from pipeline.gateway.api.turn_shapes import UNOPENED, Status
from pipeline.report.rows import rows_of
from schemas.ids import LIVE_RUN

_OPENS: Final = "type IN ('TextTurnOpened', 'SpeechTurnOpened')"
_ENDS: Final = "type IN ('TurnCompleted', 'TurnFailed', 'TurnInterrupted')"
# A turn that ended before it was opened begins with its end, which has no deadline (event_log/views/01_turns.sql).
_BEGINS: Final = f"({_OPENS} OR (type IN ('TurnFailed', 'TurnInterrupted') AND deadline IS NULL))"
RECENT_SQL: Final = f"""
WITH wanted AS (
    SELECT turn FROM events
    WHERE {_BEGINS} AND run = '{LIVE_RUN}' AND tenant = $tenant
      AND ($user::VARCHAR IS NULL OR "user" = $user::VARCHAR)
      AND ($conversation::UUID IS NULL OR conversation = $conversation::UUID)
      AND ($since::TIMESTAMPTZ IS NULL OR time >= $since::TIMESTAMPTZ)
      AND ($before::TIMESTAMPTZ IS NULL OR (time, turn) < ($before::TIMESTAMPTZ, $before_turn::UUID))
    ORDER BY time DESC, turn DESC
    LIMIT $limit
), told AS (
    SELECT *, {_OPENS} AS opens, {_BEGINS} AS begins, {_ENDS} AS ends FROM events
    WHERE run = '{LIVE_RUN}' AND tenant = $tenant AND turn IN (SELECT turn FROM wanted)
      AND ({_OPENS} OR {_ENDS} OR type IN ('TranscriptReady', 'IntentClassified'))
)
SELECT
    turn, any_value(conversation) AS conversation,
    any_value(CASE WHEN begins THEN number END) AS number,
    any_value(CASE WHEN begins THEN "user" END) AS "user",
    bool_or(CASE WHEN opens THEN type = 'SpeechTurnOpened' END) AS spoken,
    min(CASE WHEN opens THEN time END) AS opened_at,
    min(CASE WHEN ends THEN time END) AS ended_at,
    coalesce(
        any_value(CASE type WHEN 'TurnCompleted' THEN 'completed' WHEN 'TurnFailed' THEN 'failed'
            WHEN 'TurnInterrupted' THEN 'interrupted' END),
        'open'
    ) AS status,
    any_value(CASE WHEN type IN ('TextTurnOpened', 'TranscriptReady') THEN payload->>'text' END) AS text,
    coalesce(any_value(CASE WHEN type = 'IntentClassified' THEN payload->>'$.intents[*].label' END), []) AS intents,
    any_value(CASE WHEN ends THEN coalesce(payload->>'reply', payload->>'spoken', payload->>'message') END) AS reply,
    any_value(CASE WHEN type = 'TurnFailed' THEN payload->>'code' END) AS code,
    epoch_us(min(CASE WHEN ends THEN time END) - min(CASE WHEN opens THEN time END)) / 1e3 AS total_ms
FROM told
GROUP BY turn
ORDER BY coalesce(opened_at, ended_at) DESC, turn DESC"""
"""Not from the view `turns`, which groups all of the log before it is asked for some: five times the work."""


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
    spoken: bool | None = Field(default=None, description=UNOPENED)
    opened_at: datetime | None = Field(default=None, description=UNOPENED)
    ended_at: datetime | None = None
    status: Status
    text: str | None = Field(default=None, description="Empty or null where the log keeps nothing of what is said.")
    intents: list[str]
    reply: str | None = Field(
        default=None, description="Of an interrupted turn what was heard of it; of a failed one why."
    )
    code: str | None = Field(default=None, description="Why it failed.")
    total_ms: float | None = None

    @property
    def began_at(self) -> datetime:
        """By which it has its place in the list: its opening, or its end when it was never opened."""
        began = self.opened_at or self.ended_at
        assert began is not None  # as the question has it
        return began

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "turn": "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
                    "conversation": "019aa0b4-5c1f-7d33-9a52-0e4b7c61f2a8",
                    "number": 3,
                    "user": "ann",
                    "spoken": False,
                    "opened_at": "2026-11-20T09:30:15.123456Z",
                    "ended_at": "2026-11-20T09:30:15.423456Z",
                    "status": "completed",
                    "text": "hello",
                    "intents": ["chit_chat"],
                    "reply": "Hello!",
                    "code": None,
                    "total_ms": 300.0,
                }
            ]
        }
    }


def listed(table: Table) -> list[TurnListed]:
    """The rows of RECENT_SQL."""
    return [TurnListed.model_validate(row) for row in rows_of(table)]
