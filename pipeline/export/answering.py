"""Tells which turns answered what Parley had asked back, and what a skill was called with then. Pure.

The log holds no slots after an answer was filled in: the turn's own are only a part of them. So what was done is told
by the skill's data, where they tell all of it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pipeline.export.turns import LoggedTurn, Payload
from schemas.intents import IntentLabel

_NOTHING: Final[Payload] = {}


def answered(turn: LoggedTurn, place: int, outcome: Payload) -> bool:
    """Whether the skill completed (or dropped) the wish of an earlier turn: this one alone does not say it all."""
    intent = _intent(turn, place)
    data: Payload = outcome.get("data", _NOTHING)
    if intent.get("label") != outcome.get("skill") or data.get("dropped"):
        return True
    return _lacks(str(outcome.get("skill")), intent.get("slots", _NOTHING), data, done=bool(outcome.get("success")))


def answers(turn: LoggedTurn) -> bool:
    """Whether any part of the turn answered a question."""
    return any(answered(turn, place, outcome) for place, outcome in turn.tasks)


def slots_of(turn: LoggedTurn, place: int, outcome: Payload) -> Mapping[str, Any] | None:
    """The slots that the skill worked on; None where the log does not tell all of them."""
    intent = _intent(turn, place)
    slots: Payload = intent.get("slots", _NOTHING)
    if not answered(turn, place, outcome):
        return slots
    data: Payload = outcome.get("data", _NOTHING)
    if not outcome.get("success") or data.get("dropped"):
        return None
    when = slots.get("when") or _NOTHING
    match outcome.get("skill"):
        case IntentLabel.CREATE_NOTE if data.get("text"):
            return {"title": data["text"]}
        case IntentLabel.ADD_FRIEND if data.get("person"):
            return {"person": data["person"]}
        case IntentLabel.CREATE_REMINDER if data.get("title") and _is_then(when, data.get("due_at")):
            return {"title": data["title"], "when": when}
        case _:
            return None


def _intent(turn: LoggedTurn, place: int) -> Payload:
    return turn.intents[place] if place < len(turn.intents) else _NOTHING


def _lacks(skill: str, slots: Payload, data: Payload, *, done: bool) -> bool:
    """Whether the slots are without something that the skill had, or cannot do without."""
    match skill:
        case IntentLabel.CREATE_REMINDER | IntentLabel.SCHEDULE_EVENT:
            untitled = bool(data.get("title")) and not slots.get("title")
            return untitled or (done and not (slots.get("title") and slots.get("when")))
        case IntentLabel.UPDATE_REMINDER:
            return done and not slots.get("when") and not slots.get("new_title")
        case IntentLabel.CREATE_NOTE:
            return done and not slots.get("title")
        case IntentLabel.ADD_FRIEND:
            return done and not slots.get("person") and not slots.get("title")
        case IntentLabel.CREATE_LEDGER:
            return bool(data.get("entry")) and not (slots.get("person") and slots.get("amount"))
        case IntentLabel.ADD_EXPENSE:
            return bool(data.get("expense")) and not slots.get("amount")
        case _:
            return False


def _is_then(when: Payload, due_at: Any) -> bool:
    """Whether the words that were said mean this moment; a day means any time of it."""
    try:
        at, due = datetime.fromisoformat(str(when.get("at"))), datetime.fromisoformat(str(due_at))
    except ValueError:
        return False
    if when.get("all_day"):
        return at.astimezone(due.tzinfo).date() == due.date()
    return at == due
