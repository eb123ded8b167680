"""What an utterance would be taken for. Nothing is acted on."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field

from infra.tokens import Role
from pipeline.gateway.api.chat import known_zone
from pipeline.gateway.api.turn_shapes import IntentTold
from pipeline.gateway.given import Given
from pipeline.gateway.guarding import needs
from pipeline.gateway.refusals import responses
from pipeline.intent_desk import Utterance, ask_intents
from schemas.event import TimeZone
from schemas.intake import TEXT_MAX_CHARS, sayable

router = APIRouter(prefix="/api/intents", tags=["intents"])


class Text(BaseModel):
    """What might be said."""

    text: Annotated[str, AfterValidator(sayable)] = Field(min_length=1, max_length=TEXT_MAX_CHARS)
    time_zone: Annotated[TimeZone, AfterValidator(known_zone)] | None = Field(
        default=None, description="IANA name, for “at three”; as configured otherwise."
    )

    model_config = {
        "json_schema_extra": {
            "examples": [
                {"text": "remind me tomorrow at three to call mum and what is a quark", "time_zone": "Europe/Berlin"}
            ]
        }
    }


class Classified(BaseModel):
    """What it asks for, in the order in which it was said; at least one intent."""

    text: str
    intents: list[IntentTold]

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "text": "what is a quark",
                    "intents": [
                        {
                            "label": "general_query",
                            "confidence": 0.98,
                            "text": "what is a quark",
                            "slots": {"query": "what is a quark"},
                            "decided_by": "head",
                        }
                    ],
                }
            ]
        }
    }


@router.post(
    "/classify",
    summary="Classify an utterance",
    responses=responses(400, 401, 403, 413, 422, 429, 503, 504),
    dependencies=[needs(Role.USER)],
)
async def classify(asked: Text, given: Given) -> Classified:
    """As `parley classify` does: by the trained head, and by the engine where the head is not sure."""
    zone = asked.time_zone or given.settings.time_zone
    found = await ask_intents(given.bus, Utterance(text=asked.text, time_zone=zone))
    return Classified(text=asked.text, intents=[IntentTold.model_validate(intent) for intent in found])
