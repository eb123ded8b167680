"""Keeps who owes whom: debts, repayments, balances."""

from typing import Final

from infra.state import ledger
from infra.state.ledger import Balance, Entry
from infra.state.port import Transaction
from stages.router import english, people, wording
from stages.router.asked import Asked, Json, Result, asks, done, quoted, refused
from stages.router.money import Sum, UnusableAmount, exact

NAMED_MAX: Final = 8  # balances that are read out at once


async def keep(tx: Transaction, asked: Asked) -> Result:
    """Write down a debt or a repayment, or tell the balances when that is what was asked."""
    slots, text = asked.intent.slots, asked.intent.text
    if slots.amount is None and wording.wants_to_know(text):
        return await _balances(tx, asked)
    if slots.amount is None and not slots.person and not wording.is_repayment(text):
        return await _balances(tx, asked) if "owe" not in text.lower() else _who(asked)
    if not slots.person:
        return _who(asked)
    if wording.is_repayment(text):
        return await _repay(tx, asked, slots.person)
    name = people.name_of(slots.person)
    if slots.direction is None:
        return asks(
            asked,
            f"I don't know yet who owes whom between you and {name}.",
            f"Who owes the money, {name} or you?",
            "direction",
        )
    if slots.amount is None:
        question = f"How much does {name} owe you?" if slots.direction == "owes_me" else f"How much do you owe {name}?"
        return asks(asked, "I don't know the amount yet.", question, "amount")
    try:
        amount = exact(slots.amount, asked.currency)
    except UnusableAmount as unusable:
        return refused(asked, str(unusable))
    signed = amount.minor if slots.direction == "owes_me" else -amount.minor
    balance = await _enter(tx, asked, slots.person, Sum(signed, amount.currency), slots.purpose)
    purpose = f" for {_purpose(slots.purpose)}" if slots.purpose else ""
    message = f"I've noted {amount.spoken}{purpose}. {_now_owes(name, balance)}"
    return done(asked, message, **_data(asked, slots.person, Sum(signed, amount.currency), balance))


async def _repay(tx: Transaction, asked: Asked, person: str) -> Result:
    """Take what was paid back off the open balance: the named amount, or all of it."""
    slots, name = asked.intent.slots, people.name_of(person)
    held = await ledger.balances(tx, asked.scope, people.key_of(person))
    who = wording.who_repaid(asked.intent.text)
    sign = {"they": 1, "i": -1, None: 0}[who]
    fitting = [b for b in held if sign * b.amount_minor >= 0]
    if not fitting:
        nothing = {"they": f"{people.sentence(name)} doesn't owe you anything", "i": f"You don't owe {name} anything"}
        why = nothing.get(who or "", f"You and {name} are even already")
        return refused(asked, f"{why} in my ledger, so there was nothing to pay back.", person=name)
    if slots.amount is None:
        return await _settle_all(tx, asked, person, fitting)
    currency = fitting[0].currency if len(fitting) == 1 else asked.currency
    try:
        paid = exact(slots.amount, currency)
    except UnusableAmount as unusable:
        return refused(asked, str(unusable))
    owed = next((b for b in fitting if b.currency == paid.currency), None)
    if owed is None:
        open_sums = english.joined([_owes(name, b) for b in fitting])
        return refused(asked, f"Nothing is open in {paid.currency} between you and {name}: {open_sums}.", person=name)
    entry = Sum(-paid.minor if owed.amount_minor > 0 else paid.minor, paid.currency)
    balance = await _enter(tx, asked, person, entry, slots.purpose or "repayment")
    payer = f"{name} paid you back" if owed.amount_minor > 0 else f"you paid {name} back"
    message = f"I've noted that {payer} {paid.spoken}. {_now_owes(name, balance)}"
    return done(asked, message, **_data(asked, person, entry, balance))


async def _settle_all(tx: Transaction, asked: Asked, person: str, held: list[Balance]) -> Result:
    name = people.name_of(person)
    for index, balance in enumerate(held):
        entry = Sum(-balance.amount_minor, balance.currency)
        await _enter(tx, asked, person, entry, "settled", part=index)
    sums = english.joined([Sum(b.amount_minor, b.currency).spoken for b in held])
    message = f"I've settled {sums}. You and {name} are even now."
    return done(asked, message, person=name, settled=[_sum(Sum(b.amount_minor, b.currency)) for b in held])


async def _balances(tx: Transaction, asked: Asked) -> Result:
    person = asked.intent.slots.person
    held = await ledger.balances(tx, asked.scope, people.key_of(person) if person else None)
    listed: list[Json] = [
        {"person": people.name_of(b.person), **_sum(Sum(b.amount_minor, b.currency))} for b in held[:NAMED_MAX]
    ]
    if person and not held:
        return done(asked, f"You and {people.name_of(person)} are even.", balances=listed)
    wanted = asked.intent.slots.direction if not person else None
    if wanted is not None:
        held = [b for b in held if (b.amount_minor > 0) == (wanted == "owes_me")]
    if not held:
        nothing = {"owes_me": "Nobody owes you anything.", "i_owe": "You owe nobody anything."}
        return done(asked, nothing.get(wanted or "", "Nobody owes you anything, and you owe nobody."), balances=[])
    named = english.joined([_owes(people.name_of(b.person), b) for b in held[:NAMED_MAX]])
    more = f" And there are {len(held) - NAMED_MAX} smaller ones." if len(held) > NAMED_MAX else ""
    return done(asked, f"{people.sentence(named)}.{more}", balances=listed)


async def _enter(tx: Transaction, asked: Asked, person: str, amount: Sum, purpose: str | None, part: int = 0) -> Sum:
    """Write one entry; the balance after it."""
    key = people.key_of(person)
    row = asked.id if part == 0 else f"{asked.id}-{part}"
    entry = Entry(row, person, key, amount.minor, amount.currency, purpose, asked.now)
    await ledger.add(tx, asked.scope, entry)
    open_now = await ledger.balances(tx, asked.scope, key)
    return Sum(sum(b.amount_minor for b in open_now if b.currency == amount.currency), amount.currency)


def _who(asked: Asked) -> Result:
    amount = asked.intent.slots.amount
    question = "Who do you owe?" if asked.intent.slots.direction == "i_owe" else "Who is it about?"
    if asked.intent.slots.direction == "owes_me":
        question = "Who owes you?"
    why = "I don't know yet whom the debt is with." if amount else "I don't know yet whom that is about."
    return asks(asked, why, question, "person")


def _now_owes(name: str, balance: Sum) -> str:
    if balance.minor == 0:
        return f"You and {name} are even now."
    if balance.minor > 0:
        return f"{people.sentence(name)} now owes you {balance.spoken}."
    return f"You now owe {name} {balance.spoken}."


def _owes(name: str, balance: Balance) -> str:
    amount = Sum(balance.amount_minor, balance.currency).spoken
    return f"{name} owes you {amount}" if balance.amount_minor > 0 else f"you owe {name} {amount}"


def _purpose(purpose: str) -> str:
    return quoted(purpose.removeprefix("for "))[1:-1]


def _sum(amount: Sum) -> dict[str, Json]:
    return {"amount": str(amount.value), "currency": amount.currency}


def _data(asked: Asked, person: str, entry: Sum, balance: Sum) -> dict[str, Json]:
    """Signed sums: positive when the person owes the user."""
    return {
        "person": people.name_of(person),
        "entry": _sum(entry),
        "balance": _sum(balance),
        "purpose": asked.intent.slots.purpose,
    }
