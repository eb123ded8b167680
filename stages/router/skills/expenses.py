"""Keeps what was spent and adds up the month."""

from datetime import UTC

from infra.state import expenses
from infra.state.expenses import Expense
from infra.state.port import Transaction
from stages.router import moments, wording
from stages.router.asked import Asked, Result, asks, done, quoted, refused
from stages.router.money import Sum, UnusableAmount, exact


async def add(tx: Transaction, asked: Asked) -> Result:
    """Write down an expense and tell the month's total so far; only the total when that is what was asked."""
    slots = asked.intent.slots
    if slots.amount is None:
        if wording.wants_to_know(asked.intent.text):
            total = await _total(tx, asked, asked.currency)
            return done(
                asked, f"You've spent {total.spoken} this month.", total=str(total.value), currency=total.currency
            )
        what = f" for {_what(slots.purpose)}" if slots.purpose else ""
        return asks(asked, "I don't know the amount yet.", f"How much did you spend{what}?", "amount")
    try:
        amount = exact(slots.amount, asked.currency)
    except UnusableAmount as unusable:
        return refused(asked, str(unusable))
    # An expense lies in the past; a later moment is when the money is due, not when it was spent.
    named = slots.when.at if slots.when is not None and slots.when.at is not None else asked.now
    spent_at = asked.local(min(named.astimezone(UTC), asked.now.astimezone(UTC)))
    await expenses.add(
        tx, asked.scope, Expense(asked.id, amount.minor, amount.currency, slots.purpose, spent_at, asked.now)
    )
    purpose = f" for {_what(slots.purpose)}" if slots.purpose else ""
    day = "" if spent_at.date() == asked.now.date() else f" {moments.spoken_day(spent_at.date(), asked.now.date())}"
    total = await _total(tx, asked, amount.currency)
    message = f"I've added {amount.spoken}{purpose}{day}. That makes {total.spoken} this month."
    data = {"amount": str(amount.value), "currency": amount.currency, "total_this_month": str(total.value)}
    return done(asked, message, expense=asked.id, purpose=slots.purpose, spent_at=spent_at.isoformat(), **data)


async def _total(tx: Transaction, asked: Asked, currency: str) -> Sum:
    """The sum of the month that it is now, where the person is."""
    since, until = moments.month_span(asked.now.date(), asked.zone)
    return Sum(await expenses.total_minor(tx, asked.scope, currency, since, until), currency)


def _what(purpose: str) -> str:
    return quoted(purpose.removeprefix("for "))[1:-1]
