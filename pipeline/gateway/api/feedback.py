"""What somebody thinks of a reply, kept and exported like that of `parley feedback`."""

from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints, model_validator

from infra.tokens import Identity
from pipeline import judged_turns
from pipeline.gateway.api.access import TurnPath, allowed_with_turn
from pipeline.gateway.given import Gateway, Given
from pipeline.gateway.guarding import Who
from pipeline.gateway.refusals import no_such_turn, responses
from pipeline.judged_turns import Judged
from schemas.errors import InvalidField
from schemas.event import Count, Uuid7
from schemas.ids import LIVE_RUN
from schemas.intake import COMMENT_MAX_CHARS, FeedbackGiven, Reward
from schemas.intents import IntentLabel
from schemas.turns import FeedbackRecorded

router = APIRouter(prefix="/api/turns", tags=["turns"])
_EXAMPLE: Final = {"about": "019aa0b4-6e02-7a10-8f4c-5d2e91b3c740", "rating": "up"}
_RECORDED: Final[dict[int | str, dict[str, Any]]] = {201: {"content": {"application/json": {"example": _EXAMPLE}}}}
Words = Annotated[str, StringConstraints(min_length=1, max_length=COMMENT_MAX_CHARS, pattern=r"\S")]


class Opinion(BaseModel):
    """At least one of rating, correction, comment, intent, preferred and reward."""

    rating: Literal["up", "down"] | None = None
    correction: Words | None = Field(default=None, description="What the reply should have been.")
    comment: Words | None = None
    intent: IntentLabel | None = Field(default=None, description="What it should have been taken for.")
    preferred: Count | None = Field(default=None, description="Which candidate should have been chosen, from 0.")
    reward: Reward | None = Field(
        default=None, description="How good it is, from -1 to 1; with compared_with, how much better than that turn."
    )
    compared_with: Uuid7 | None = Field(default=None, description="Another turn of the same user, for `reward`.")

    model_config = {
        "json_schema_extra": {
            "examples": [
                {"rating": "up"},
                {"rating": "down", "correction": "You have no reminders.", "intent": "list_reminders"},
                {"reward": 0.5, "compared_with": "019aa0b4-7d10-7b21-9c5e-1f3a2b4c5d6e"},
            ]
        }
    }

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if all(value is None for name, value in self if name != "compared_with"):
            raise InvalidField("body", "{}", "at least one of rating, correction, comment, intent, preferred, reward")
        if self.compared_with is not None and self.reward is None:
            raise InvalidField("reward", None, "a reward from -1 to 1 with compared_with: how much better it is")
        return self


@router.post(
    "/{turn}/feedback",
    status_code=201,
    summary="Say what you think of a reply",
    responses={**_RECORDED, **responses(400, 401, 404, 413, 422, 429, 503, 504)},
)
async def feedback(turn: TurnPath, said: Opinion, request: Request, given: Given, me: Who) -> FeedbackRecorded:
    """Thumbs, corrections, “I meant …”, a better candidate, a comparison with another turn; several at once.

    Answers with what is on the record. A turn of another user is not found.
    """
    judged = await _judged(request, given, me, turn)
    if said.compared_with is not None:
        if said.compared_with == turn:
            raise InvalidField("compared_with", turn, "another turn than the one that it is about")
        await _judged(request, given, me, said.compared_with)
    judged_turns.refuse_unless_there("preferred", said.preferred, judged)
    return await given.front_end.give(FeedbackGiven(about=turn, **dict(said)), judged.meta, FeedbackRecorded)


async def _judged(request: Request, given: Gateway, me: Identity, turn: str) -> Judged:
    found = await judged_turns.find(given.bus, given.settings.tenant, LIVE_RUN, turn)
    if found is None:
        raise no_such_turn()
    await allowed_with_turn(request, me, "write", "feedback", found.meta.user)
    return found
