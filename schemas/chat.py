"""From a request for a reply to the reply that was chosen, sentence by sentence."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field

from schemas.event import Count, Fact, Frozen
from schemas.prompts import PromptUse
from schemas.tasks import TaskOutcome


class HistoryEntry(Frozen):
    """One earlier turn of the conversation, as it was said and heard."""

    user: str
    reply: str  # only what was spoken, when the turn was interrupted
    time: AwareDatetime
    number: Count | None = None  # of the turn within the conversation; None: written before it was told


class ReplyRequested(Fact):
    """All that chat needs to answer; it asks nobody else.

    `tasks` were done in this turn, `talk` are the parts of the utterance that want a conversational answer,
    `clarification` is what to ask the person because something could not be understood or done.
    """

    once: ClassVar[bool] = True
    text: str  # the whole utterance; empty when nothing was heard
    talk: tuple[str, ...] = ()
    tasks: tuple[TaskOutcome, ...] = ()
    clarification: str | None = None
    history: tuple[HistoryEntry, ...] = ()


class EngineUse(Frozen):
    """Which engine answered; `fallback` when it was not the first choice, or broke off; `reason` then says why."""

    backend: str
    model: str
    fallback: bool = False
    reason: str | None = None


class TokenUse(Frozen):
    """Tokens as the engine counted them."""

    prompt: Count = 0
    completion: Count = 0


class SentenceGenerated(Fact):
    """One sentence of one candidate.

    Sentence 0 of all candidates is said in one event (`firsts`, one text a candidate, `text` being the first of
    them); later sentences one by one. `firsts` is repeated in each event so that whoever chooses can choose from
    any of them alike without remembering anything.
    """

    asked: str  # the utterance that is answered
    candidate: Count = 0
    index: Count
    text: str
    last: bool  # no further sentence of this candidate follows
    firsts: tuple[str, ...] = Field(min_length=1)
    firsts_last: tuple[bool, ...] = ()  # with index 0: which candidates end with their first sentence
    relevance: tuple[float, ...] = ()  # 0 to 1 for each of `firsts`, where an engine ranked them; repeated like them


class Candidate(Frozen):
    """One whole reply: exactly its sentences, joined by single spaces."""

    text: str
    sentences: tuple[str, ...]
    finish: Literal["stop", "length", "cut", "error"] = "stop"


class ReplyGenerated(Fact):
    """All candidates, whole, and how they came about."""

    once: ClassVar[bool] = True
    asked: str
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    engine: EngineUse
    prompt: PromptUse | None = None
    tokens: TokenUse = TokenUse()
    relevance: tuple[float, ...] = ()  # as in its sentences
    ranked_by: EngineUse | None = (
        None  # who said so, or why none did (backend none); None: not asked, or before a redelivery
    )


class SentenceChosen(Fact):
    """A sentence of the chosen candidate: to be spoken."""

    index: Count
    text: str
    last: bool


class Score(Frozen):
    """Why a candidate stands where it stands; each part from 0 (bad) to 1 (good)."""

    candidate: Count
    total: float
    relevance: float
    repetition: float
    length: float
    sound: float  # 0 for empty or broken text


class ReplyChosen(Fact):
    """Which candidate is the reply."""

    once: ClassVar[bool] = True
    asked: str = ""  # the utterance that is answered, for history
    chosen: Count
    text: str
    sentences: Count
    scores: tuple[Score, ...] = ()  # best first; empty when there was nothing to choose from
    scored_on: Literal["single", "first sentences"] = "single"
