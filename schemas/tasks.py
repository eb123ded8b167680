"""What skills did."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field

from schemas.errors import InvalidField
from schemas.event import Count, Fact, Frozen
from schemas.intents import IntentLabel


def finite(data: dict[str, Any]) -> dict[str, Any]:
    """JSON values whose numbers are all finite. Raises InvalidField."""
    waiting: list[Any] = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidField("data", value, "finite numbers: JSON has no others")
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
    return data


class TaskOutcome(Frozen):
    """One skill's result. `message` is a sentence that names what was done, or why not, with its particulars."""

    skill: IntentLabel
    success: bool
    data: Annotated[dict[str, Any], AfterValidator(finite)] = Field(default_factory=dict)  # JSON values only
    message: str


class TaskCompleted(Fact):
    """A skill has acted (or refused, `success` false) on the `intent`-th intent of the utterance."""

    intent: Count
    outcome: TaskOutcome


class ReminderDue(Fact):
    """A reminder's time has come. Announced once, late if Parley was down. Its meta names the turn that created it."""

    reminder: str
    title: str
    due_at: AwareDatetime
    message: str
