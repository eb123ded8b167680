"""Plans a reply: what is said in the skills' own words, what is asked back, and what an engine is asked to add.

Everything that decides the engine's request is here: prompt, history, sampling, limits, priority, deadline.
"""

import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from infra.engines.port import Ask, Priority
from infra.prompts import Prompts, Rendered
from schemas.chat import ReplyRequested
from schemas.event import Event
from schemas.ids import LIVE_RUN
from stages.chat.acknowledgement import acknowledged
from stages.chat.draft import Plan
from stages.chat.known import known
from stages.chat.prompting import REPLY
from stages.chat.remembering import remembered, shortened
from stages.chat.sentences import sentences_of

NOT_HEARD: Final = "I didn't catch that. Could you say it again?"
PATIENCE: Final = timedelta(seconds=30)  # for an event without a deadline


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the engine is to speak."""

    temperature: float = 0.2  # tried on SmolLM2: above 0.4 it wanders, at 0 it falls into loops
    top_p: float = 0.8
    top_k: int = 40
    repetition_penalty: float = 1.05  # more of it drives a small model away from the words of the question
    max_tokens: int = 80
    max_sentences: int = 2  # what a listener waits for; also where a small model begins to ramble


@dataclass(frozen=True, slots=True)
class Memory:
    """How much goes into a prompt."""

    history_turns: int = 8
    history_block: int = 4  # so many turns leave together: in between a prompt begins with all of the one before
    history_tokens: int = 600
    talk_tokens: int = 1_000  # together with history and answer within the 2,048 of the embedded engine's slot


def planned(
    event: Event[ReplyRequested], prompts: Prompts, sampling: Sampling, memory: Memory
) -> tuple[Plan, Rendered | None]:
    """What the reply is made of, and the prompt if an engine has a part in it."""
    request = event.fact
    opening = tuple(acknowledged(request.tasks))
    closing = tuple(sentences_of(request.clarification or ""))
    talk = " ".join(part.strip() for part in request.talk if part.strip())
    if not talk:
        return Plan(opening, None, closing if opening or closing else (NOT_HEARD,)), None
    meta = event.meta
    if (fact := known(talk, meta.time, meta.time_zone)) is not None:
        return Plan((*opening, *sentences_of(fact)), None, closing), None
    history = remembered(request.history, memory.history_turns, memory.history_tokens, memory.history_block)
    prompt = prompts.render(REPLY, {"talk": shortened(talk, memory.talk_tokens)}, history)
    ask = Ask(
        messages=prompt.messages,
        max_tokens=sampling.max_tokens,
        deadline=meta.deadline or meta.time + PATIENCE,
        priority=Priority.LIVE if meta.run == LIVE_RUN else Priority.BACKGROUND,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        repetition_penalty=sampling.repetition_penalty,
        seed=zlib.crc32(meta.turn.encode()),
        alone="" if history else talk,
        conversation=meta.conversation,
    )
    return Plan(opening, ask, closing, sampling.max_sentences), prompt
