"""What a skill is given and what it returns."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from infra.state.port import Transaction
from infra.state.scope import Scope
from schemas.event import Meta
from schemas.intents import Intent
from schemas.tasks import TaskOutcome

SPOKEN_TITLE_MAX_CHARS = 120  # a longer title is not read out in full; it is kept in full

Awaited = Literal["when", "title", "person", "amount", "direction", "which", "confirmation"]
Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Asked:
    """One intent, and around it all that a skill may know. A skill has no clock: `now` is the event's time."""

    intent: Intent
    origin: Meta
    scope: Scope
    now: datetime  # in the person's zone
    zone: ZoneInfo
    id: str  # for the row that this intent makes: the same on every try
    currency: str  # for amounts without one
    choices: tuple[str, ...] = ()  # the rows among which the person was to choose

    def local(self, at: datetime) -> datetime:
        """A moment in the person's zone."""
        return at.astimezone(self.zone)


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be asked back before a skill can act; the next turn's answer fills `awaits` and runs it again."""

    question: str
    awaits: Awaited
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a skill did, or what it needs. No outcome: it did not even begin, and first wants a yes."""

    outcome: TaskOutcome | None
    needs: Needs | None = None


Skill: TypeAlias = Callable[[Transaction, Asked], Awaitable[Result]]


def done(asked: Asked, message: str, **data: Json) -> Result:
    """It was done: `message` names it with its particulars."""
    return Result(TaskOutcome(skill=asked.intent.label, success=True, data=data, message=message))


def refused(asked: Asked, message: str, **data: Json) -> Result:
    """It was not done: `message` says why."""
    return Result(TaskOutcome(skill=asked.intent.label, success=False, data=data, message=message))


def asks(asked: Asked, why: str, question: str, awaits: Awaited, choices: tuple[str, ...] = (), **data: Json) -> Result:
    """It was not done yet: `why` is a statement, `question` what to ask the person."""
    outcome = TaskOutcome(
        skill=asked.intent.label, success=False, data={"question": question, "awaits": awaits, **data}, message=why
    )
    return Result(outcome, Needs(question, awaits, choices))


def confirms(question: str, choices: tuple[str, ...] = ()) -> Result:
    """Nothing is done before the person has said yes to the whole `question`; then `choices` are what it is about."""
    return Result(None, Needs(question, "confirmation", choices))


def quoted(title: str) -> str:
    """A title as it stands in a sentence."""
    text = " ".join(title.split())
    return f"'{text}'" if len(text) <= SPOKEN_TITLE_MAX_CHARS else f"'{text[:SPOKEN_TITLE_MAX_CHARS].rstrip()}…'"
