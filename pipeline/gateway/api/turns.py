"""Turns: one with all that is known of it, many as a list, where the time of one went, and stopping one."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from pipeline.cursors import cursor_of, moment_of
from pipeline.front_end import FollowedTurn
from pipeline.gateway.api.access import turn_for
from pipeline.gateway.api.listing import RECENT_SQL, TurnListed, listed, wanted
from pipeline.gateway.api.paging import LIMIT, NEXT, Cursor, Limit
from pipeline.gateway.api.turn_shapes import Status, TurnTold, status_of, turn_told
from pipeline.gateway.auditing import permitted
from pipeline.gateway.given import Given
from pipeline.gateway.guarding import Who
from pipeline.gateway.refusals import responses
from pipeline.logging_stage import ask_log
from pipeline.turn_lookup import waterfall_table
from pipeline.turn_result import reply_of
from pipeline.waterfall import spans_of, total_ms
from schemas.event import Count, Token, Uuid7
from schemas.ids import checked_uuid7

router = APIRouter(prefix="/api/turns", tags=["turns"])
STOPPED: Final = "stopped by the user"


class TurnPage(BaseModel):
    """The newest turns first."""

    turns: list[TurnListed]
    next: str | None = Field(default=None, description=NEXT)

    model_config = {"json_schema_extra": {"examples": [{"turns": [], "next": None}]}}


@router.get(
    "",
    summary="List turns",
    responses=responses(401, 403, 422, 429, 503, 504),
)
async def turns(
    request: Request,
    given: Given,
    me: Who,
    user: Annotated[Token | None, Query(description="Whose; your own otherwise. Another's needs analytics.")] = None,
    conversation: Annotated[Uuid7 | None, Query(description="Only of this conversation.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Only from here on.")] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> TurnPage:
    """From the log, newest first; a turn stands there up to two seconds after it happened."""
    whose = user or me.user
    await permitted(request, me, "read", "turns", whose=whose)
    asked = wanted(
        given.settings.tenant,
        limit + 1,
        user=whose,
        conversation=conversation,
        since=since,
        before=_place(cursor),
    )
    found = listed(await ask_log(given.bus, RECENT_SQL, asked))
    last = found[limit - 1] if len(found) > limit else None
    return TurnPage(turns=found[:limit], next=cursor_of(last.began_at, last.turn) if last else None)


def _place(cursor: str | None) -> tuple[datetime, str] | None:
    found = moment_of(cursor)
    if found is not None:
        checked_uuid7("cursor", found[1])
    return found


@router.get(
    "/{turn}",
    summary="One turn",
    responses=responses(401, 404, 422, 429, 503, 504),
)
async def turn(found: Annotated[FollowedTurn, turn_for("read", "turn")]) -> TurnTold:
    """All that is known of a turn, also while it goes on: what was said, understood, done and answered.

    Another user's is not found, but for the role analytics. One that still waits for its time is not found either.
    """
    return turn_told(found)


class SpanTold(BaseModel):
    """One event handled by one stage; times are milliseconds from the turn's submission."""

    stage: str
    queued_ms: float = Field(description="When its cause was said.")
    began_ms: float
    ended_ms: float
    queue_ms: float
    work_ms: float
    attempt: int
    said: list[str]
    note: str = Field(description="Which engine, or which error.")


class Trace(BaseModel):
    """A turn as a waterfall."""

    turn: str
    total_ms: float
    spans: list[SpanTold]

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "turn": "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
                    "total_ms": 300.2,
                    "spans": [
                        {
                            "stage": "intent",
                            "queued_ms": 0.0,
                            "began_ms": 1.2,
                            "ended_ms": 52.6,
                            "queue_ms": 1.2,
                            "work_ms": 51.4,
                            "attempt": 1,
                            "said": ["IntentClassified"],
                            "note": "",
                        }
                    ],
                }
            ]
        }
    }


@router.get(
    "/{turn}/trace",
    summary="Where the time of a turn went",
    responses=responses(401, 404, 422, 429, 503, 504),
)
async def trace(found: Annotated[FollowedTurn, turn_for("read", "trace")]) -> Trace:
    """Each handling of an event by a stage, in the order in which they began: its wait and its work."""
    spans = spans_of(waterfall_table(found))
    told = [
        SpanTold(
            stage=span.stage,
            queued_ms=round(span.queued_ms, 3),
            began_ms=round(span.began_ms, 3),
            ended_ms=round(span.ended_ms, 3),
            queue_ms=round(span.queue_ms, 3),
            work_ms=round(span.work_ms, 3),
            attempt=span.attempt,
            said=span.said,
            note=span.note,
        )
        for span in spans
    ]
    return Trace(turn=found.meta.turn, total_ms=round(total_ms(spans), 3), spans=told)


class Stop(BaseModel):
    """Why, and how much was heard."""

    reason: str = Field(default=STOPPED, min_length=1, max_length=200)
    sentences_played: Count | None = Field(default=None, description="So much was heard; null: all that was sent.")

    model_config = {"json_schema_extra": {"examples": [{"sentences_played": 1}]}}


class Stopped(BaseModel):
    """How the turn has ended."""

    turn: str
    status: Status
    reply: str = Field(description="What of it counts as heard.")

    model_config = {
        "json_schema_extra": {
            "examples": [
                {"turn": "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740", "status": "interrupted", "reply": "The ocean is"}
            ]
        }
    }


@router.post(
    "/{turn}/stop",
    summary="Stop a turn",
    responses=responses(400, 401, 404, 413, 422, 429, 503, 504),
)
async def stop(
    found: Annotated[FollowedTurn, turn_for("write", "turn")], given: Given, asked: Stop | None = None
) -> Stopped:
    """Ends the turn now. One that had ended stays as it had ended, which is told then.

    With `sentences_played` also a reply that is whole, and still being played, counts as heard only so far.
    """
    wish = asked or Stop()
    if found.ended is None or wish.sentences_played is not None:
        end = await given.front_end.stop(found.meta, wish.reason, wish.sentences_played)
    else:
        end = found.ended
    return Stopped(turn=found.meta.turn, status=status_of(end), reply=reply_of(end) or "")
