"""What somebody said and was answered: by pages, as a whole, and forgotten."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from infra.state.history import Said
from pipeline.gateway.api.access import UserPath
from pipeline.gateway.api.paging import LIMIT, NEXT, Cursor, Limit
from pipeline.gateway.auditing import audited
from pipeline.gateway.given import Given
from pipeline.gateway.refusals import responses
from pipeline.logging_stage import ask_log
from pipeline.state_desk import HISTORY, SUMMARY, Question, ask_state
from schemas.event import Uuid7
from schemas.history import HistoryForgetGiven, HistoryForgotten
from schemas.ids import LIVE_RUN

INTENTS_MAX: Final = 10
INTENTS_SQL: Final = f"""
SELECT label, count(*) AS times FROM intents
WHERE run = '{LIVE_RUN}' AND tenant = $tenant AND "user" = $user
GROUP BY label ORDER BY times DESC, label LIMIT {INTENTS_MAX}"""

router = APIRouter(prefix="/api/chat", tags=["chat"])
Conversation = Annotated[Uuid7 | None, Query(description="Only of this conversation.")]


class SaidTold(BaseModel):
    """One turn as it is remembered."""

    turn: str
    conversation: str
    number: int = Field(description="Of the turn in its conversation.")
    user: str = Field(description="What the person said.")
    reply: str = Field(description="What was answered; of an interrupted turn what was heard of it.")
    time: datetime

    @classmethod
    def of(cls, said: Said) -> "SaidTold":
        return cls(**{name: getattr(said, name) for name in cls.model_fields})


class HistoryPage(BaseModel):
    """The newest turns first."""

    user_id: str
    turns: list[SaidTold]
    next: str | None = Field(default=None, description=NEXT)

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "user_id": "ann",
                    "turns": [
                        {
                            "turn": "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
                            "conversation": "019aa0b4-5c1f-7d33-9a52-0e4b7c61f2a8",
                            "number": 3,
                            "user": "remind me tomorrow at three to call the dentist",
                            "reply": "I'll remind you to call the dentist tomorrow at 3 PM.",
                            "time": "2026-11-20T09:30:15.123456Z",
                        }
                    ],
                    "next": None,
                }
            ]
        }
    }


@router.get(
    "/history/{user_id}",
    summary="What was said and answered",
    responses=responses(401, 403, 422, 429, 503, 504),
    dependencies=[audited("read", "history")],
)
async def history(
    user_id: UserPath, given: Given, limit: Limit = LIMIT, cursor: Cursor = None, conversation: Conversation = None
) -> HistoryPage:
    """What replies are made from: turns that were answered, newest first, by pages."""
    asked = _question(given.settings.tenant, user_id, limit=limit, cursor=cursor, conversation=conversation)
    page = await ask_state(given.bus, HISTORY, asked)
    return HistoryPage(user_id=user_id, turns=[SaidTold.of(said) for said in page.rows], next=page.next)


class Forgotten(BaseModel):
    """What went."""

    user_id: str
    conversation: str | None = Field(default=None, description="Only of this one; null: of all.")
    turns: int = Field(description="How many turns were forgotten.")

    model_config = {"json_schema_extra": {"examples": [{"user_id": "ann", "conversation": None, "turns": 12}]}}


@router.delete(
    "/history/{user_id}",
    summary="Forget what was said",
    responses=responses(401, 403, 422, 429, 503, 504),
    dependencies=[audited("delete", "history")],
)
async def forget(user_id: UserPath, given: Given, conversation: Conversation = None) -> Forgotten:
    """Forgets a user's history, or one conversation of it, and what was asked back in it; no later reply knows of it.

    It goes over the bus as an event and is done once, after the turns that were accepted before it have been heard; a
    turn that is still being answered is remembered when it ends. Reminders, notes and the rest of what was done stay.

    What else has these words keeps them for its own time: the keeper's books of turns for 7 days and its notes for 14,
    the event stream until the log has them (and its newest 10,000 events), and **the event log (DuckDB and its Parquet
    files) with recordings and spoken replies as long as `log.keep_days`, `log.keep_mb` and `audio.keep_days` say, which
    is for ever unless they are set**; none of it goes into a reply. The log also notes that history was forgotten.

    503 or 504: it may yet be done; asking again does no harm.
    """
    meta = given.front_end.new_meta(conversation=conversation, user=user_id, speech=False)
    done = await given.front_end.give(HistoryForgetGiven(only=conversation), meta, HistoryForgotten)
    return Forgotten(user_id=user_id, conversation=conversation, turns=done.turns)


class IntentCount(BaseModel):
    """How often something was wanted."""

    label: str
    times: int


class SummaryTold(BaseModel):
    """A user's history in figures."""

    user_id: str
    conversations: int
    turns: int
    first_at: datetime | None = None
    last_at: datetime | None = None
    last: SaidTold | None = Field(default=None, description="The newest turn.")
    intents: list[IntentCount] = Field(
        description="What was wanted most, from the event log: forgotten turns are counted as well."
    )

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "user_id": "ann",
                    "conversations": 2,
                    "turns": 14,
                    "first_at": "2026-11-18T08:00:00Z",
                    "last_at": "2026-11-20T09:30:15.123456Z",
                    "last": None,
                    "intents": [{"label": "create_reminder", "times": 6}],
                }
            ]
        }
    }


@router.get(
    "/summary/{user_id}",
    summary="A user's history in figures",
    responses=responses(401, 403, 422, 429, 503, 504),
    dependencies=[audited("read", "summary")],
)
async def summary(user_id: UserPath, given: Given) -> SummaryTold:
    """How much is remembered, since when, the newest turn, and what was wanted most. Counted; no model writes it."""
    tenant = given.settings.tenant
    found = await ask_state(given.bus, SUMMARY, _question(tenant, user_id))
    counted = await ask_log(given.bus, INTENTS_SQL, {"tenant": tenant, "user": user_id})
    return SummaryTold(
        user_id=user_id,
        conversations=found.extent.conversations,
        turns=found.extent.turns,
        first_at=found.extent.first_at,
        last_at=found.extent.last_at,
        last=SaidTold.of(found.last) if found.last else None,
        intents=[IntentCount(label=str(label), times=int(str(times))) for label, times in counted.rows],
    )


def _question(tenant: str, user: str, **more: Any) -> Question:
    return Question(tenant=tenant, user=user, **more)
