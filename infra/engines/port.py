"""The ports through which everything asks a model: what is asked, what comes back, what can go wrong.

There are three: `generate`, `embed` and `score`. Implementations stand beside this file, one backend each;
infra/engines/roles.py and ranking.py order them into fallbacks.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]
"""One row a text, shape (texts, dimension)."""
Role = Literal["chat", "intent", "slots", "rank", "summarise", "judge"]
Finish = Literal["stop", "length", "error"]


class Priority(IntEnum):
    """Who goes first when the engine is full: a smaller number."""

    CONTRACT = 0  # a live turn waits for a structured answer
    LIVE = 1  # a live turn's reply
    CANDIDATE = 2  # further candidates of a live reply
    BACKGROUND = 3  # replay, export, evaluation


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat prompt."""

    role: Literal["system", "user", "assistant"]
    content: str
    example: bool = False  # of the prompt: nobody said it in this conversation


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. Sampling is always explicit, max_tokens always set."""

    messages: tuple[Message, ...]
    max_tokens: int
    deadline: datetime  # nothing is started that cannot reach its first token before this moment
    priority: Priority = Priority.LIVE
    temperature: float = 0.7
    top_p: float = 0.9
    top_k: int = 50
    repetition_penalty: float = 1.1
    seed: int | None = None
    schema: Mapping[str, Any] | None = None  # JSON schema that the answer is forced into
    continues: str = ""  # what the assistant has already said: only the rest is generated and returned
    alone: str = ""  # the question, where nothing else of the conversation is in the prompt: its answer may be recalled
    conversation: str = ""  # sent along, so that a router can keep a conversation on the server with its cache


def contract_ask(messages: tuple[Message, ...], max_tokens: int, deadline: datetime) -> Ask:
    """A request whose structured answer a live turn waits for: the likeliest one, nothing left to chance."""
    return Ask(
        messages=messages,
        max_tokens=max_tokens,
        deadline=deadline,
        priority=Priority.CONTRACT,
        temperature=0.0,
        top_p=1.0,
        top_k=1,
        repetition_penalty=1.0,
    )


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer; the last one has `finish` and the token counts."""

    text: str
    finish: Finish | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """Whether an engine can be asked now, and if not, why and what to do."""

    ok: bool
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """What all engines have in common."""

    @property
    def backend(self) -> str:
        """The name in the factory, e.g. "llama.cpp"."""

    @property
    def model(self) -> str:
        """The model's name as events and people see it."""

    async def health(self) -> EngineHealth:
        """Look whether the engine answers; never raises."""

    async def aclose(self) -> None:
        """Free what it holds."""


class Generator(Engine, Protocol):
    """An engine that generates text."""

    def generate(self, ask: Ask) -> AsyncGenerator[Delta]:
        """Stream the answer. Closing the iterator aborts generation in the engine. Raises EngineError."""


class EmbeddingEngine(Engine, Protocol):
    """An engine that places texts so that those of like meaning lie close together."""

    async def embed(self, texts: Sequence[str], deadline: datetime) -> Vectors:
        """The texts' vectors, float32 (len(texts), dimension), each of length 1. Raises EngineError."""


class ScoringEngine(Engine, Protocol):
    """An engine that says how well texts answer a question."""

    async def score(self, question: str, texts: Sequence[str], deadline: datetime) -> tuple[float, ...]:
        """One number from 0 (nothing to do with it) to 1 for each text, in their order. Raises EngineError."""


class EngineError(Exception):
    """Common to all that an engine can do wrong."""


class EngineUnavailable(EngineError):
    """Refused connection, time-out before the first token, 5xx, still loading: another engine may do."""


class EngineRefused(EngineError):
    """The engine answered 4xx: the request is wrong and would be wrong again."""


class EngineCut(EngineError):
    """The stream ended in the middle; what came before it stands."""


class ContractBroken(EngineError):
    """The answer does not validate against its contract."""


class DeadlinePassed(EngineError):
    """There was no time left to start."""
