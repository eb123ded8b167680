"""Conversations through the real chat stage: its prompt, its history, its sentences; only the sampling is fixed.

At temperature 0 with the same seed and ids, two models are told apart by what they answer and by nothing else.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from infra.clock import SystemClock, new_id
from infra.engines.factory import make_engine
from infra.engines.roles import Roles
from infra.engines.seats import Seat
from infra.prompts import Prompts
from schemas.chat import HistoryEntry, ReplyGenerated, ReplyRequested
from schemas.event import Event, Fact, Meta
from scripts.bench.asking.backends import Backend
from stages.chat import SHELF, ChatGiven, Memory, Sampling
from stages.chat.stage import generate

HANDED_OVER: Final = 12  # turns of history that the router hands to chat
SAMPLING: Final = Sampling(temperature=0.0, top_p=1.0, top_k=1)
_PATIENCE: Final = timedelta(minutes=10)
_NAMES: Final = uuid.UUID("5b1d3c52-0000-7000-8000-000000000000")  # of the ids made here


class NotAsked(Exception):
    """Chat answered without an engine: the text of a benchmark is one that Parley knows the answer to by itself."""


@asynccontextmanager
async def chatting(backend: Backend, memory: Memory | None = None) -> AsyncIterator[ChatGiven]:
    """What chat is given, with this engine alone: without it there is no answer, and no other in its place."""
    roles = Roles({"chat": [Seat(make_engine(backend.config, SystemClock()), 64)]}, SystemClock())
    try:
        yield ChatGiven(roles, Prompts(SHELF), SAMPLING, memory or Memory())
    finally:
        await roles.aclose()


def event(text: str, history: Sequence[HistoryEntry]) -> Event[ReplyRequested]:
    """A turn that asks for talk; its id, from which chat takes the seed, follows from its text and number."""
    number = 1 + max((said.number or 0 for said in history), default=0)
    now = datetime.now(UTC)
    meta = Meta(
        id="bench",
        type="ReplyRequested",
        conversation=new_id(),
        turn=_turn(text, number),
        user="bench",
        time=now,
        deadline=now + _PATIENCE,
        number=number,
    )
    fact = ReplyRequested(text=text, talk=(text,), history=tuple(history[-HANDED_OVER:]))
    return Event(meta=meta, fact=fact)


async def facts(given: ChatGiven, text: str, history: Sequence[HistoryEntry]) -> AsyncIterator[Fact]:
    """What chat says to it."""
    async for fact in generate(event(text, history), given, ()):
        yield fact


async def answer(given: ChatGiven, text: str, history: Sequence[HistoryEntry]) -> str:
    """The whole reply. Raises EngineError; NotAsked when no engine was."""
    found = [fact async for fact in facts(given, text, history) if isinstance(fact, ReplyGenerated)]
    if found[0].prompt is None:
        raise NotAsked(f"{text!r} is answered without an engine")
    return found[0].candidates[0].text


def said(text: str, reply: str, history: Sequence[HistoryEntry]) -> HistoryEntry:
    """The turn as it goes into the history of the next."""
    number = 1 + max((entry.number or 0 for entry in history), default=0)
    return HistoryEntry(user=text, reply=reply, time=datetime.now(UTC), number=number)


def _turn(text: str, number: int) -> str:
    """A UUIDv7 in form, the same for the same text and place."""
    made = uuid.uuid5(_NAMES, f"{number} {text}").int
    return str(uuid.UUID(int=(made & ~(0xF << 76)) | (0x7 << 76)))
