"""Roles: fallbacks, what they tell about them, limits, and engines that come back."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from infra.clock import SetClock, SystemClock
from infra.engines.admission import Admission
from infra.engines.contextual import ContextualEngine
from infra.engines.port import (
    Ask,
    ContractBroken,
    DeadlinePassed,
    Delta,
    EngineCut,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    Message,
    Priority,
)
from infra.engines.recalling import RecallingEngine
from infra.engines.roles import Roles
from infra.engines.scripted import Answer, ScriptedEngine, saying
from infra.engines.seats import Seat
from schemas.chat import EngineUse
from schemas.contracts import IntentAnswer

GOOD = '{"label": "create_note", "confidence": "low"}'


def ask(**changed: object) -> Ask:
    plain = Ask((Message("user", "Hello"),), max_tokens=50, deadline=datetime.now(UTC) + timedelta(seconds=60))
    return replace(plain, **changed)  # type: ignore[arg-type]  # names and values come from the tests below


def engine(answer: Answer | str, name: str = "first") -> ScriptedEngine:
    fixed = Answer(answer) if isinstance(answer, str) else answer
    return ScriptedEngine(lambda _: fixed, model=name)


def chat(*engines: ScriptedEngine | ContextualEngine, places: int = 4, hold_off_s: float = 60) -> Roles:
    return Roles({"chat": [Seat(engine, places) for engine in engines]}, SystemClock(), hold_off_s)


async def reply(roles: Roles, asked: Ask | None = None) -> tuple[str, EngineUse]:
    async with roles.stream("chat", asked or ask()) as running:
        return "".join([delta.text async for delta in running]), running.use


async def test_the_first_engine_answers_and_no_fallback_is_told() -> None:
    text, use = await reply(chat(engine("I am first."), engine("I am second.", "second")))
    assert text == "I am first."
    assert (use.model, use.fallback, use.reason) == ("first", False, None)


@pytest.mark.parametrize("error", [EngineUnavailable("down"), EngineRefused("too long"), DeadlinePassed("too late")])
async def test_an_engine_that_cannot_start_is_followed_by_the_next(error: EngineError) -> None:
    text, use = await reply(chat(engine(Answer(error=error)), engine("I am second.", "second")))
    assert text == "I am second."
    assert (use.model, use.fallback) == ("second", True)
    assert str(error) in (use.reason or "")


async def test_an_engine_that_answers_nothing_is_followed_by_the_next() -> None:
    text, use = await reply(chat(engine(""), engine("I am second.", "second")))
    assert text == "I am second."
    assert "answered nothing" in (use.reason or "")


async def test_nothing_to_add_to_a_continuation_is_an_answer() -> None:
    text, use = await reply(chat(engine("All said."), engine("Second.", "second")), ask(continues="All said."))
    assert (text, use.fallback) == ("", False)


async def test_without_any_engine_left_all_reasons_are_told() -> None:
    roles = chat(engine(Answer(error=EngineUnavailable("down"))), engine(Answer(error=EngineRefused("too long"))))
    with pytest.raises(EngineRefused, match="down; too long"):
        await reply(roles)


async def test_a_role_without_engines_says_so() -> None:
    with pytest.raises(EngineUnavailable, match="'judge'"):
        async with chat(engine("x")).stream("judge", ask()):
            pass


async def test_a_broken_engine_is_held_off_and_comes_back_by_itself() -> None:
    first = engine(Answer(error=EngineUnavailable("down")))
    roles = chat(first, ContextualEngine(), hold_off_s=0.05)
    await reply(roles)
    _, use = await reply(roles)
    assert "held off" in (use.reason or "")
    assert len(first.asked) == 1  # it was left alone
    first.script = saying("Back again.")
    for _ in range(500):
        if not (await reply(roles))[1].fallback:
            break
        await asyncio.sleep(0.01)
    assert (await reply(roles))[0] == "Back again."


@pytest.mark.parametrize("error", [EngineRefused("too long"), DeadlinePassed("late")])
async def test_a_mistake_of_the_request_does_not_hold_the_engine_off(error: EngineError) -> None:
    first = engine(Answer(error=error))
    roles = chat(first, ContextualEngine())
    await reply(roles)
    first.script = saying("Fine.")
    assert (await reply(roles))[0] == "Fine."


async def test_an_engine_that_breaks_in_the_middle_is_held_off_when_the_caller_continues() -> None:
    first = engine(Answer("one two three four", cut_after=2))
    roles = chat(first, engine("one two three four", "second"))
    heard = ""
    with pytest.raises(EngineCut):
        async with roles.stream("chat", ask()) as running:
            async for delta in running:
                heard += delta.text
    rest, use = await reply(roles, ask(continues=heard))
    assert heard + rest == "one two three four"
    assert (use.model, use.fallback) == ("second", True)


async def test_leaving_in_the_middle_stops_the_engine_and_frees_its_place() -> None:
    first = engine(Answer("a b c d", gap_s=5))
    roles = chat(first, places=1)
    for _ in range(2):
        async with asyncio.timeout(2), roles.stream("chat", ask()) as running:
            async for _delta in running:
                break
        assert first.running == 0
    assert roles.seats("chat")[0].admission.running == 0


async def test_at_most_so_many_requests_run_at_once() -> None:
    first = engine(Answer("a b", gap_s=0.005))
    most = 0

    def watched(_: Ask) -> Answer:
        nonlocal most
        most = max(most, first.running)
        return Answer("a b", gap_s=0.005)

    first.script = watched
    roles = chat(first, places=2)
    await asyncio.gather(*(reply(roles) for _ in range(8)))
    assert (most, len(first.asked)) == (2, 8)


async def test_waiting_for_a_place_ends_in_time_for_the_fallback() -> None:
    busy = engine(Answer("a b", gap_s=30))
    roles = chat(busy, ContextualEngine(), places=1)
    async with roles.stream("chat", ask()) as running:
        await anext(aiter(running))
        text, use = await reply(roles, ask(deadline=datetime.now(UTC) + timedelta(seconds=0.3)))
    assert text
    assert use.backend == "contextual"
    assert "no place became free" in (use.reason or "")


async def test_nothing_starts_when_the_usual_first_token_comes_after_the_deadline() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    slow = engine("Hello.")
    seat = Seat(slow, 1)
    seat.learn(15.0)  # a fifth of it is expected
    roles = Roles({"chat": [seat]}, SetClock(now))
    with pytest.raises(DeadlinePassed):
        await reply(roles, ask(deadline=now + timedelta(seconds=2)))
    assert slow.asked == []


async def test_a_contract_that_validates_is_returned_with_its_engine() -> None:
    answer, use = await chat(engine(GOOD)).answer("chat", ask(), IntentAnswer)
    assert answer.label == "create_note"
    assert not use.fallback


@pytest.mark.parametrize("text", [f"Sure! Here it is: {GOOD} Anything else?", f"```json\n{GOOD}\n```"])
async def test_an_object_amid_prose_is_found(text: str) -> None:
    answer, _ = await chat(engine(text)).answer("chat", ask(), IntentAnswer)
    assert answer.label == "create_note"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("I think it is a note.", "it is a note"),
        ('{"label": "dance", "confidence": "low"}', "label"),
        ('{"label": "create_note", "confidence": "low", "why": "x"}', "why"),
        ('{"label": "create_', "create_"),
        ("[]", "IntentAnswer"),
    ],
)
async def test_an_answer_outside_its_contract_is_broken_and_says_where(text: str, told: str) -> None:
    with pytest.raises(ContractBroken, match=told):
        await chat(engine(text)).answer("chat", ask(), IntentAnswer)


async def test_a_contract_cut_at_its_token_limit_is_broken() -> None:
    with pytest.raises(ContractBroken, match="cut off at 1 tokens"):
        await chat(engine(GOOD)).answer("chat", ask(max_tokens=1), IntentAnswer)


async def test_the_next_engine_is_asked_when_a_contract_is_broken_or_cut() -> None:
    roles = chat(engine("prose"), engine(Answer(GOOD, cut_after=1), "second"), engine(GOOD, "third"))
    answer, use = await roles.answer("chat", ask(), IntentAnswer)
    assert answer.label == "create_note"
    assert (use.model, use.fallback) == ("third", True)


async def order_of_admission(admission: Admission, priorities: list[Priority]) -> list[Priority]:
    order: list[Priority] = []

    async def one(priority: Priority) -> None:
        async with admission.place(priority, 60):
            order.append(priority)
            await asyncio.sleep(0)

    async with admission.place(Priority.LIVE, 60):
        tasks = [asyncio.create_task(one(priority)) for priority in priorities]
        await asyncio.sleep(0)
        assert admission.waiting == len(priorities)
    await asyncio.gather(*tasks)
    return order


async def test_who_waits_is_let_in_by_priority_then_by_arrival() -> None:
    waiting = [Priority.BACKGROUND, Priority.CANDIDATE, Priority.LIVE, Priority.CONTRACT, Priority.LIVE]
    assert await order_of_admission(Admission(1, 1), waiting) == sorted(waiting)


async def test_background_work_leaves_places_for_a_live_turn() -> None:
    admission = Admission(2, 1)
    async with admission.place(Priority.BACKGROUND, 1):
        with pytest.raises(DeadlinePassed):
            async with admission.place(Priority.BACKGROUND, 0.01):
                pass
        async with admission.place(Priority.LIVE, 1):
            assert admission.running == 2
    assert (admission.running, admission.waiting) == (0, 0)


async def test_giving_up_waiting_leaves_nothing_behind() -> None:
    admission = Admission(1, 1)
    async with admission.place(Priority.LIVE, 1):
        waiting = asyncio.create_task(admission.place(Priority.LIVE, 60).__aenter__())
        await asyncio.sleep(0)
        assert admission.waiting == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with admission.place(Priority.LIVE, 1):
        assert admission.running == 1


async def test_a_place_given_in_the_moment_of_giving_up_is_given_back() -> None:
    admission = Admission(1, 1)
    held = admission.place(Priority.LIVE, 1)
    await held.__aenter__()
    waiting = asyncio.create_task(admission.place(Priority.LIVE, 60).__aenter__())
    await asyncio.sleep(0)
    assert admission.waiting == 1
    await held.__aexit__(None, None, None)  # gives the place to who waits ...
    waiting.cancel()  # ... who has just gone
    await asyncio.gather(waiting, return_exceptions=True)
    assert admission.running == 0


@pytest.mark.parametrize("places", [(0, 0), (2, 3), (1, 0)])
def test_impossible_limits_are_refused(places: tuple[int, int]) -> None:
    make: Callable[[int, int], Admission] = Admission
    with pytest.raises(ValueError, match="places"):
        make(*places)


async def test_a_contract_that_hangs_is_answered_by_the_next_engine_in_time_and_the_first_is_held_off() -> None:
    hung, well = engine(Answer(GOOD, first_delay_s=60)), engine(GOOD, "second")
    roles = chat(hung, well)

    for _ in range(3):
        answer, use = await roles.answer("chat", ask(), IntentAnswer, within_s=1.0)
        assert answer.label == "create_note"
        assert (use.model, use.fallback) == ("second", True)

    assert len(hung.asked) == 1
    assert "held off" in (use.reason or "")


async def test_an_answer_without_an_end_is_left_at_its_deadline_for_the_next_engine() -> None:
    endless, well = engine(Answer("{ " * 5_000, gap_s=0.01)), engine(GOOD, "second")

    _, use = await chat(endless, well).answer("chat", ask(max_tokens=5_000), IntentAnswer, within_s=1.0)

    assert "no whole answer within 0.5 s" in (use.reason or "")
    assert endless.running == 0


async def test_an_answer_beyond_all_measure_is_no_answer() -> None:
    endless, well = engine("{ " * 40_000), engine(GOOD, "second")

    _, use = await chat(endless, well).answer("chat", ask(max_tokens=100_000), IntentAnswer)

    assert "more than 64000 characters" in (use.reason or "")


async def test_an_engine_that_was_slow_a_while_ago_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seat = Seat(engine("Hello."), 1)
    roles = Roles({"chat": [seat]}, SystemClock())
    seat.learn(15.0)
    soon = timedelta(seconds=2)
    with pytest.raises(DeadlinePassed):
        await reply(roles, ask(deadline=datetime.now(UTC) + soon))

    later = time.monotonic() + 15
    monkeypatch.setattr("infra.engines.seats.time.monotonic", lambda: later)

    assert (await reply(roles, ask(deadline=datetime.now(UTC) + soon)))[0] == "Hello."
    assert seat.first_token_s < 2


async def test_what_is_seen_of_first_tokens_is_expected_of_the_next() -> None:
    roles = chat(engine(Answer("Hello.", first_delay_s=0.2)))
    await reply(roles)
    assert 0.01 < roles.seats("chat")[0].first_token_s < 0.2


class Odd(ScriptedEngine):
    """Fails with what no engine should."""

    def __init__(self, after: int) -> None:
        super().__init__(saying("One two three."))
        self._after = after

    async def generate(self, ask: Ask) -> AsyncGenerator[Delta]:
        for _ in range(self._after):
            yield Delta("one ")
        raise OverflowError("cannot convert float infinity to integer")


async def test_whatever_an_engine_fails_with_the_next_one_answers() -> None:
    text, use = await reply(chat(Odd(0), engine("I am second.", "second")))
    assert text == "I am second."
    assert "OverflowError" in (use.reason or "")


async def test_what_breaks_in_the_middle_is_a_cut_whatever_it_is() -> None:
    with pytest.raises(EngineCut, match="OverflowError"):
        await reply(chat(Odd(2), engine("I am second.", "second")))


async def test_what_two_servers_of_one_model_have_to_do_is_added_up() -> None:
    busy, idle = (Seat(engine(Answer("Hello.", gap_s=1)), 1) for _ in range(2))
    roles = Roles({"chat": [busy], "intent": [idle]}, SystemClock())
    async with roles.stream("chat", ask()):
        assert roles.at_work() == {"scripted/first": (1, 0)}


async def test_answers_of_rules_and_earlier_ones_are_not_remembered_as_an_engines() -> None:
    recalled = RecallingEngine(SystemClock())
    roles = Roles({"chat": [Seat(recalled, 1)]}, SystemClock(), recalled=recalled)
    asked = ask(alone="why?")
    for backend in ("contextual", "recalled"):
        roles.remember(asked, "Because.", EngineUse(backend=backend, model="m"))
        with pytest.raises(EngineRefused, match="nothing was answered"):
            await reply(roles, asked)
    roles.remember(asked, "Because.", EngineUse(backend="vllm", model="m"))
    assert (await reply(roles, asked))[0] == "Because."
