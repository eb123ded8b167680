"""A turn as the log tells it, put together from its events and from what people thought of it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

Payload: TypeAlias = Mapping[str, Any]
"""A fact as JSON: what a later minor version added is there, what an earlier one did not have is not."""
Status = Literal["open", "completed", "failed", "interrupted"]

EVENTS: Final = (
    "TextTurnOpened",
    "SpeechTurnOpened",
    "TranscriptReady",
    "IntentClassified",
    "TaskCompleted",
    "ReplyRequested",
    "ReplyGenerated",
    "ReplyChosen",
    "TurnCompleted",
    "TurnFailed",
    "TurnInterrupted",
)
HISTORY: Final = "ReplyRequested"
_ENDS: Final[Mapping[str, Status]] = {
    "TurnCompleted": "completed",
    "TurnFailed": "failed",
    "TurnInterrupted": "interrupted",
}


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person thought of a turn; of several opinions on the same question the last counts."""

    rating: Literal["up", "down"] | None = None
    correction: str | None = None  # what the reply should have been
    comment: str | None = None
    intent: str | None = None  # the label that it should have been
    preferred: int | None = None  # the candidate that should have been chosen
    reward: float | None = None  # -1 to 1, of this reply by itself
    compared: tuple[tuple[str, float], ...] = ()  # another turn, and how much better than its reply this one is

    @property
    def liked(self) -> bool | None:
        """Whether the reply was right as it was; None when nobody said so or the opposite."""
        if self.rating is not None:
            return self.rating == "up"
        if self.reward:
            return self.reward > 0
        return False if self.correction else None


def with_opinion(before: Feedback, told: Payload) -> Feedback:
    """What is thought after one more FeedbackRecorded; fields that it does not hold stay as they were."""
    other, reward = told.get("compared_with"), told.get("reward")
    compared = dict(before.compared)
    if other is not None and reward is not None:
        compared[str(other)] = float(reward)
    plain = {name: told.get(name) for name in ("rating", "correction", "comment", "intent", "preferred")}
    if other is None:
        plain["reward"] = reward
    kept = {name: getattr(before, name) if value is None else value for name, value in plain.items()}
    return Feedback(**{"reward": before.reward, **kept}, compared=tuple(compared.items()))


@dataclass(slots=True)
class LoggedTurn:
    """One turn. Facts that the log does not have (or not yet) are None or empty."""

    id: str
    conversation: str
    user: str
    time: datetime
    text: str = ""  # as it was typed, or as it was understood
    heard: float | None = None  # the recogniser's confidence; None when typed
    intents: list[Payload] = field(default_factory=list)
    tasks: list[tuple[int, Payload]] = field(default_factory=list)  # the intent's place, and what the skill did
    asked: Payload | None = None  # ReplyRequested
    generated: Payload | None = None  # ReplyGenerated
    chosen: Payload | None = None  # ReplyChosen
    status: Status = "open"
    spoken: str = ""  # of the reply, when the turn was interrupted
    feedback: Feedback | None = None

    @property
    def reply(self) -> str:
        """What was answered; of an interrupted turn what was heard of it."""
        if self.status == "interrupted":
            return self.spoken
        return str((self.chosen or {}).get("text", ""))

    @property
    def candidates(self) -> list[Payload]:
        return list((self.generated or {}).get("candidates", ()))

    @property
    def talk(self) -> str:
        """The parts that want a conversational answer."""
        return " ".join(part.strip() for part in (self.asked or {}).get("talk", ()) if part.strip())


def add(turn: LoggedTurn, kind: str, payload: Payload) -> None:
    """Put one event of the turn into it; they come in the order in which they happened."""
    match kind:
        case "TextTurnOpened":
            turn.text = str(payload.get("text", ""))
        case "TranscriptReady":
            turn.text, turn.heard = str(payload.get("text", "")), payload.get("confidence")
        case "IntentClassified":
            turn.intents = list(payload.get("intents", ()))
            turn.text = turn.text or str(payload.get("text", ""))
        case "TaskCompleted":
            turn.tasks.append((int(payload.get("intent", 0)), payload.get("outcome", {})))
        case "ReplyRequested":
            turn.asked = payload
        case "ReplyGenerated":
            turn.generated = payload
        case "ReplyChosen":
            turn.chosen = payload
        case "TurnCompleted" | "TurnFailed" | "TurnInterrupted":
            turn.status = _ENDS[kind]
            turn.spoken = str(payload.get("spoken", ""))


def opinions(told: Iterable[Payload]) -> dict[str, Feedback]:
    """What is thought of each turn that anybody thought something of, by its id; `told` in the order of events."""
    found: dict[str, Feedback] = {}
    for each in told:
        about = str(each.get("about", ""))
        found[about] = with_opinion(found.get(about, Feedback()), each)
    return found
