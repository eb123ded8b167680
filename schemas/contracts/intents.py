"""Which intents an utterance has, as a model answers it."""

from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.contracts.contract import Contract, Line
from schemas.intents import IntentLabel

PARTS_MAX: Final = 3
PART_MAX_CHARS: Final = 80

Sureness = Literal["low", "medium", "high"]


class IntentAnswer(Contract):
    """The intent of one utterance, when the trained head is in doubt."""

    label: IntentLabel
    confidence: Sureness = Field(default="medium")


class IntentPart(Contract):
    """One thing that is wanted, and the words that say so."""

    text: Annotated[str, Line(PART_MAX_CHARS)]
    label: IntentLabel
    confidence: Sureness = Field(default="medium")


class IntentParts(Contract):
    """All that an utterance wants, in the order in which it was said."""

    intents: tuple[IntentPart, ...] = Field(min_length=1, max_length=PARTS_MAX)
