"""An interrupted turn: the engine stops, nothing further is spoken, and only what was heard is remembered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from infra.bus.delivery import Hop
from infra.clock import new_id
from infra.engines.scripted import Answer, by_question
from pipeline import topology
from schemas.chat import ReplyRequested, SentenceChosen
from schemas.event import Event, Fact
from schemas.intake import InterruptRequested
from schemas.speech import SpeechReady
from schemas.turns import TurnCompleted, TurnEnd, TurnInterrupted

if TYPE_CHECKING:
    from scripts.bench.ordeal.visitors import Accepted
    from tests.e2e.whole import Whole

    Until = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.slow
STORY = "how do owls live"
OTHER = "how do dogs live"
WORDS = 80  # as many as a reply may have
GAP_S = 0.1
SENTENCE = "This owl flew over the dark forest and the wide river until it saw a small mouse down there."  # 19 words


@pytest.mark.parametrize("how", ["on request", "on request, one sentence was heard", "by a newer turn"])
async def test_an_interruption_stops_engine_and_voice_and_history_keeps_what_was_heard(
    parley: "Whole", until: "Until", how: str
) -> None:
    story = Answer(" ".join([SENTENCE.replace("This", number) for number in ("One", "Two", "Three", "Four")]))
    story = Answer(story.text, gap_s=GAP_S)
    parley.engine.script = by_question({"owls": story}, Answer("They live with people."))
    await parley.start(*topology.PROCESSES)
    first = await parley.say(STORY, speech=True)
    await until(lambda: has_spoken(parley, first, 2))

    if how == "by a newer turn":
        second = await parley.say(OTHER, interrupts=True)
    else:
        await stop(parley, first, played=1 if "one" in how else None)
        second = await parley.say(OTHER)
    ended, completed = await parley.ended(first, second)

    assert isinstance(ended.fact, TurnInterrupted)
    assert isinstance(completed.fact, TurnCompleted)
    assert (parley.engine.running, parley.engine.closed_early) == (0, 1)
    assert parley.engine.streams[0].pieces < WORDS, "the engine has not gone on to its end"
    await parley.left()  # all that was said by anybody is in the stream and handled
    events = await parley.events(first)
    [end] = [place for place, event in enumerate(events) if isinstance(event.fact, TurnEnd)]
    assert not [e for e in events[end + 2 :] if isinstance(e.fact, SentenceChosen | SpeechReady)], (
        "at most what was being said at that moment comes after the end"
    )
    spoken = [event.fact.text for event in events[:end] if isinstance(event.fact, SpeechReady)]
    heard = spoken[:1] if "one" in how else spoken
    assert ended.fact.spoken == " ".join(heard)
    [requested] = [e.fact for e in await parley.events(second) if isinstance(e.fact, ReplyRequested)]
    assert [entry.reply for entry in requested.history] == [ended.fact.spoken]


async def has_spoken(parley: "Whole", turn: "Accepted", sentences: int) -> bool:
    return sum(isinstance(event.fact, SpeechReady) for event in await parley.events(turn)) >= sentences


async def stop(parley: "Whole", turn: "Accepted", played: int | None) -> None:
    """What `parley stop-turn` says."""
    fact: Fact = InterruptRequested(sentences_played=played)
    meta = turn.meta.model_copy(update={"id": new_id(), "type": type(fact).__name__})
    await parley.bus.say(Event[Fact].first(fact, meta), Hop("front-end"))


async def test_a_voice_that_cannot_be_cut_is_not_heard_after_the_end(
    parley: "Whole", until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its call goes on in a thread; what comes of it is dropped."""
    from infra.voices.port import Sound
    from infra.voices.scripted import ScriptedVoice

    speak, begun, cut = ScriptedVoice.speak, asyncio.Event(), asyncio.Event()

    async def held_up(voice: ScriptedVoice, text: str) -> Sound:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()
        return await speak(voice, text)

    parley.engine.script = by_question({}, Answer("They live in trees. They hunt at night."))
    await parley.start(*topology.PROCESSES)
    with monkeypatch.context() as patched:
        patched.setattr(ScriptedVoice, "speak", held_up)
        first = await parley.say(STORY, speech=True)
        await begun.wait()
        await stop(parley, first, played=None)
        await parley.ended(first)
        await cut.wait()
    second = await parley.say(OTHER, speech=True)

    [completed] = await parley.ended(second)

    assert isinstance(completed.fact, TurnCompleted), "the voice is free for the next turn"
    assert not await has_spoken(parley, first, 1)
