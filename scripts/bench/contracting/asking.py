"""Asks an engine all cases and keeps what each answer was worth."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from infra.engines.answers import Unreadable, read
from infra.engines.port import Ask, EngineError, Generator, Priority
from schemas.contracts import schema_of, tokens_needed
from scripts.bench.contracting.cases import Case

PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case."""

    case: Case
    text: str
    valid: bool  # as it was answered, with nothing done to it
    readable: bool  # after what Parley does to an answer, without asking again
    finish: str
    tokens: int
    seconds: float
    error: str = ""


async def asked(
    engine: Generator, cases: Iterable[Case], at_once: int, temperature: float, forced: bool
) -> list[Outcome]:
    """All outcomes, in the order of the cases. `forced`: the contract goes along as a grammar."""
    places = asyncio.Semaphore(at_once)

    async def one(number: int, case: Case) -> Outcome:
        async with places:
            return await _outcome(engine, case, number, temperature, forced)

    return await asyncio.gather(*(one(number, case) for number, case in enumerate(cases)))


async def _outcome(engine: Generator, case: Case, number: int, temperature: float, forced: bool) -> Outcome:
    ask = Ask(
        messages=case.messages,
        max_tokens=tokens_needed(case.contract),
        deadline=datetime.now(UTC) + timedelta(seconds=PATIENCE_S),
        priority=Priority.BACKGROUND,
        temperature=temperature,
        top_p=1.0,
        top_k=0,
        repetition_penalty=1.0,
        seed=number,
        schema=schema_of(case.contract) if forced else None,
    )
    text, finish, tokens, error = "", "", 0, ""
    begun = time.perf_counter()
    try:
        async for delta in engine.generate(ask):
            text += delta.text
            finish, tokens = delta.finish or finish, delta.completion_tokens or tokens
    except EngineError as broken:
        error = f"{type(broken).__name__}: {broken}"
    seconds = time.perf_counter() - begun
    valid, readable = _is_valid(text, case), _is_readable(text, case) and finish == "stop"
    return Outcome(case, text, valid, readable, finish, tokens, seconds, error)


def _is_valid(text: str, case: Case) -> bool:
    try:
        case.contract.model_validate_json(text)
    except ValidationError:
        return False
    return True


def _is_readable(text: str, case: Case) -> bool:
    try:
        read(text, case.contract)
    except Unreadable:
        return False
    return True


def distinct(outcomes: Sequence[Outcome]) -> int:
    """How many different answers there are: a bench in which all are alike would prove little."""
    return len(Counter(outcome.text for outcome in outcomes))
