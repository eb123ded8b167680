"""What a model must answer in, wherever a program reads the answer back."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.intents import IntentLabel


class Contract(BaseModel):
    """Compiled to a grammar for the engine, and validated again on arrival; nothing beyond its fields is allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class IntentAnswer(Contract):
    """The intent of one utterance, when the trained head is in doubt."""

    label: IntentLabel
    confidence: Literal["low", "medium", "high"] = Field(default="medium")
