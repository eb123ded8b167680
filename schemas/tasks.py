"""What skills did."""

from typing import Any

from pydantic import AwareDatetime, Field

from schemas.event import Fact, Frozen
from schemas.intents import IntentLabel


class TaskOutcome(Frozen):
    """One skill's result. `message` is a sentence that names what was done, or why not, with its particulars."""

    skill: IntentLabel
    success: bool
    data: dict[str, Any] = Field(default_factory=dict)  # JSON values only
    message: str


class TaskCompleted(Fact):
    """A skill has acted (or refused, `success` false) on the `intent`-th intent of the utterance."""

    intent: int = Field(ge=0)
    outcome: TaskOutcome


class ReminderDue(Fact):
    """A reminder's time has come. Announced once, late if Parley was down. Its meta names the turn that created it."""

    reminder: str
    title: str
    due_at: AwareDatetime
    message: str
