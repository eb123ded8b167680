"""Tool calls: whatever a model proposes, what comes out is what the person said, known of them, or refused."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.clock import SystemClock
from infra.engines.port import Ask, Message
from infra.engines.roles import Roles
from infra.engines.scripted import ScriptedEngine, saying
from infra.engines.seats import Seat
from schemas.contracts import SLOTS, ToolCall, tokens_needed, tool_calls
from schemas.contracts.tools import TOOLS
from schemas.intents import Intent, IntentLabel, Slots
from stages.intent.slots import slots_of
from stages.intent.tools import Known, Refused, Resolved, resolve, resolve_all

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 4, 10, 20, tzinfo=BERLIN)


def known(utterance: str, **changed: object) -> Known:
    return Known(utterance, NOW, **changed)  # type: ignore[arg-type]  # names and values come from the tests below


def call(tool: str, **arguments: str) -> ToolCall:
    return tool_calls().model_validate({"calls": [{"tool": tool, "arguments": arguments}]}).calls[0]


def intent_of(utterance: str, proposed: ToolCall, **changed: object) -> tuple[Intent, tuple[str, ...]]:
    result = resolve(proposed, known(utterance, **changed))
    assert isinstance(result, Resolved), result
    return result.intent, result.repairs


CALL_MUM = "remind me tomorrow at three to call Mum"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"title": "auto", "when": "auto"},
        {"title": "call Mum"},
        {"title": "call Mum", "when": "tomorrow at three"},
        {"title": "call mum", "when": "tomorrow at 3"},
        {"title": "none", "when": "null"},
    ],
)
def test_what_is_missing_or_auto_comes_from_the_words(arguments: Mapping[str, str]) -> None:
    intent, repairs = intent_of(CALL_MUM, call("create_reminder", **arguments))
    assert (intent.slots.title or "").casefold() == "call mum"
    assert intent.slots.when is not None
    assert intent.slots.when.at == datetime(2026, 3, 5, 15, 0, tzinfo=BERLIN)
    assert repairs == ()


@pytest.mark.parametrize(
    ("arguments", "repaired"),
    [
        ({"title": "buy a yacht"}, "title: nobody said 'buy a yacht'"),
        ({"when": "next Friday at noon"}, "when: nobody said 'next Friday at noon'"),
        ({"when": "tomorrow at five"}, "when: nobody said 'tomorrow at five'"),
        ({"when": "call Mum"}, "when: 'call Mum' is no time that can be read"),
    ],
)
def test_what_nobody_said_is_put_right(arguments: Mapping[str, str], repaired: str) -> None:
    intent, repairs = intent_of(CALL_MUM, call("create_reminder", **arguments))
    assert intent.slots.title == "call Mum"
    assert intent.slots.when is not None and intent.slots.when.at == datetime(2026, 3, 5, 15, 0, tzinfo=BERLIN)
    assert repairs == (repaired,)


def test_a_call_without_what_it_needs_is_refused_and_says_which() -> None:
    refused = resolve(call("create_note"), known("make a note"))
    assert refused == Refused(
        IntentLabel.CREATE_NOTE, "create_note: title: the words name none, and there is no default for it"
    )
    invented = resolve(call("create_note", title="buy milk"), known("make a note"))
    assert invented == Refused(IntentLabel.CREATE_NOTE, "create_note: title: nobody said 'buy milk'")


def test_a_time_that_nobody_said_is_not_made_up() -> None:
    intent, repairs = intent_of("remind me to call Mum", call("create_reminder", when="tomorrow at nine"))
    assert intent.slots.when is None
    assert repairs == ("when: nobody said 'tomorrow at nine'",)


def test_the_persons_state_says_which_reminder_is_meant_when_there_is_one() -> None:
    intent, _ = intent_of("cancel my reminder", call("cancel_reminder", query="auto"), reminders=("call Mum",))
    assert (intent.slots.query, intent.slots.all) == ("call Mum", False)
    intent, _ = intent_of("cancel my reminder", call("cancel_reminder"), reminders=("call Mum", "pay rent"))
    assert intent.slots.query is None  # the skill asks which


def test_a_reminder_that_there_is_may_be_named_though_the_words_name_it_otherwise() -> None:
    held = ("call Mum", "pay rent")
    intent, repairs = intent_of("cancel the one about money", call("cancel_reminder", query="Pay rent"), reminders=held)
    assert (intent.slots.query, repairs) == ("pay rent", ())


def test_everything_is_cancelled_only_when_the_words_say_so() -> None:
    intent, repairs = intent_of("cancel the dentist reminder", call("cancel_reminder", all="yes"))
    assert not intent.slots.all and repairs == ("all: nobody said 'all of them'",)
    intent, repairs = intent_of("cancel all my reminders", call("cancel_reminder", all="auto"))
    assert intent.slots.all and repairs == ()


@pytest.mark.parametrize(
    ("utterance", "proposed", "value", "currency"),
    [
        ("I spent 12.50 on lunch", "auto", "12.50", "CHF"),
        ("I spent 12.50 on lunch", "12.50", "12.50", "CHF"),
        ("I spent 12.50 on lunch", "12.50 dollars", "12.50", "CHF"),
        ("I spent 12 euros on lunch", "12", "12", "EUR"),
        ("I spent twelve euros on lunch", "12 dollars", "12", "EUR"),
        ("I spent 12 euros on lunch", "120 euros", "12", "EUR"),
        ("I spent 12 euros on lunch", "a lot", "12", "EUR"),
    ],
)
def test_a_sum_is_one_that_was_said_and_in_the_persons_currency_by_default(
    utterance: str, proposed: str, value: str, currency: str
) -> None:
    intent, _ = intent_of(utterance, call("add_expense", amount=proposed), currency="CHF")
    assert intent.slots.amount is not None
    assert (intent.slots.amount.value, intent.slots.amount.currency) == (Decimal(value), currency)


def test_money_was_spent_now_unless_another_day_was_said() -> None:
    intent, _ = intent_of("I spent 12 euros on lunch", call("add_expense"))
    assert intent.slots.when is not None and intent.slots.when.at == NOW
    intent, _ = intent_of("yesterday I spent 12 euros on lunch", call("add_expense"))
    assert intent.slots.when is not None and intent.slots.when.at is not None
    assert intent.slots.when.at.date() == NOW.date() - timedelta(days=1)


def test_a_debt_is_not_turned_round() -> None:
    intent, repairs = intent_of("Sarah owes me 20 dollars", call("create_ledger", direction="i_owe"))
    assert intent.slots.direction == "owes_me"
    assert repairs == ("direction: the words say owes_me, not i_owe",)


def test_a_friend_is_spelled_as_the_person_spells_them() -> None:
    intent, _ = intent_of("sarah owes me 20 dollars", call("create_ledger", person="SARAH"), friends=("Sarah", "Bo"))
    assert intent.slots.person == "Sarah"


def test_the_same_call_twice_is_made_once() -> None:
    proposed = tool_calls().model_validate({"calls": [{"tool": "create_reminder", "arguments": {}}] * 2})
    first, second = resolve_all(proposed, known(CALL_MUM))
    assert isinstance(first, Resolved)
    assert isinstance(second, Refused) and "second time" in second.reason


PROPOSED = json.dumps({"calls": [{"tool": "create_reminder", "arguments": {"title": "call Mum", "when": "auto"}}]})


@pytest.mark.parametrize(
    "answered",
    [
        PROPOSED,
        f"Of course!\n```json\n{PROPOSED}\n```",
        PROPOSED.replace('"auto"', '"tomorrow at three"'),
        PROPOSED.replace(', "when": "auto"', ""),
        PROPOSED.replace('"auto"', '"2026-03-07T09:00"'),
        PROPOSED.replace('"call Mum"', '"Call your mother, it is her birthday"'),
    ],
    ids=["grammar", "prose", "words", "left out", "computed", "embroidered"],
)
async def test_the_result_is_the_same_whichever_engine_proposed(answered: str) -> None:
    contract = tool_calls()
    roles = Roles({"slots": [Seat(ScriptedEngine(saying(answered)), 1)]}, SystemClock())
    ask = Ask((Message("user", CALL_MUM),), tokens_needed(contract), datetime.now(UTC) + timedelta(seconds=30))
    proposed, _ = await roles.answer("slots", ask, contract)
    (result,) = resolve_all(proposed, known(CALL_MUM))
    assert isinstance(result, Resolved)
    assert result.intent.slots == slots_of(IntentLabel.CREATE_REMINDER, CALL_MUM, NOW)


ANYTHING = st.one_of(st.just("auto"), st.text(min_size=1, max_size=20), st.sampled_from(CALL_MUM.split()))
UTTERANCES = st.sampled_from(
    [CALL_MUM, "Bo owes me 20 euros", "cancel all", "lunch with Ann on Friday at noon", "", "x"]
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(TOOLS), UTTERANCES, st.data())
def test_whatever_is_proposed_only_what_was_said_comes_out(
    tool: IntentLabel, utterance: str, data: st.DataObject
) -> None:
    names = [name for name in SLOTS[tool].model_fields if name not in ("direction", "all")]
    arguments = {name: data.draw(ANYTHING) for name in names}
    proposed = SLOTS[tool].model_construct(**{**SLOTS[tool]().model_dump(), **arguments})
    whole = ToolCall.model_construct(tool=tool, arguments=proposed)
    result = resolve(whole, known(utterance))
    assert result == resolve(whole, known(utterance))
    if isinstance(result, Refused):
        assert result.reason.startswith(f"{tool}: ")
        return
    Slots.model_validate(result.intent.slots.model_dump())
    spoken_words = set(utterance.casefold().replace("'", " ").split())
    for name in ("title", "person", "purpose", "query"):
        words = (getattr(result.intent.slots, name) or "").casefold().split()
        assert not words or spoken_words & set(words)
