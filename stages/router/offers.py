"""Words the question whether to do what was only guessed: "Shall I set a reminder for 'tea' tomorrow at 3 PM?"

Pure. Names what the person said; a part that no slot holds is shown as the person's own words.
"""

from collections.abc import Callable, Mapping
from typing import Final

from schemas.intents import IntentLabel, When
from stages.router import moments, people, wording
from stages.router.asked import Asked, quoted
from stages.router.due_time import TimePassed, due_time
from stages.router.money import UnusableAmount, exact


def offer(asked: Asked) -> str:
    """The question. The intent's label is one that acts."""
    return _OFFERS[asked.intent.label](asked)


def _reminder(asked: Asked) -> str:
    title = asked.intent.slots.title
    what = f" for {quoted(title)}" if title else ""
    return f"Shall I set a reminder{what}{_time(asked, day_only=False)}?"


def _event(asked: Asked) -> str:
    title = asked.intent.slots.title
    what = quoted(title) if title else "an event"
    return f"Shall I put {what} into your calendar{_time(asked, day_only=True)}?"


def _time(asked: Asked, day_only: bool) -> str:
    """When it would be, as the skill would say it; nothing when that has yet to be asked."""
    when: When | None = asked.intent.slots.when
    if when is None or when.at is None:
        return ""
    if day_only and when.all_day:
        return f" {moments.spoken_day(asked.local(when.at).date(), asked.now.date())}"
    try:
        return f" {moments.spoken(due_time(when.at, when.all_day, when.text, asked.now), asked.now)}"
    except TimePassed:
        return ""


def _update(asked: Asked) -> str:
    return f"Do you want me to change a reminder: {quoted(asked.intent.text)}?"


def _cancel(asked: Asked) -> str:
    words, when = asked.intent.slots.query or asked.intent.slots.title, asked.intent.slots.when
    if words and when is None:
        return f"Shall I cancel the reminder for {quoted(words)}?"
    return f"Do you want me to cancel a reminder: {quoted(asked.intent.text)}?"


def _note(asked: Asked) -> str:
    text = asked.intent.slots.title
    return f"Do you want me to note {quoted(text)}?" if text else "Do you want me to take a note?"


def _ledger(asked: Asked) -> str:
    slots, amount = asked.intent.slots, _amount(asked)
    repaid = wording.is_repayment(asked.intent.text)
    if amount is None or not slots.person or slots.direction is None or repaid:
        return f"Shall I enter {quoted(asked.intent.text)} into your ledger?"
    name = people.name_of(slots.person)
    debt = f"{name} owes you {amount}" if slots.direction == "owes_me" else f"you owe {name} {amount}"
    return f"Shall I note that {debt}{_purpose(asked)}?"


def _expense(asked: Asked) -> str:
    amount = _amount(asked)
    what = quoted(asked.intent.text) if amount is None else f"{amount}{_purpose(asked)}"
    return f"Shall I add {what} to your expenses?"


def _friend(asked: Asked) -> str:
    person = asked.intent.slots.person or asked.intent.slots.title
    return f"Shall I add {people.name_of(person) if person else 'somebody'} to your friends?"


def _amount(asked: Asked) -> str | None:
    """The sum as it is said; None when there is none that could be written down."""
    money = asked.intent.slots.amount
    try:
        return None if money is None else exact(money, asked.currency).spoken
    except UnusableAmount:
        return None


def _purpose(asked: Asked) -> str:
    purpose = asked.intent.slots.purpose
    return f" for {quoted(purpose.removeprefix('for '))[1:-1]}" if purpose else ""


_OFFERS: Final[Mapping[IntentLabel, Callable[[Asked], str]]] = {
    IntentLabel.CREATE_REMINDER: _reminder,
    IntentLabel.UPDATE_REMINDER: _update,
    IntentLabel.CANCEL_REMINDER: _cancel,
    IntentLabel.CREATE_NOTE: _note,
    IntentLabel.CREATE_LEDGER: _ledger,
    IntentLabel.ADD_EXPENSE: _expense,
    IntentLabel.SCHEDULE_EVENT: _event,
    IntentLabel.ADD_FRIEND: _friend,
}
