"""Debts and expenses: exact sums, balances that are said, repayments, refusals."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from infra.clock import SetClock
from schemas.intents import Intent, Money

if TYPE_CHECKING:
    from tests.stages.router.conftest import Person

Makes = Callable[..., Intent]


def _usd(value: str, currency: str | None = "USD") -> dict[str, object]:
    return {"value": Decimal(value), "currency": currency}


async def _debt(person: "Person", intent: Makes, who: str, value: str, direction: str, **more: object) -> str:
    turn = await person.says(
        intent("create_ledger", "as said", person=who, amount=_usd(value), direction=direction, **more)
    )
    assert turn.task.success, turn.task.message
    return turn.task.message


async def test_a_debt_is_kept_and_the_balance_said(person: "Person", intent: Makes) -> None:
    first = await _debt(person, intent, "sarah", "50", "owes_me")
    second = await _debt(person, intent, "Sarah", "12.50", "owes_me", purpose="for lunch")

    assert first == "I've noted $50. Sarah now owes you $50."
    assert second == "I've noted $12.50 for lunch. Sarah now owes you $62.50."


async def test_debts_in_both_directions_are_set_off(person: "Person", intent: Makes) -> None:
    await _debt(person, intent, "Sarah", "50", "owes_me")

    assert (await _debt(person, intent, "Sarah", "70", "i_owe")) == "I've noted $70. You now owe Sarah $20."
    assert (await _debt(person, intent, "Sarah", "20", "owes_me")) == "I've noted $20. You and Sarah are even now."


async def test_thirty_dimes_are_three_dollars_exactly(person: "Person", intent: Makes) -> None:
    for _ in range(30):
        message = await _debt(person, intent, "Tom", "0.10", "owes_me")

    assert message.endswith("Tom now owes you $3.")


async def test_currencies_are_kept_apart(person: "Person", intent: Makes) -> None:
    await _debt(person, intent, "Tom", "5", "owes_me")
    turn = await person.says(intent("create_ledger", "x", person="Tom", amount=_usd("500", "JPY"), direction="i_owe"))
    balances = await person.says(intent("create_ledger", "what's the balance with tom", person="Tom"))

    assert turn.task.message == "I've noted ¥500. You now owe Tom ¥500."
    assert balances.task.message in (
        "You owe Tom ¥500 and Tom owes you $5.",
        "Tom owes you $5 and you owe Tom ¥500.",
    )


@pytest.mark.parametrize(
    ("utterance", "value", "message"),
    [
        ("Tom paid me back the 20 dollars.", "20", "I've noted that Tom paid you back $20. Tom now owes you $80."),
        (
            "ahmed gave me back forty of the hundred",
            "40",
            "I've noted that Tom paid you back $40. Tom now owes you $60.",
        ),
        ("Settle my debt with Tom", None, "You don't owe Tom anything in my ledger, so there was nothing to pay back."),
        ("Tom settled his tab with me.", None, "I've settled $100. You and Tom are even now."),
        (
            "I've paid Tom back in full.",
            None,
            "You don't owe Tom anything in my ledger, so there was nothing to pay back.",
        ),
        ("i got my 120 back from tom", "120", "I've noted that Tom paid you back $120. You now owe Tom $20."),
    ],
)
async def test_a_repayment_takes_off_what_was_owed(
    person: "Person", intent: Makes, utterance: str, value: str | None, message: str
) -> None:
    await _debt(person, intent, "Tom", "100", "owes_me")

    amount = None if value is None else _usd(value, None)
    turn = await person.says(intent("create_ledger", utterance, person="tom", amount=amount))

    assert turn.task.message == message


@pytest.mark.parametrize(
    ("utterance", "direction"),
    [
        ("i gave kofi 60 dollars and he'll pay me back friday", "owes_me"),
        ("I have to pay Kofi back 60 by Friday, put that in the ledger.", "i_owe"),
    ],
)
async def test_a_repayment_that_is_still_to_come_is_a_debt(
    person: "Person", intent: Makes, utterance: str, direction: str
) -> None:
    turn = await person.says(intent("create_ledger", utterance, person="Kofi", amount=_usd("60"), direction=direction))

    assert turn.task.data["balance"]["amount"] == ("60.00" if direction == "owes_me" else "-60.00")


async def test_who_owes_what_is_told(person: "Person", intent: Makes) -> None:
    none = await person.says(intent("create_ledger", "Who owes me money?", direction="owes_me"))
    await _debt(person, intent, "Sarah", "50", "owes_me")
    await _debt(person, intent, "my sister", "20", "i_owe")

    everything = await person.says(intent("create_ledger", "list my debts"))
    mine = await person.says(intent("create_ledger", "what do i owe", direction="i_owe"))
    even = await person.says(intent("create_ledger", "how much does bob owe me", person="bob"))

    assert none.task.message == "Nobody owes you anything."
    assert everything.task.message == "Sarah owes you $50 and you owe your sister $20."
    assert mine.task.message == "You owe your sister $20."
    assert even.task.message == "You and Bob are even."


@pytest.mark.parametrize(
    ("money", "why"),
    [
        (_usd("0"), "The amount has to be more than zero."),
        (_usd("-5"), "The amount has to be more than zero."),
        (_usd("NaN"), "The amount has to be more than zero."),
        (_usd("0.005"), "0.005 is finer than the smallest unit, $0.01."),
        (_usd("12.5", "JPY"), "12.5 is finer than the smallest unit, ¥1."),
        (_usd("1e30"), "That is more than I can keep: at most $1,000,000,000."),
        (_usd("5", "XQQ"), "I don't know the currency XQQ."),
    ],
)
@pytest.mark.parametrize("label", ["create_ledger", "add_expense"])
async def test_an_amount_that_cannot_be_kept_is_refused(
    person: "Person", intent: Makes, money: dict[str, object], why: str, label: str
) -> None:
    wanted = intent(label, "x", person="Tom", direction="i_owe")
    unchecked = Money.model_construct(value=money["value"], currency=money["currency"])  # past the schema's own checks

    turn = await person.says(wanted.model_copy(update={"slots": wanted.slots.model_copy(update={"amount": unchecked})}))

    assert (turn.task.success, turn.task.message) == (False, why)


async def test_what_a_debt_lacks_is_asked_for_step_by_step(person: "Person", intent: Makes) -> None:
    who = await person.says(intent("create_ledger", "somebody owes me fifty", amount=_usd("50")))
    whom = await person.says(intent("unknown", "Sarah."))
    turn = await person.says(intent("unknown", "she does"))

    assert who.reply.clarification == "Who is it about?"
    assert whom.reply.clarification == "Who owes the money, Sarah or you?"
    assert turn.task.message == "I've noted $50. Sarah now owes you $50."


async def test_a_missing_amount_is_asked_for(person: "Person", intent: Makes) -> None:
    asked = await person.says(intent("create_ledger", "sarah owes me money", person="Sarah", direction="owes_me"))
    turn = await person.says(intent("unknown", "50"))

    assert asked.reply.clarification == "How much does Sarah owe you?"
    assert turn.task.message == "I've noted $50. Sarah now owes you $50."


async def test_expenses_add_up_over_the_month_where_the_person_is(
    person: "Person", intent: Makes, clock: SetClock
) -> None:
    clock.at = datetime(2026, 10, 31, 22, 59, tzinfo=UTC)  # in Berlin still October, by a minute
    await person.says(intent("add_expense", amount=_usd("100"), purpose="rent"))
    clock.at = datetime(2026, 10, 31, 23, 1, tzinfo=UTC)
    await person.says(intent("add_expense", amount=_usd("9.90"), purpose="coffee"))

    turn = await person.says(intent("add_expense", amount=_usd("0.10", None), purpose="for a sweet"))
    total = await person.says(intent("add_expense", "how much did I spend this month"))

    assert turn.task.message == "I've added $0.10 for a sweet. That makes $10 this month."
    assert total.task.message == "You've spent $10 this month."


async def test_an_expense_of_yesterday_says_so(person: "Person", intent: Makes, at: Callable[..., object]) -> None:
    turn = await person.says(intent("add_expense", amount=_usd("5"), when=at(19, 12)))

    assert turn.task.message == "I've added $5 yesterday. That makes $5 this month."


async def test_an_expense_without_an_amount_is_asked_for(person: "Person", intent: Makes) -> None:
    asked = await person.says(intent("add_expense", "log the groceries", purpose="groceries"))
    turn = await person.says(intent("unknown", "thirty", amount=_usd("30", None)))

    assert asked.reply.clarification == "How much did you spend for groceries?"
    assert turn.task.message == "I've added $30 for groceries. That makes $30 this month."


@pytest.mark.parametrize("answer", ["1e999999", "5e12", "0.0000001", "0e999999", "nan"])
async def test_a_figure_that_is_no_amount_is_asked_for_again(person: "Person", intent: Makes, answer: str) -> None:
    await person.says(intent("add_expense", "i bought lunch", purpose="lunch"))

    turn = await person.says(intent("unknown", answer))

    assert turn.reply.clarification == "I didn't understand that. How much did you spend for lunch?"
