"""What an engine that knows nothing of grammars may answer, and what becomes of it.

It is read, repaired, asked for again, or given up as ContractBroken, which callers handle: never anything else, and
never an answer that was not given.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.clock import SystemClock
from infra.engines.answers import Unreadable, read
from infra.engines.compatible import CompatibleEngine
from infra.engines.dialects import OPENAI
from infra.engines.http import Endpoint
from infra.engines.port import Ask, ContractBroken, DeadlinePassed, EngineError, EngineUnavailable, Message
from infra.engines.roles import Roles
from infra.engines.scripted import Answer, ScriptedEngine
from infra.engines.scripted_server import Manners, served
from infra.engines.seats import Seat
from schemas.contracts import IntentParts, tokens_needed
from tests.contract_examples import KINDS

GOOD = {
    "intents": [
        {"text": "note milk", "label": "create_note", "confidence": "high"},
        {"text": "it's late", "label": "chit_chat", "confidence": "low"},
    ]
}
SAID = json.dumps(GOOD)
OTHER = SAID.replace("milk", "eggs")

READABLE = {
    "plain": SAID,
    "pretty": json.dumps(GOOD, indent=4),
    "fenced": f"```json\n{SAID}\n```",
    "fenced, no language": f"```\n{SAID}\n```\n",
    "prose before": f"Sure! Here is what they want:\n\n{SAID}",
    "prose around": f"I think {SAID} is it. Anything else?",
    "trailing commas": SAID.replace('"}', '",}').replace("}]", "},]"),
    "single quotes": str({"intents": [{"text": "note milk", "label": "create_note", "confidence": "high"}]}),
    "no quotes around names": SAID.replace('"intents"', "intents").replace('"text"', "text"),
    "comments": SAID.replace("[", "[ // two of them\n"),
    "a line break in a text": SAID.replace("note milk", "note\nmilk"),
    "said twice alike": f"{SAID}\n{SAID}",
    "a brace too many": f"{SAID}}}",
    "in a list": f"[{SAID}]",
    "thoughts first": f"<think>Two wishes.</think>{SAID}",
}
UNREADABLE = {
    "prose": "They want a note and say it is late.",
    "empty braces": "{}",
    "white space": " \n",
    "a list of nothing": "[]",
    "a number": "42",
    "null": "null",
    "wrong types": '{"intents": "create_note"}',
    "wrong label": SAID.replace("create_note", "dance"),
    "extra field": SAID.replace('"text"', '"why": 1, "text"', 1),
    "too many": json.dumps({"intents": GOOD["intents"] * 2}),
    "too long": SAID.replace("milk", "milk " * 40),
    "two that differ": f"{SAID} or else {OTHER}",
    "cut off in a text": SAID[:-30],
    "cut off after an entry": SAID[: SAID.index("}") + 1],
    "cut off at the end": SAID[:-1],
    "nested without end": '{"intents":' + "[" * 3_000 + "]" * 3_000 + "}",
    "objects without end": '{"a":' * 3_000,
    "a marker": "<|im_end|>",
    "not text": "\x00\ufffd{\udcff",
}


def ask(**changed: object) -> Ask:
    plain = Ask(
        (Message("user", "What do they want?"),),
        max_tokens=tokens_needed(IntentParts),
        deadline=datetime.now(UTC) + timedelta(seconds=30),
    )
    return replace(plain, **changed)  # type: ignore[arg-type]  # names and values come from the tests below


def saying_in_turn(*texts: str) -> ScriptedEngine:
    """An engine that answers so, one after another, and the last one for ever."""
    left = list(texts)
    return ScriptedEngine(lambda _: Answer(left.pop(0) if len(left) > 1 else left[0]))


Over = Callable[[ScriptedEngine], Awaitable[Roles]]


@pytest.fixture(params=["at hand", "over the wire"])
async def over(request: pytest.FixtureRequest) -> AsyncIterator[Over]:
    """Roles on the engine itself, and on the real client before a server that ignores `response_format`."""
    open_roles: list[Roles] = []
    servers = []

    async def roles_on(engine: ScriptedEngine) -> Roles:
        if request.param == "at hand":
            return Roles({"intent": [Seat(engine, 1)]}, SystemClock())
        server = served(engine, Manners())
        servers.append(server)
        client = CompatibleEngine(Endpoint(await server.__aenter__(), "scripted"), OPENAI, SystemClock())
        open_roles.append(Roles({"intent": [Seat(client, 1)]}, SystemClock()))
        return open_roles[-1]

    yield roles_on
    for roles in open_roles:
        await roles.aclose()
    for server in servers:
        await server.__aexit__(None, None, None)


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE)
async def test_an_answer_that_says_one_thing_is_read_at_once(over: Over, text: str) -> None:
    engine = saying_in_turn(text)
    answer, use = await (await over(engine)).answer("intent", ask(), IntentParts)
    assert answer.intents[0].text == "note milk"
    assert len(answer.intents) == (1 if text.startswith("{'") else 2)
    assert (len(engine.asked), use.fallback) == (1, False)


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
async def test_an_answer_that_does_not_is_shown_to_the_engine_once(over: Over, text: str) -> None:
    if "\udcff" in text:
        text = text.encode(errors="replace").decode()  # it could not be sent
    engine = saying_in_turn(text, SAID)
    answer, _ = await (await over(engine)).answer("intent", ask(), IntentParts)
    assert answer.intents[0].text == "note milk"
    assert len(engine.asked) == 2
    said, told = engine.asked[1].messages[-2:]
    assert (said.role, told.role) == ("assistant", "user")
    assert said.content and "cannot be used" in told.content
    assert "<|im_end|>" not in said.content


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
async def test_an_engine_that_never_answers_in_its_contract_is_given_up(text: str) -> None:
    engine = saying_in_turn(text)
    with pytest.raises((ContractBroken, EngineUnavailable)):
        await Roles({"intent": [Seat(engine, 1)]}, SystemClock()).answer("intent", ask(), IntentParts)
    assert len(engine.asked) == 2


async def test_an_engine_that_says_nothing_at_all_is_unavailable() -> None:
    with pytest.raises(EngineUnavailable, match="answered nothing"):
        await Roles({"intent": [Seat(saying_in_turn(""), 1)]}, SystemClock()).answer("intent", ask(), IntentParts)


async def test_the_next_engine_of_the_role_is_asked_after_two_broken_answers() -> None:
    first, second = saying_in_turn("prose"), saying_in_turn(SAID)
    roles = Roles({"intent": [Seat(first, 1), Seat(second, 1)]}, SystemClock())
    answer, use = await roles.answer("intent", ask(), IntentParts)
    assert (len(answer.intents), len(first.asked), len(second.asked)) == (2, 2, 1)
    assert use.fallback and "no JSON object" in (use.reason or "")


async def test_a_broken_answer_does_not_hold_the_engine_off() -> None:
    engine = saying_in_turn("prose", "prose", SAID)
    roles = Roles({"intent": [Seat(engine, 1)]}, SystemClock())
    with pytest.raises(ContractBroken):
        await roles.answer("intent", ask(), IntentParts)
    assert (await roles.answer("intent", ask(), IntentParts))[0].intents


async def test_an_answer_is_not_waited_for_beyond_the_deadline_and_not_asked_for_again() -> None:
    engine = ScriptedEngine(lambda _: Answer("some prose, word by word", gap_s=0.1))
    roles = Roles({"intent": [Seat(engine, 1)]}, SystemClock())
    with pytest.raises(DeadlinePassed, match=r"no whole answer within 0\.3 s"):
        await roles.answer("intent", ask(deadline=datetime.now(UTC) + timedelta(seconds=0.3)), IntentParts)
    assert len(engine.asked) == 1


async def test_what_fails_while_it_is_asked_again_is_told_beside_the_first_mistake() -> None:
    answers = [Answer("prose"), Answer(error=EngineUnavailable("gone"))]
    engine = ScriptedEngine(lambda _: answers.pop(0))
    with pytest.raises(ContractBroken, match=r"no JSON object.*gone"):
        await Roles({"intent": [Seat(engine, 1)]}, SystemClock()).answer("intent", ask(), IntentParts)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_contract_is_read_amid_prose_and_its_near_misses_are_not(kind: str) -> None:
    tested = KINDS[kind]
    for good in tested.good:
        assert read(f"Here:\n```json\n{json.dumps(good)}\n```", tested.contract)
    for miss in tested.bad:
        if not isinstance(miss.answer, list):  # a list with one object in it is read as that object
            with pytest.raises(Unreadable):
                read(f"Here: {json.dumps(miss.answer)}", tested.contract)


@given(st.one_of(st.text(), st.text(alphabet='{}[]",:\\ truefalsn0-9e.\n')))
def test_no_text_at_all_is_a_crash(text: str) -> None:
    try:
        read(text, IntentParts)
    except Unreadable as told:
        assert str(told)


@given(st.integers(0, len(SAID) - 1))
def test_an_answer_that_is_cut_off_anywhere_is_never_taken(length: int) -> None:
    with pytest.raises(Unreadable):
        read(SAID[:length], IntentParts)


def test_errors_are_of_the_kind_that_callers_handle() -> None:
    assert issubclass(ContractBroken, EngineError)
