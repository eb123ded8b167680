"""One typed turn, in the seed's shape."""

import asyncio
import json
from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field

from infra.settings import checked_zone
from pipeline.front_end import FollowedTurn
from pipeline.gateway.api.access import acting_for, own_conversation
from pipeline.gateway.api.refusals import TurnRefused
from pipeline.gateway.api.turn_shapes import (
    IntentTold,
    ModelInfo,
    Status,
    intents_of,
    model_info_of,
    status_of,
    tasks_of,
    used_context,
)
from pipeline.gateway.given import Gateway, Given
from pipeline.gateway.guarding import Who
from pipeline.gateway.refusals import responses
from pipeline.turn_result import reply_of
from schemas.errors import InvalidField
from schemas.event import Meta, TimeZone, Token, Uuid7
from schemas.intake import TEXT_MAX_CHARS, Submission, TextSubmitted, sayable
from schemas.tasks import TaskOutcome
from schemas.turns import TurnFailed

CONTEXT_MAX_CHARS: Final = 8_192  # as JSON

router = APIRouter(prefix="/api/chat", tags=["chat"])


def bounded(context: dict[str, Any] | None) -> dict[str, Any] | None:
    """A context that is not larger than anybody needs. Raises InvalidField."""
    try:
        size = len(json.dumps(context))
    except RecursionError:
        size = CONTEXT_MAX_CHARS + 1
    if size > CONTEXT_MAX_CHARS:
        raise InvalidField(
            "context", f"more than {CONTEXT_MAX_CHARS} characters as JSON", f"at most {CONTEXT_MAX_CHARS}"
        )
    return context


def known_zone(name: str) -> str:
    """A time zone that there is. Raises InvalidField."""
    return checked_zone("time_zone", name)


class Message(BaseModel):
    """What somebody types."""

    message: Annotated[str, AfterValidator(sayable)] = Field(min_length=1, max_length=TEXT_MAX_CHARS)
    context: Annotated[dict[str, Any] | None, AfterValidator(bounded)] = Field(
        default=None,
        description="Taken, and not used: Parley finds intents itself, and believes nobody about what was done.",
    )
    conversation: Uuid7 | None = Field(default=None, description="Goes on with this one; a new one otherwise.")
    user_id: Token | None = Field(default=None, description="In whose name, for the role admin; otherwise one's own.")
    interrupts: bool = Field(default=False, description="Stops the conversation's open turn instead of waiting for it.")
    time_zone: Annotated[TimeZone, AfterValidator(known_zone)] | None = Field(
        default=None, description="IANA name, for “at three”; as configured otherwise."
    )

    model_config = {
        "json_schema_extra": {
            "examples": [
                {"message": "Hello, how are you?"},
                {
                    "message": "remind me tomorrow at three to call the dentist",
                    "conversation": "01936f5e-7b1c-7c3e-8a55-3f2b6c1d9e10",
                    "time_zone": "Europe/Berlin",
                },
            ]
        }
    }


class Reply(BaseModel):
    """The answer to a typed turn."""

    success: bool = Field(description="Whether the turn was answered to its end; false when it was interrupted.")
    response: str
    context_used: bool = Field(
        description="Whether earlier turns of the conversation, or what skills did in this one, went into the reply."
    )
    model_info: ModelInfo
    status: Status
    turn: str
    conversation: str
    intents: list[IntentTold]
    tasks: list[TaskOutcome]

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "success": True,
                    "response": "Hello! How can I help you?",
                    "context_used": False,
                    "model_info": {
                        "model_name": "smollm2-135m-instruct",
                        "inference_engine": "llama.cpp",
                        "response_time": 1.2,
                    },
                    "status": "completed",
                    "turn": "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
                    "conversation": "019aa0b4-5c1f-7d33-9a52-0e4b7c61f2a8",
                    "intents": [
                        {"label": "chit_chat", "confidence": 0.98, "text": "Hello", "slots": {}, "decided_by": "head"}
                    ],
                    "tasks": [],
                }
            ]
        }
    }


@router.post(
    "/respond",
    summary="Say something, and wait for the reply",
    responses=responses(400, 401, 403, 404, 413, 422, 429, 502, 503, 504),
)
async def respond(asked: Message, given: Given, me: Who) -> Reply:
    """One typed turn, without sound, from the message to the end of the turn.

    A turn that cannot be answered is a problem whose `turn` can be looked at: 422 when it cannot be taken, 429 when too
    many wait, 502 when a stage gave up, 504 when its time was up. 503 with Retry-After: nothing was accepted.
    """
    user = acting_for(me, asked.user_id)
    await own_conversation(given, user, asked.conversation)
    meta = given.front_end.new_meta(conversation=asked.conversation, user=user, speech=False, time_zone=asked.time_zone)
    turn, took_s = await answered(given, TextSubmitted(text=asked.message, interrupts=asked.interrupts), meta)
    return Reply(
        success=status_of(turn.ended) == "completed",
        response=reply_of(turn.ended) or "",
        context_used=used_context(turn),
        model_info=model_info_of(turn, took_s),
        status=status_of(turn.ended),
        turn=meta.turn,
        conversation=meta.conversation,
        intents=intents_of(turn),
        tasks=tasks_of(turn),
    )


async def answered(given: Gateway, submission: Submission, meta: Meta) -> tuple[FollowedTurn, float]:
    """A turn that has ended, and the seconds that it took. Raises TurnRefused when it failed, and as `send`."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    turn = await given.front_end.send(submission, meta)
    if isinstance(turn.ended, TurnFailed):
        raise TurnRefused(turn.ended, meta.turn)
    return turn, loop.time() - began
