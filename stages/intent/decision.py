"""Decides what a part of an utterance wants: the head when it is sure, the engine between its best guesses when not.

A small model is bad at this (measured: docs/measurements.md), so it never decides alone. It is offered the head's best
candidates, in words, and its answer weighs as much as it has been seen to be right (`trust`): Bayes' rule on the head's
probabilities. With a trust at chance level it is not asked at all, since its answer could change nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar

from pydantic import create_model

from infra.engines.port import Ask, EngineError, Role, contract_ask
from infra.prompts import Prompts
from schemas.chat import EngineUse
from schemas.contracts import Contract, IntentAnswer, tokens_needed
from schemas.intents import IntentLabel
from schemas.prompts import PromptUse
from stages.intent.prompting import CHOOSE, SHELF

C = TypeVar("C", bound=Contract)
DecidedBy = Literal["head", "engine", "fallback"]

CANDIDATES: Final = 3  # the right label is among the head's best three in 98 of 100 cross-validated examples
MEASURED_TRUST: Final[Mapping[str, float]] = {"smollm2-135m": 1 / CANDIDATES}  # 0.33 of 198: chance
UNMEASURED_TRUST: Final = 0.6  # a bigger model: it decides where the head's best two are close, and nowhere else
DESCRIPTIONS: Final[Mapping[IntentLabel, str]] = {
    IntentLabel.CREATE_REMINDER: "asks to be reminded of something, or for an alarm",
    IntentLabel.LIST_REMINDERS: "asks which reminders or alarms there are, or what is to be done",
    IntentLabel.UPDATE_REMINDER: "wants an existing reminder or alarm changed or moved",
    IntentLabel.CANCEL_REMINDER: "wants an existing reminder or alarm deleted",
    IntentLabel.CREATE_NOTE: "wants something written down or put on a list",
    IntentLabel.LIST_NOTES: "asks what is in the notes or on a list",
    IntentLabel.CREATE_LEDGER: "says or asks who owes money to whom",
    IntentLabel.ADD_EXPENSE: "says what was spent or what something cost",
    IntentLabel.SCHEDULE_EVENT: "wants an appointment or event in the calendar",
    IntentLabel.ADD_FRIEND: "wants a person added to friends or contacts",
    IntentLabel.CHIT_CHAT: "makes small talk, greets, thanks, or asks about the assistant",
    IntentLabel.GENERAL_QUERY: "asks a question about the world",
    IntentLabel.UNKNOWN: "asks for something else, or makes no sense",
}


class Asker(Protocol):
    """Whoever can be asked for an answer in a contract."""

    async def answer(
        self, role: Role, ask: Ask, contract: type[C], within_s: float | None = None
    ) -> tuple[C, EngineUse]:
        """An answer that validates as `contract`. Raises EngineError."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What happens when the head is not sure.

    `trust`: how often the engine's choice among CANDIDATES is right (`scripts/bench/intents --trust` measures it);
    1 / CANDIDATES or less: it is not asked.
    """

    engine: Asker | None = None
    prompts: Prompts | None = None
    trust: float = 0.0
    limit_ms: int = 2_000  # a longer silence is worse than a wrong guess, which the person can correct
    hopeless: float = (
        0.3  # below this half of the head's guesses are wrong, and acting on one is worse than asking back
    )


def doubt_with(engine: Asker, model: str | None, own_prompts: Path | None = None) -> Doubt:
    """Doubt that asks an engine, as far as its model (None: the bundled one) is to be trusted."""
    return Doubt(engine, Prompts(SHELF, own_prompts), trust_in(model))


def trust_in(model: str | None) -> float:
    """How often a model's choice among CANDIDATES is right."""
    if model is None:
        return 1 / CANDIDATES
    return next((trust for name, trust in MEASURED_TRUST.items() if name in model.lower()), UNMEASURED_TRUST)


@dataclass(frozen=True, slots=True)
class Decision:
    """A label, how probable it is, and who decided."""

    label: IntentLabel
    confidence: float
    decided_by: DecidedBy
    prompt: PromptUse | None = None  # with which the engine was asked, when it decided


@dataclass(frozen=True, slots=True)
class Answered:
    """What an engine chose, and with which prompt it was asked."""

    label: IntentLabel
    prompt: PromptUse


Shares = Mapping[IntentLabel, float]
"""The head's probability of each label; they sum to 1."""


async def decide(text: str, shares: Shares, threshold: float, doubt: Doubt, deadline: datetime | None) -> Decision:
    """What the part wants. Never raises because of the engine: then the head's best stands."""
    best = max(shares, key=lambda label: shares[label])
    if shares[best] >= threshold:
        return Decision(best, shares[best], "head")
    if shares[best] < doubt.hopeless:
        return Decision(IntentLabel.UNKNOWN, 1 - shares[best], "head")
    candidates = sorted(shares, key=lambda label: -shares[label])[:CANDIDATES]
    answer: Answered | None = None
    if deadline is not None and doubt.trust > 1 / len(candidates):
        answer = await ask_engine(text, candidates, doubt, deadline)
    if answer is None:
        return Decision(best, shares[best], "fallback")
    weighed = weigh(shares, candidates, answer.label, doubt.trust)
    best = max(weighed, key=lambda label: weighed[label])
    return Decision(best, min(1.0, weighed[best]), "engine", answer.prompt)


def weigh(
    shares: Shares, candidates: Sequence[IntentLabel], answer: IntentLabel, trust: float
) -> dict[IntentLabel, float]:
    """The head's probabilities after an answer that is right with probability `trust`, and else any other candidate."""
    wrong = (1 - trust) / (len(candidates) - 1)
    odds = {label: shares[label] * (trust if label is answer else wrong) for label in candidates}
    total = sum(odds.values()) or 1.0
    within = sum(shares[label] for label in candidates)
    return {label: value / total * within for label, value in odds.items()}


async def ask_engine(text: str, candidates: Sequence[IntentLabel], doubt: Doubt, deadline: datetime) -> Answered | None:
    """The engine's choice among the candidates; None when there is no engine, it fails or takes too long."""
    if doubt.engine is None or doubt.prompts is None:
        return None
    # In a fixed order: small models favour the first one listed, which must not be the head's favourite.
    listed = [label for label in IntentLabel if label in candidates]
    described = "\n".join(f"{label.value}: the person {DESCRIPTIONS[label]}" for label in listed)
    contract = narrowed(listed)
    prompt = doubt.prompts.render(CHOOSE, {"utterance": text, "candidates": described})
    ask = contract_ask(prompt.messages, tokens_needed(contract), deadline)
    try:
        answer, _ = await doubt.engine.answer("intent", ask, contract, within_s=doubt.limit_ms / 1000)
    except EngineError:
        return None
    label = IntentLabel(answer.label.value)
    return Answered(label, prompt.use) if label in candidates else None


def narrowed(candidates: Sequence[IntentLabel]) -> type[IntentAnswer]:
    """The contract IntentAnswer with these labels only."""
    labels = StrEnum("CandidateLabel", {label.name: label.value for label in candidates})  # type: ignore[misc]  # made at run time
    return create_model("IntentAnswer", __base__=IntentAnswer, label=(labels, ...))
