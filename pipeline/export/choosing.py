"""Says which turns are worth learning from, and why another is not. Pure."""

from dataclasses import dataclass
from typing import Final

from pipeline.export.turns import LoggedTurn

CONFIDENCE_MIN: Final = 0.5  # of the recogniser and of each intent: from there on it is rather right than wrong

AGAIN: Final = "I didn't understand that."  # begins a reply that asks the same once more


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for although it is left out otherwise."""

    failed: bool = False
    interrupted: bool = False
    low_confidence: bool = False
    fallback: bool = False
    confidence_min: float = CONFIDENCE_MIN


def left_out(turn: LoggedTurn, choice: Choice) -> str | None:
    """Why a turn is left out, in a few words; None when it is not. What a person judged needs no confidence."""
    if turn.status == "open":
        return "not ended"
    if turn.status == "failed" and not choice.failed:
        return "failed"
    if turn.status == "interrupted" and not choice.interrupted:
        return "interrupted"
    if not turn.text.strip():
        return "nothing was said"
    if turn.feedback is None and not choice.low_confidence and _surest(turn) < choice.confidence_min:
        return "low confidence"
    return None


def unfit_reply(turn: LoggedTurn, choice: Choice) -> str | None:
    """Why its reply is nothing to learn from; None when it is."""
    if not turn.reply.strip():
        return "no reply"
    engine = (turn.generated or {}).get("engine", {})
    if engine.get("fallback") and not choice.fallback:
        return "answered by a fallback engine"
    if engine.get("backend") == "fixed" and turn.talk and not turn.tasks:
        return "answered from the clock or a fixed text"
    if engine.get("backend") == "fixed" and not turn.tasks and _not_understood(turn):
        return "not understood"
    if not turn.tasks and not turn.talk and turn.asked is not None and not turn.asked.get("clarification"):
        return "nothing was answered"
    return None


def _not_understood(turn: LoggedTurn) -> bool:
    """Whether it was only told so, or asked once more the same; a question of its own ends the reply."""
    said = str((turn.asked or {}).get("clarification") or "")
    return bool(said) and (said.startswith(AGAIN) or not said.endswith("?"))


def _surest(turn: LoggedTurn) -> float:
    """The confidence of the least sure part."""
    told = [float(intent.get("confidence", 1.0)) for intent in turn.intents]
    return min([1.0 if turn.heard is None else turn.heard, *told])
