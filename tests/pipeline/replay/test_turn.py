"""One turn that is run again while a stage fails, hangs or says things in pieces."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from infra.clock import SystemClock
from infra.settings import Settings
from pipeline import retry
from pipeline.replay.stages import Bench, Stages, first_and_later
from pipeline.replay.turn import ReplayedTurn, Run
from pipeline.replay.works import Work
from schemas.chat import Candidate, EngineUse, ReplyChosen, ReplyGenerated, SentenceChosen, SentenceGenerated
from schemas.errors import InvalidField
from schemas.event import Event, Fact
from schemas.intents import IntentLabel
from schemas.replay import TurnReplayed
from schemas.stage import Stage
from schemas.turns import StageFailed, TurnCompleted, TurnFailed
from stages.chat import CHAT
from stages.reranker import RERANKER
from tests.pipeline.replay.conftest import Past, wants

Handle = Callable[[Event[Any], Any, tuple[Fact, ...]], AsyncIterator[Fact]]


def sentence(index: int, *, last: bool) -> SentenceGenerated:
    text = f"Sentence {index}."
    return SentenceGenerated(asked="hello", index=index, text=text, last=last, firsts=("Sentence 0.",))


def whole(*texts: str) -> ReplyGenerated:
    candidate = Candidate(text=" ".join(texts), sentences=texts)
    return ReplyGenerated(asked="hello", candidates=(candidate,), engine=EngineUse(backend="test", model="test"))


async def choosing(event: Event[Any], given: Any, earlier: tuple[Fact, ...]) -> AsyncIterator[Fact]:
    """A reranker without a model."""
    match event.fact:
        case SentenceGenerated(index=index, text=text, last=last):
            yield SentenceChosen(index=index, text=text, last=last)
        case ReplyGenerated(candidates=(only,)):
            yield ReplyChosen(asked="hello", chosen=0, text=only.text, sentences=len(only.sentences))


async def run(past: Past, minimal: Settings, chat: Handle, timeout_s: float = 20.0) -> list[Any]:
    """The events of a turn whose chat is this one."""
    if not past.said:
        await past.turn("hello", wants(IntentLabel.CHIT_CHAT, "hello"))
    async with AsyncExitStack() as stack:
        stages = Stages(first_and_later("chat"), minimal, None, SystemClock(), stack)
        for declared, handle in ((CHAT, chat), (RERANKER, choosing)):
            stage: Stage[Any] = Stage(declared.name, declared.hears, declared.says, handle, resumes=declared.resumes)
            stages.benches[stage.name] = Bench(stage, None, asyncio.Semaphore(1))
        shared = Run("again", "live", "chat", {}, timedelta(seconds=timeout_s))
        turn = ReplayedTurn(Work(past.said[0].meta.turn, list(past.said)), shared, stages)
        await turn.run()
    return [each.event for each in turn.recorded]


def ends(events: list[Any]) -> list[Any]:
    return [event.fact for event in events if isinstance(event.fact, TurnCompleted | TurnFailed)]


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY_S", 0.001)


async def test_the_events_of_a_run_follow_from_one_another_and_belong_to_it(past: Past, minimal: Settings) -> None:
    async def chat(event: Event[Any], given: Any, earlier: tuple[Fact, ...]) -> AsyncIterator[Fact]:
        yield sentence(0, last=True)
        yield whole("Sentence 0.")

    events = await run(past, minimal, chat)

    assert ends(events) == [TurnCompleted(reply="Sentence 0.", sentences=1)]
    assert {event.meta.run for event in events} == {"again"}
    ids = [event.meta.id for event in events]
    assert len(set(ids)) == len(ids)
    assert not {event.meta.id for event in past.said} & set(ids)
    assert isinstance(events[0].fact, TurnReplayed)
    assert events[0].meta.cause is None
    assert all(event.meta.cause in ids for event in events[1:])
    again = [event.meta.id for event in await run(past, minimal, chat)]
    assert set(again) == set(ids), "the same run has the same ids"
    times = [event.meta.time for event in events]
    assert times == sorted(times)
    assert times[-1] - past.said[0].meta.time < timedelta(seconds=10), "the clock is that of then"


async def test_now_is_what_it_was_when_the_stage_heard_of_it(past: Past, minimal: Settings) -> None:
    heard = []

    async def chat(event: Event[Any], given: Any, earlier: tuple[Fact, ...]) -> AsyncIterator[Fact]:
        heard.append(event.meta)
        yield sentence(0, last=True)
        yield whole("Sentence 0.")

    await run(past, minimal, chat)

    [then] = [event.meta.time for event in past.said if event.meta.type == "ReplyRequested"]
    assert heard[0].time == then
    assert heard[0].deadline is not None
    assert heard[0].deadline - SystemClock().now() > timedelta(seconds=10), "an engine has time, by its own clock"


async def test_a_stage_that_fails_is_tried_again_and_goes_on_after_what_it_has_said(
    past: Past, minimal: Settings
) -> None:
    tries: list[int] = []

    async def chat(event: Event[Any], given: Any, earlier: tuple[Fact, ...]) -> AsyncIterator[Fact]:
        tries.append(len(earlier))
        if not earlier:
            yield sentence(0, last=False)
            raise RuntimeError("the engine went away")
        yield sentence(1, last=True)
        yield whole("Sentence 0.", "Sentence 1.")

    events = await run(past, minimal, chat)

    assert tries == [0, 1]
    assert ends(events) == [TurnCompleted(reply="Sentence 0. Sentence 1.", sentences=2)]
    spoken = [event.fact.text for event in events if isinstance(event.fact, SentenceChosen)]
    assert sorted(spoken) == ["Sentence 0.", "Sentence 1."]


async def test_a_stage_that_gives_up_fails_the_turn(past: Past, minimal: Settings) -> None:
    tries = []

    async def chat(event: Event[Any], given: Any, earlier: tuple[Fact, ...]) -> AsyncIterator[Fact]:
        tries.append(1)
        raise RuntimeError("nothing works")
        yield whole()

    events = await run(past, minimal, chat)

    assert len(tries) == 5
    [failure] = [event.fact for event in events if isinstance(event.fact, StageFailed)]
    assert (failure.failed_stage, failure.message, failure.tries) == ("chat", "nothing works", 5)
    [end] = ends(events)
    assert (end.code, end.stage, end.error) == ("stage-failed", "chat", "RuntimeError: nothing works")


async def test_what_can_never_be_handled_is_tried_once(past: Past, minimal: Settings) -> None:
    tries = []

    async def chat(event: Event[Any], given: Any, earlier: tuple[Fact, ...]) -> AsyncIterator[Fact]:
        tries.append(1)
        raise InvalidField("text", "hello", "something else")
        yield whole()

    [end] = ends(await run(past, minimal, chat))

    assert (len(tries), end.code, end.field, end.expected) == (1, "invalid", "text", "something else")


async def test_a_stage_that_hangs_is_cut_at_the_deadline(past: Past, minimal: Settings) -> None:
    async def chat(event: Event[Any], given: Any, earlier: tuple[Fact, ...]) -> AsyncIterator[Fact]:
        yield sentence(0, last=False)
        await asyncio.Event().wait()

    events = await run(past, minimal, chat, timeout_s=0.3)

    [end] = ends(events)
    assert end.code == "deadline"
    assert [event.fact.text for event in events if isinstance(event.fact, SentenceChosen)] == ["Sentence 0."]


async def test_a_chat_that_says_nothing_fails_the_turn(past: Past, minimal: Settings) -> None:
    async def chat(event: Event[Any], given: Any, earlier: tuple[Fact, ...]) -> AsyncIterator[Fact]:
        return
        yield whole()

    [end] = ends(await run(past, minimal, chat))

    assert end.code == "stage-failed"
