"""What Parley asked back about what was meant, and what the person made of it in the conversation's next turn. Pure.

There are two such questions: whether to do what was only guessed ("Shall I …?": one meaning, answered by yes or no),
and which of several things is meant ("Which one should I cancel: 'milk' at 3 PM or 'tea' at 5 PM?"). Others ("when?")
ask for what is missing, not for what was meant. Turns must come in the order in which they were said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.export.turns import LoggedTurn, Payload
from schemas.intents import Intent
from stages.router.asked import quoted
from stages.router.consent import consent
from stages.router.guesses import needs_a_yes

_WHICH: Final = re.compile(r"\AWhich one should I (?P<verb>\w+): (?P<named>.+?)(?: \(and \d+ more\))?\?\Z", re.DOTALL)
_BETWEEN: Final = re.compile(r"(?:,? or|,)\s*\Z")


@dataclass(frozen=True, slots=True)
class Option:
    """One meaning, as a question that is answered by yes."""

    question: str
    confidence: float | None = None  # 0 to 1; None: nothing was said of how likely it is


@dataclass(frozen=True, slots=True)
class Clarified:
    """A question that was answered."""

    turn: LoggedTurn  # the one that was not clear
    options: tuple[Option, ...]
    chosen: int | None  # None: none of them


@dataclass(frozen=True, slots=True)
class _Asked:
    turn: LoggedTurn
    options: tuple[Option, ...]
    ids: tuple[str, ...] = ()  # of what there was to choose from


class Clarifications:
    """Follows the conversations of one export."""

    def __init__(self) -> None:
        self._open: dict[str, _Asked] = {}
        self.unanswered = 0  # questions that the next turn did not answer

    def heard(self, turn: LoggedTurn) -> Clarified | None:
        """What this turn answers, if it does; from here on the next one may answer what it asks."""
        asked = self._open.pop(turn.conversation, None)
        answered = None if asked is None else _answered(asked, turn)
        if asked is not None and answered is None:
            self.unanswered += 1
        opened = _guessed(turn) or _which(turn)
        if opened is not None:
            self._open[turn.conversation] = opened
        return answered


def _answered(asked: _Asked, turn: LoggedTurn) -> Clarified | None:
    if not asked.ids:
        said = consent(turn.text)
        return None if said is None else Clarified(asked.turn, asked.options, 0 if said == "yes" else None)
    for _, outcome in turn.tasks:
        data = outcome.get("data", {})
        if outcome.get("success") and data.get("reminder") in asked.ids:
            return Clarified(asked.turn, asked.options, asked.ids.index(data["reminder"]))
        if data.get("dropped"):
            return Clarified(asked.turn, asked.options, None)
    return None


def _guessed(turn: LoggedTurn) -> _Asked | None:
    """One meaning that wanted a yes."""
    question = (turn.asked or {}).get("clarification")
    if not question:
        return None
    told = [Intent.model_validate(one) for one in turn.intents]
    guessed = [intent for intent in told if needs_a_yes(intent)]
    if len(guessed) != 1 or len(told) != 1:
        return None
    return _Asked(turn, (Option(str(question), round(guessed[0].confidence, 4)),))


def _which(turn: LoggedTurn) -> _Asked | None:
    """Several things, of which one was meant; None also when they cannot be told apart by what was said of them."""
    for _, outcome in turn.tasks:
        data: Payload = outcome.get("data", {})
        if data.get("awaits") != "which":
            continue
        candidates: Sequence[dict[str, Any]] = data.get("candidates", ())
        questions = _one_by_one(str(data.get("question", "")), [str(one.get("title", "")) for one in candidates])
        if len(set(questions)) > 1:
            options = tuple(Option(question) for question in questions)
            return _Asked(turn, options, tuple(str(one.get("reminder")) for one in candidates))
    return None


def _one_by_one(question: str, titles: Sequence[str]) -> list[str]:
    """The question about several things as one about each, in the same words; empty where its words are others."""
    asked = _WHICH.match(question)
    if asked is None:
        return []
    named, starts, at = asked["named"], list[int](), 0
    for title in titles:
        at = named.find(quoted(title), at)
        if at < 0:
            return []
        starts.append(at)
        at += len(quoted(title))
    parts = [named[start:end] for start, end in zip(starts, [*starts[1:], len(named)], strict=True)]
    return [f"Shall I {asked['verb']} {_BETWEEN.sub('', part.rstrip()).strip()}?" for part in parts]
