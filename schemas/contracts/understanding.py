"""What a model makes of an utterance beyond its words: what could be meant, what stands behind it, what to ask next."""

from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.contracts.contract import Contract, Line

HYPOTHESES_MAX: Final = 3
QUESTIONS_MAX: Final = 3
GOALS_MAX: Final = 4

Question = Annotated[str, Line(90)]
Goal = Annotated[str, Line(60)]
Percent = Annotated[int, Field(ge=0, le=100)]


class Hypothesis(Contract):
    """Something that may be meant, as a question that a yes or a no answers, and how probable it is."""

    question: Question
    confidence: Percent

    @property
    def share(self) -> float:
        """The confidence from 0 to 1."""
        return self.confidence / 100


class Hypotheses(Contract):
    """What an unclear wish may mean. Confidences are each for itself: they need not add up to 100."""

    hypotheses: tuple[Hypothesis, ...] = Field(min_length=1, max_length=HYPOTHESES_MAX)

    @property
    def best_first(self) -> tuple[Hypothesis, ...]:
        """Sorted by confidence, and of the same question only the surest."""
        told: dict[str, Hypothesis] = {}
        for hypothesis in sorted(self.hypotheses, key=lambda one: -one.confidence):
            told.setdefault(hypothesis.question.casefold(), hypothesis)
        return tuple(told.values())


class Enrichment(Contract):
    """What somebody wants without saying it, and how much they know already."""

    implicit_goals: tuple[Goal, ...] = Field(max_length=GOALS_MAX)
    expertise: Literal["beginner", "intermediate", "expert"]


class FollowUps(Contract):
    """Questions that would carry the conversation on."""

    questions: tuple[Question, ...] = Field(min_length=1, max_length=QUESTIONS_MAX)
