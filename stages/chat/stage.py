"""The chat generator: hears what a reply needs, says it sentence by sentence, then the whole.

What skills did and what has to be asked back is said in their own words; only the rest is an engine's, and only that is
sampled. On a redelivery it goes on after the sentences that it has already said, so that a reply is never two spliced.
It does not know which engine answers, which candidate will be chosen, or what time it is.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from infra.engines.port import EngineError, Priority
from infra.engines.roles import Roles
from infra.prompts import Prompts
from schemas.chat import Candidate, EngineUse, ReplyGenerated, ReplyRequested, SentenceGenerated, TokenUse
from schemas.event import Event, Fact
from schemas.stage import Stage
from stages.chat.draft import Draft, Plan, Spoken
from stages.chat.planning import PATIENCE, Memory, Sampling, planned

RANK_WITHIN_S: Final = 0.5  # the first sentence waits for it
FIXED: Final = EngineUse(backend="fixed", model="none")  # a reply in which no engine had a part

Chooser = Callable[[str, Sequence[str], Sequence[float]], int]
Relevance = Callable[[str, Sequence[str], datetime, float], Awaitable[tuple[tuple[float, ...], EngineUse]]]


@dataclass(frozen=True, slots=True)
class ChatGiven:
    """What chat needs."""

    roles: Roles
    prompts: Prompts  # those of stages/chat/prompting.py
    sampling: Sampling = field(default_factory=Sampling)
    memory: Memory = field(default_factory=Memory)
    candidates: int = 1
    choose: Chooser = lambda _asked, _firsts, _relevance: 0  # which first sentence the reranker will choose
    relevance: Relevance | None = None  # says how well first sentences answer, within seconds; may raise EngineError
    rank_within_s: float = RANK_WITHIN_S
    finish_losers: bool = False  # True when training data is collected; otherwise they are cut


class ReplySpliced(RuntimeError):
    """A reply is not what its sentences are together: a mistake in this program, never sent out."""


async def generate(
    event: Event[ReplyRequested], given: ChatGiven, earlier: tuple[Fact, ...]
) -> AsyncGenerator[SentenceGenerated | ReplyGenerated]:
    """Say the sentences of all candidates, then ReplyGenerated. Raises EngineError when no engine can start."""
    request = event.fact
    said = [fact for fact in earlier if isinstance(fact, SentenceGenerated)]
    plan, prompt = planned(event, given.prompts, given.sampling, given.memory)
    drafts = _drafts(given, plan, said)
    ranking: list[EngineUse] = []
    together = _one(event, drafts[0]) if len(drafts) == 1 else _several(event, given, drafts, said, ranking)
    async with aclosing(together) as sentences:
        async for sentence in sentences:
            said.append(sentence)
            yield sentence
    candidates = tuple(_whole(draft, _texts_of(said, number)) for number, draft in enumerate(drafts))
    used = next((draft.use for draft in drafts if draft.use is not None), None)
    if used is None:
        used = _engine_before(given) if plan.ask is not None else FIXED
    elif plan.ask is not None and drafts[0].finish in ("stop", "length"):
        given.roles.remember(plan.ask, drafts[0].of_engine, used)
    yield ReplyGenerated(
        asked=request.text,
        candidates=candidates,
        engine=used,
        prompt=prompt.use if prompt else None,
        tokens=TokenUse(
            prompt=sum(draft.tokens.prompt for draft in drafts),
            completion=sum(draft.tokens.completion for draft in drafts),
        ),
        relevance=said[0].relevance if said else (),
        ranked_by=next(iter(ranking), None),
    )


def _drafts(given: ChatGiven, plan: Plan, said: Sequence[SentenceGenerated]) -> list[Draft]:
    """The candidates. Where a fixed sentence comes first there is nothing to choose between, and one is enough.

    After a redelivery there are as many as were begun.
    """
    several = plan.ask is not None and not plan.opening
    count = len(said[0].firsts) if said else given.candidates if several else 1
    return [
        Draft(given.roles, _numbered(plan, number), _texts_of(said, number), _ended(said, number))
        for number in range(count)
    ]


def _texts_of(said: Sequence[SentenceGenerated], number: int) -> list[str]:
    """A candidate's sentences in order; the first comes from `firsts`, and is missing where it was empty."""
    later = {fact.index: fact.text for fact in said if fact.candidate == number and fact.index > 0}
    first = [said[0].firsts[number]] if said and said[0].firsts[number] else []
    return first + [later[index] for index in sorted(later)]


def _ended(said: Sequence[SentenceGenerated], number: int) -> bool:
    if any(fact.last for fact in said if fact.candidate == number and fact.index > 0):
        return True
    return any(fact.firsts_last[number] for fact in said if number < len(fact.firsts_last))


def _numbered(plan: Plan, number: int) -> Plan:
    """The plan of one of several candidates: another seed, and all but the first wait behind live replies."""
    if plan.ask is None or number == 0:
        return plan
    seed = None if plan.ask.seed is None else (plan.ask.seed + number) & 0xFFFFFFFF
    return replace(plan, ask=replace(plan.ask, seed=seed, priority=max(plan.ask.priority, Priority.CANDIDATE)))


async def _one(event: Event[ReplyRequested], draft: Draft) -> AsyncGenerator[SentenceGenerated]:
    async with aclosing(draft.rest()) as rest:
        async for spoken in rest:
            yield _sentence(event, 0, draft, spoken, (draft.sentences[0],))


async def _several(
    event: Event[ReplyRequested],
    given: ChatGiven,
    drafts: list[Draft],
    said: Sequence[SentenceGenerated],
    ranking: list[EngineUse],
) -> AsyncGenerator[SentenceGenerated]:
    """The first sentences of all candidates in one event, then the rest of the one that will be chosen.

    Their relevance stands in that event, so that chat, the reranker and a repetition of either choose alike; who
    ranked is put into `ranking`.
    The others are cut there, or, when training data is collected, finished at the lowest priority behind it.
    """
    if said:
        firsts, relevance = said[0].firsts, said[0].relevance
    else:
        begun = await _begun(drafts)
        firsts = tuple(spoken.text for spoken in begun)
        relevance = await _relevance(event, given, firsts, ranking)
        yield SentenceGenerated(
            asked=event.fact.text,
            index=0,
            text=firsts[0],
            last=begun[0].last,
            firsts=firsts,
            firsts_last=tuple(spoken.last for spoken in begun),
            relevance=relevance,
        )
    chosen = given.choose(event.fact.text, firsts, relevance)
    async with aclosing(drafts[chosen].at(drafts[0].priority).rest()) as rest:
        async for spoken in rest:
            yield _sentence(event, chosen, drafts[chosen], spoken, firsts, relevance)
    for number, draft in enumerate(drafts):
        if number == chosen or draft.ended:
            continue
        if not given.finish_losers:
            draft.finish = "cut"
            continue
        async with aclosing(draft.at(Priority.BACKGROUND).rest()) as stream:
            try:
                async for spoken in stream:
                    yield _sentence(event, number, draft, spoken, firsts, relevance)
            except EngineError:
                draft.finish = "cut"  # nobody waits for it: no engine had time


async def _begun(drafts: Sequence[Draft]) -> list[Spoken]:
    """The first sentence of each, generated at the same time; empty where no engine could start.

    Each lets go of its engine at once: holding on to one while waiting for another's place might wait for ever. The
    chosen one goes on by continuing, with its prompt still in the engine's cache. Raises EngineError when none started.
    """
    found = await asyncio.gather(*(_first(draft) for draft in drafts))
    if errors := [first for first in found if isinstance(first, EngineError)]:
        if len(errors) == len(found):
            raise errors[0]
        for draft in drafts:
            draft.ended = draft.ended or not draft.sentences
    return [Spoken("", last=True) if isinstance(first, EngineError) else first for first in found]


async def _first(draft: Draft) -> Spoken | EngineError:
    try:
        async with aclosing(draft.rest()) as rest:
            return await anext(rest)
    except EngineError as error:
        draft.finish = "error"
        return error


async def _relevance(
    event: Event[ReplyRequested], given: ChatGiven, firsts: Sequence[str], ranking: list[EngineUse]
) -> tuple[float, ...]:
    """How well each first sentence answers; nothing where no engine ranks or none does so in time: why is told."""
    if given.relevance is None:
        return ()
    until = event.meta.deadline or event.meta.time + PATIENCE
    try:
        relevance, use = await given.relevance(event.fact.text, firsts, until, given.rank_within_s)
    except EngineError as error:
        relevance, use = (), _unranked(str(error))
    ranking.append(use)
    return relevance


def _unranked(reason: str) -> EngineUse:
    """What is told when no engine ranked; the reranker then chooses by itself."""
    return EngineUse(backend="none", model="none", fallback=True, reason=reason)


def _sentence(
    event: Event[ReplyRequested],
    number: int,
    draft: Draft,
    spoken: Spoken,
    firsts: tuple[str, ...],
    relevance: tuple[float, ...] = (),
) -> SentenceGenerated:
    """The latest sentence of a candidate as a fact."""
    index = len(draft.sentences) - 1
    return SentenceGenerated(
        asked=event.fact.text,
        candidate=number,
        index=index,
        text=spoken.text,
        last=spoken.last,
        firsts=firsts,
        firsts_last=(spoken.last,) if index == 0 else (),
        relevance=relevance,
    )


def _whole(draft: Draft, told: Sequence[str]) -> Candidate:
    """The candidate as it was said. Raises ReplySpliced when it is not the sentences that were told."""
    if list(told) != draft.sentences:
        raise ReplySpliced(f"told {list(told)!r}, generated {draft.sentences!r}")
    return Candidate(text=" ".join(told), sentences=tuple(told), finish=draft.finish)


def _engine_before(given: ChatGiven) -> EngineUse:
    """All was said before a redelivery, and sentences do not tell their engine: the first choice is named."""
    first = given.roles.seats("chat")[0].engine
    return EngineUse(backend=first.backend, model=first.model, reason="generated before a redelivery")


CHAT: Final = Stage(
    name="chat",
    hears=(ReplyRequested,),
    says=(SentenceGenerated, ReplyGenerated),
    handle=generate,
    slots=8,  # as many as a server of unknown size is asked at once: one slow reply takes an eighth
    resumes=True,
)
