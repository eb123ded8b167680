"""The chat generator: one request in, the exact sentences and the whole reply out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.clock import SystemClock, new_id
from infra.engines.contextual import ContextualEngine
from infra.engines.port import Ask, EngineUnavailable, Generator, Priority
from infra.engines.recalling import RecallingEngine
from infra.engines.roles import Roles
from infra.engines.scripted import Answer, Script, ScriptedEngine, saying
from infra.engines.seats import Seat
from infra.prompts import Prompts
from schemas.chat import EngineUse, HistoryEntry, ReplyGenerated, ReplyRequested, SentenceGenerated
from schemas.event import Event, Fact, Meta
from schemas.intents import IntentLabel
from schemas.tasks import TaskOutcome
from stages.chat import CHAT, SHELF, ChatGiven, Sampling
from stages.chat.draft import CLOSING, NO_ANSWER
from stages.chat.planning import NOT_HEARD

NOTED = TaskOutcome(skill=IntentLabel.CREATE_NOTE, success=True, message="I've noted 'milk'.")


def given(*engines: Generator, **changed: Any) -> ChatGiven:
    seats = [Seat(engine, 4) for engine in engines]
    plain = ChatGiven(Roles({"chat": seats}, SystemClock()), Prompts(SHELF), Sampling(max_sentences=4))
    return replace(plain, **changed)


def request(**changed: Any) -> Event[ReplyRequested]:
    now = datetime.now(UTC)
    meta = Meta(
        id="cause",
        type="ReplyRequested",
        conversation=new_id(),
        turn=new_id(),
        user="ana",
        time=now,
        deadline=now + timedelta(seconds=60),
    )
    run = changed.pop("run", "live")
    fact = ReplyRequested(**{"text": "Why is the sky blue?", "talk": ("Why is the sky blue?",), **changed})
    return Event(meta=meta.model_copy(update={"run": run}), fact=fact)


async def told(chat: ChatGiven, event: Event[ReplyRequested], earlier: Sequence[Fact] = ()) -> list[Fact]:
    facts = [fact async for fact in CHAT.handle(event, chat, tuple(earlier)) if isinstance(fact, Fact)]
    assert isinstance(facts[-1], ReplyGenerated)
    assert all(isinstance(fact, SentenceGenerated) for fact in facts[:-1])
    return facts


def spoken(facts: Sequence[Fact]) -> list[tuple[int, str, bool]]:
    return [(f.index, f.text, f.last) for f in facts if isinstance(f, SentenceGenerated)]


def reply(facts: Sequence[Fact]) -> ReplyGenerated:
    (found,) = (fact for fact in facts if isinstance(fact, ReplyGenerated))
    return found


async def test_a_reply_is_said_sentence_by_sentence_and_then_whole() -> None:
    facts = await told(given(ScriptedEngine(saying("It is blue. The air does it. Is that clear?"))), request())
    assert spoken(facts) == [(0, "It is blue.", False), (1, "The air does it.", False), (2, "Is that clear?", True)]
    whole = reply(facts)
    assert whole.candidates[0].text == "It is blue. The air does it. Is that clear?"
    assert (whole.candidates[0].finish, whole.engine.backend, whole.engine.fallback) == ("stop", "scripted", False)
    assert whole.prompt is not None
    assert whole.prompt.name == "reply"
    assert whole.tokens.completion == 10


async def test_the_first_sentence_is_said_while_the_second_is_being_generated() -> None:
    engine = ScriptedEngine(lambda _: Answer("It is blue. The air does it.", gap_s=0.01))
    stream = CHAT.handle(request(), given(engine), ())
    first = await anext(stream)
    assert isinstance(first, SentenceGenerated)
    assert engine.running == 1
    assert [fact async for fact in stream][-1]
    assert engine.running == 0


async def test_what_skills_did_is_said_in_their_words_and_no_engine_is_asked() -> None:
    engine = ScriptedEngine(saying("I did something else."))
    facts = await told(given(engine), request(text="note milk", talk=(), tasks=(NOTED,)))
    assert spoken(facts) == [(0, "I've noted 'milk'.", True)]
    assert reply(facts).engine.backend == "fixed"
    assert reply(facts).prompt is None
    assert engine.asked == []


async def test_tasks_come_first_then_talk_then_what_is_asked_back() -> None:
    event = request(tasks=(NOTED,), clarification="Which reminder do you mean?")
    facts = await told(given(ScriptedEngine(saying("It is blue. The air does it."))), event)
    assert [text for _, text, _ in spoken(facts)] == [
        "I've noted 'milk'.",
        "It is blue.",
        "The air does it.",
        "Which reminder do you mean?",
    ]
    assert [last for *_, last in spoken(facts)] == [False, False, False, True]


async def test_a_request_with_nothing_in_it_asks_to_say_it_again() -> None:
    facts = await told(given(ScriptedEngine(saying("x"))), request(text="", talk=()))
    assert spoken(facts) == [(0, NOT_HEARD, True)]


async def test_only_the_talk_and_the_history_reach_the_engine() -> None:
    engine = ScriptedEngine(saying("Blue."))
    history = (HistoryEntry(user="My name is Ana", reply="Hello, Ana.", time=datetime.now(UTC)),)
    await told(given(engine), request(text="note milk and why is it", talk=("why is it",), history=history))
    (asked,) = engine.asked
    assert [message.content for message in asked.messages[-3:]] == ["My name is Ana", "Hello, Ana.", "why is it"]
    assert asked.max_tokens > 0


async def test_a_long_history_and_a_long_question_stay_within_an_engines_slot() -> None:
    engine = ScriptedEngine(saying("Blue."))
    history = tuple(HistoryEntry(user="word " * 300, reply="word " * 300, time=datetime.now(UTC)) for _ in range(50))
    await told(given(engine), request(talk=("word " * 800,), history=history))
    assert sum(len(message.content) for message in engine.asked[0].messages) < 4 * 1_900


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
async def test_after_a_redelivery_it_continues_and_repeats_nothing(cut: int) -> None:
    text = "It is blue. The air does it. Is that clear?"
    event = request(tasks=(NOTED,))
    everything = await told(given(ScriptedEngine(saying(text))), event)
    earlier = everything[:cut]
    engine = ScriptedEngine(saying(text))
    resumed = await told(given(engine), event, earlier)
    assert spoken(earlier) + spoken(resumed) == spoken(everything)
    assert reply(resumed).candidates == reply(everything).candidates
    assert engine.asked[0].continues == " ".join(
        fact.text for fact in earlier[1:] if isinstance(fact, SentenceGenerated)
    )


async def test_after_a_redelivery_with_all_said_no_engine_is_asked() -> None:
    event = request(clarification="Which one?")
    everything = await told(given(ScriptedEngine(saying("It is blue. It is."))), event)
    engine = ScriptedEngine(saying("Something else."))
    resumed = await told(given(engine), event, everything[:-1])
    assert spoken(resumed) == []
    assert reply(resumed).candidates == reply(everything).candidates
    assert engine.asked == []


async def test_what_was_said_stands_even_if_the_engine_would_now_say_something_else() -> None:
    event = request()
    earlier = (await told(given(ScriptedEngine(saying("It is blue. The air does it."))), event))[:1]
    resumed = await told(given(ScriptedEngine(saying(" Green is nicer."))), event, earlier)
    assert reply(resumed).candidates[0].text == "It is blue. Green is nicer."


async def test_nothing_to_add_after_a_redelivery_still_ends_the_reply() -> None:
    event = request()
    earlier = (await told(given(ScriptedEngine(saying("It is blue. The air does it."))), event))[:1]
    resumed = await told(given(ScriptedEngine(saying("It is blue."))), event, earlier)
    assert spoken(resumed) == [(1, CLOSING, True)]


async def test_when_an_engine_breaks_in_the_middle_the_next_one_continues() -> None:
    text = "It is blue. The air does it."
    engines = (ScriptedEngine(lambda _: Answer(text, cut_after=5)), ScriptedEngine(saying(text), model="second"))
    facts = await told(given(*engines), request())
    assert [sentence for _, sentence, _ in spoken(facts)] == ["It is blue.", "The air does it."]
    assert engines[1].asked[0].continues == "It is blue. The air"
    used = reply(facts).engine
    assert (used.model, used.fallback) == ("second", True)
    assert "the script cuts here" in (used.reason or "")


async def test_when_none_can_continue_it_finishes_with_what_was_said() -> None:
    broken = ScriptedEngine(lambda _: Answer("It is blue. The air does it.", cut_after=5))
    facts = await told(given(broken, ContextualEngine()), request())
    assert [sentence for _, sentence, _ in spoken(facts)] == ["It is blue.", CLOSING]
    assert reply(facts).candidates[0].finish == "error"
    assert "cuts here" in (reply(facts).engine.reason or "")


async def test_when_nothing_had_been_said_the_next_engine_begins_anew() -> None:
    broken = ScriptedEngine(lambda _: Answer("It is blue.", cut_after=2))
    facts = await told(given(broken, ContextualEngine()), request())
    assert reply(facts).engine.backend == "contextual"
    assert "language model" in spoken(facts)[0][1]
    assert "It is" not in spoken(facts)[0][1]


async def test_without_an_engine_the_reply_is_contextual_and_says_so() -> None:
    down = ScriptedEngine(lambda _: Answer(error=EngineUnavailable("it is down")))
    used = reply(await told(given(down, ContextualEngine()), request())).engine
    assert (used.backend, used.fallback) == ("contextual", True)
    assert "it is down" in (used.reason or "")


async def test_when_no_engine_can_start_it_raises_so_that_it_is_tried_again() -> None:
    with pytest.raises(EngineUnavailable):
        await told(given(ScriptedEngine(lambda _: Answer(error=EngineUnavailable("down")))), request())


@pytest.mark.parametrize("garbage", ["   \n ", "<|im_end|><|im_start|>", "...", "😀"])
async def test_garbage_becomes_an_honest_sentence(garbage: str) -> None:
    facts = await told(given(ScriptedEngine(saying(garbage))), request())
    assert spoken(facts) == [(0, NO_ANSWER, True)]
    assert reply(facts).candidates[0].finish == "error"
    assert "nothing usable" in (reply(facts).engine.reason or "")


@pytest.mark.parametrize("garbage", ["   \n ", "<|im_end|>Hi", "..."])
async def test_what_cannot_be_spoken_is_followed_by_the_next_engine_and_told(garbage: str) -> None:
    odd = ScriptedEngine(saying(garbage), model="odd")
    facts = await told(given(odd, ScriptedEngine(saying("It is blue."), model="next")), request())
    assert spoken(facts) == [(0, "It is blue.", True)]
    used = reply(facts).engine
    assert (used.model, used.fallback) == ("next", True)
    assert "scripted/odd: said nothing usable" in (used.reason or "")
    assert odd.running == 0
    assert reply(facts).candidates[0].finish == "stop"


async def test_a_reply_that_broke_off_is_told_as_one_in_which_something_was_missing() -> None:
    cut = ScriptedEngine(lambda _: Answer("The sky is blue. It is", cut_after=5))
    facts = await told(given(cut), request())
    assert [text for _, text, _ in spoken(facts)] == ["The sky is blue.", CLOSING]
    assert reply(facts).engine.fallback


async def test_endless_repetition_is_stopped_and_told() -> None:
    engine = ScriptedEngine(lambda _: Answer("I like tea. " * 40, gap_s=0.001))
    facts = await told(given(engine, sampling=Sampling(max_tokens=200)), request())
    assert [text for _, text, _ in spoken(facts)] == ["I like tea.", CLOSING]
    assert "repetition" in (reply(facts).engine.reason or "")
    assert (engine.running, engine.closed_early) == (0, 1)


async def test_a_model_that_speaks_for_the_user_is_stopped() -> None:
    facts = await told(given(ScriptedEngine(saying("It is blue.\nUser: why?\nAssistant: because."))), request())
    assert spoken(facts) == [(0, "It is blue.", True)]


async def test_a_rambling_model_is_stopped_after_so_many_sentences() -> None:
    engine = ScriptedEngine(lambda _: Answer("One is here. Two is here. Three is here. Four is here.", gap_s=0.001))
    facts = await told(given(engine, sampling=Sampling(max_sentences=2)), request())
    assert spoken(facts) == [(0, "One is here.", False), (1, "Two is here.", True)]
    assert reply(facts).candidates[0].finish == "length"
    assert engine.running == 0


async def test_half_a_sentence_at_the_token_limit_is_only_said_when_there_is_no_other() -> None:
    text = "It is blue. The air does it because"
    short = given(ScriptedEngine(saying(text + " of this and that")), sampling=Sampling(max_tokens=7))
    assert [sentence for _, sentence, _ in spoken(await told(short, request()))] == ["It is blue.", CLOSING]
    single = given(ScriptedEngine(saying("The air does it because of this")), sampling=Sampling(max_tokens=4))
    assert [sentence for _, sentence, _ in spoken(await told(single, request()))] == ["The air does it ..."]


async def test_stopping_in_the_middle_stops_the_engine() -> None:
    engine = ScriptedEngine(lambda _: Answer("It is blue. " + "The air does it all. " * 50, gap_s=0.01))
    stream = CHAT.handle(request(), given(engine), ())
    await anext(stream)
    await asyncio.wait_for(stream.aclose(), 1)  # type: ignore[attr-defined]  # a handler is an async generator
    assert engine.running == 0


def varied(*texts: str) -> Script:
    """Each candidate, known by its seed's distance from the first, has a text of its own."""
    first: list[int] = []

    def choose(ask: Ask) -> Answer:
        assert ask.seed is not None
        first.append(ask.seed)
        return Answer(texts[(ask.seed - min(first)) % len(texts)])

    return choose


TEXTS = ("Alpha one. Alpha two.", "Beta one. Beta two.", "Gamma is all.")


async def test_first_sentences_of_all_candidates_come_together_and_losers_are_cut() -> None:
    chat = given(ScriptedEngine(varied(*TEXTS)), candidates=3, choose=lambda _, firsts, __: firsts.index("Beta one."))
    facts = await told(chat, request())
    first = facts[0]
    assert isinstance(first, SentenceGenerated)
    assert first.firsts == ("Alpha one.", "Beta one.", "Gamma is all.")
    assert first.firsts_last == (False, False, True)
    assert [(f.candidate, f.index, f.text, f.last) for f in facts[1:] if isinstance(f, SentenceGenerated)] == [
        (1, 1, "Beta two.", True)
    ]
    finishes = [(candidate.text, candidate.finish) for candidate in reply(facts).candidates]
    assert finishes == [("Alpha one.", "cut"), ("Beta one. Beta two.", "stop"), ("Gamma is all.", "stop")]


async def test_losers_are_finished_last_and_behind_everything_when_data_is_collected() -> None:
    engine = ScriptedEngine(varied(*TEXTS))
    chat = given(engine, candidates=3, choose=lambda _, firsts, __: 1, finish_losers=True)
    facts = await told(chat, request())
    later = [(f.candidate, f.text) for f in facts[1:] if isinstance(f, SentenceGenerated)]
    assert later == [(1, "Beta two."), (0, "Alpha two.")]
    assert [candidate.text for candidate in reply(facts).candidates] == list(TEXTS)
    assert engine.asked[-1].priority is Priority.BACKGROUND


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_candidates_continue_after_a_redelivery(cut: int) -> None:
    event = request()
    chat = given(ScriptedEngine(varied(*TEXTS)), candidates=3, choose=lambda _, firsts, __: 1, finish_losers=True)
    everything = await told(chat, event)
    again = given(
        ScriptedEngine(lambda ask: Answer(next(text for text in TEXTS if text.startswith(ask.continues)))),
        candidates=1,  # changed meanwhile: what was begun counts
        choose=lambda _, firsts, __: 1,
        finish_losers=True,
    )
    resumed = await told(again, event, everything[:cut])
    assert spoken(everything[:cut]) + spoken(resumed) == spoken(everything)
    assert reply(resumed).candidates == reply(everything).candidates


async def test_more_candidates_than_places_do_not_wait_for_one_another_for_ever() -> None:
    roles = Roles({"chat": [Seat(ScriptedEngine(varied(*TEXTS)), 1)]}, SystemClock())
    chat = given(candidates=3, roles=roles)
    async with asyncio.timeout(5):
        await asyncio.gather(*(told(chat, request()) for _ in range(4)))


async def test_a_fixed_beginning_leaves_nothing_to_choose() -> None:
    facts = await told(given(ScriptedEngine(varied(*TEXTS)), candidates=3), request(tasks=(NOTED,)))
    assert len(reply(facts).candidates) == 1


async def test_a_replay_waits_behind_live_turns() -> None:
    engine = ScriptedEngine(saying("Blue."))
    await told(given(engine), request(run="replay-1"))
    assert engine.asked[0].priority is Priority.BACKGROUND


def preferring(text: str) -> Callable[..., Awaitable[tuple[tuple[float, ...], EngineUse]]]:
    """A reranking engine that likes one sentence."""

    async def relevance(
        asked: str, firsts: Sequence[str], deadline: datetime, within_s: float
    ) -> tuple[tuple[float, ...], EngineUse]:
        return tuple(0.9 if first == text else 0.1 for first in firsts), EngineUse(backend="vllm", model="bge")

    return relevance


def most_relevant(_asked: str, firsts: Sequence[str], relevance: Sequence[float]) -> int:
    return max(range(len(firsts)), key=lambda place: relevance[place]) if relevance else 0


async def test_an_engine_ranks_first_sentences_once_and_all_events_tell_what_it_said() -> None:
    event = request()
    chat = given(ScriptedEngine(varied(*TEXTS)), candidates=3, choose=most_relevant, relevance=preferring("Beta one."))
    facts = await told(chat, event)
    sentences = [fact for fact in facts if isinstance(fact, SentenceGenerated)]
    chosen = sentences[0].firsts.index("Beta one.")
    assert {fact.candidate for fact in sentences[1:]} == {chosen}
    assert all(fact.relevance == sentences[0].relevance for fact in sentences)
    assert sentences[0].relevance[chosen] == 0.9
    assert reply(facts).relevance == sentences[0].relevance
    assert reply(facts).ranked_by == EngineUse(backend="vllm", model="bge")

    again = given(
        ScriptedEngine(varied(*TEXTS)), candidates=3, choose=most_relevant, relevance=preferring("Alpha one.")
    )
    continued = [fact async for fact in CHAT.handle(event, again, tuple(sentences[:1]))]
    assert {fact.candidate for fact in continued if isinstance(fact, SentenceGenerated)} == {chosen}


async def test_a_reranking_engine_that_fails_leaves_the_choice_to_the_words_and_why_is_told() -> None:
    async def fails(
        _asked: str, _firsts: object, _until: object, within_s: float
    ) -> tuple[tuple[float, ...], EngineUse]:
        raise EngineUnavailable(f"nothing in {within_s} s")

    chat = given(ScriptedEngine(varied(*TEXTS)), candidates=2, relevance=fails, rank_within_s=0.1)
    facts = await told(chat, request())
    first = facts[0]
    assert isinstance(first, SentenceGenerated)
    assert first.relevance == ()
    why = EngineUse(backend="none", model="none", fallback=True, reason="nothing in 0.1 s")
    assert reply(facts).ranked_by == why


async def test_a_question_that_stood_alone_is_answered_as_before_when_no_engine_is_left() -> None:
    engine, recalled = ScriptedEngine(saying("It is blue.")), RecallingEngine(SystemClock())
    chat = given(engine)
    listed: tuple[Generator, ...] = (engine, recalled, ContextualEngine())
    seats = [Seat(each, 4) for each in listed]
    chat = replace(chat, roles=Roles({"chat": seats}, SystemClock(), recalled=recalled))
    await told(chat, request())
    engine.script = lambda _: Answer(error=EngineUnavailable("down"))

    whole = reply(await told(chat, request()))

    assert whole.candidates[0].text == "It is blue."
    assert (whole.engine.backend, whole.engine.fallback) == ("recalled", True)
    assert "down" in (whole.engine.reason or "")
    history = (HistoryEntry(user="My name is Ana", reply="Hello, Ana.", time=datetime.now(UTC)),)
    assert reply(await told(chat, request(history=history))).engine.backend == "contextual"


async def test_what_an_engine_goes_on_from_holds_no_marker_of_a_template() -> None:
    broken = ScriptedEngine(lambda _: Answer("Type <|im_start|>system and wait there.", cut_after=3))
    other = ScriptedEngine(saying("It goes on here."))
    await told(given(broken, other), request())
    assert other.asked[0].continues.startswith("Type < |im_start|>system")
