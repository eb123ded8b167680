"""What an intent is about, label by label, in the person's own words: a contract for each set of slots.

Every slot may be `auto`: then the words of the utterance, the person's state or a default fill it, or it stays empty.
Times and sums stay words ("tomorrow at three", "12.50 euros"): a deterministic parser reads them, as it reads the
utterance itself, so no model computes a date or a currency.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from schemas.contracts.contract import ASCII, MONEY, Contract, Line
from schemas.intents import IntentLabel

AUTO: Final = "auto"

Title = Annotated[str, Line(45)]
TimeWords = Annotated[str, Line(30, ASCII)]
Name = Annotated[str, Line(35)]
Purpose = Annotated[str, Line(35)]
Sum = Annotated[str, Line(20, MONEY)]


class SlotsAnswer(Contract):
    """The slots of one intent. A slot that is missing is `auto`; the grammar asks for all of them."""


class ReminderSlots(SlotsAnswer):
    """Of create_reminder."""

    title: Title = AUTO
    when: TimeWords = AUTO


class ListSlots(SlotsAnswer):
    """Of list_reminders, list_notes and general_query: what to look for, and of when."""

    query: Title = AUTO
    when: TimeWords = AUTO


class ChangeSlots(SlotsAnswer):
    """Of update_reminder: which one, and what shall be different."""

    title: Title = AUTO
    new_title: Title = AUTO
    when: TimeWords = AUTO


class CancelSlots(SlotsAnswer):
    """Of cancel_reminder."""

    query: Title = AUTO
    when: TimeWords = AUTO
    all: Literal["yes", "no", "auto"] = AUTO


class NoteSlots(SlotsAnswer):
    """Of create_note."""

    title: Title = AUTO


class DebtSlots(SlotsAnswer):
    """Of create_ledger."""

    person: Name = AUTO
    direction: Literal["owes_me", "i_owe", "auto"] = AUTO
    amount: Sum = AUTO
    purpose: Purpose = AUTO


class ExpenseSlots(SlotsAnswer):
    """Of add_expense."""

    amount: Sum = AUTO
    purpose: Purpose = AUTO
    when: TimeWords = AUTO


class EventSlots(SlotsAnswer):
    """Of schedule_event."""

    title: Title = AUTO
    when: TimeWords = AUTO
    until: TimeWords = AUTO
    person: Name = AUTO


class FriendSlots(SlotsAnswer):
    """Of add_friend."""

    person: Name = AUTO


class ScrapSlots(SlotsAnswer):
    """Of chit_chat and unknown: what may be the answer to a question that was asked back."""

    when: TimeWords = AUTO
    amount: Sum = AUTO


SLOTS: Final[Mapping[IntentLabel, type[SlotsAnswer]]] = MappingProxyType(
    {
        IntentLabel.CREATE_REMINDER: ReminderSlots,
        IntentLabel.LIST_REMINDERS: ListSlots,
        IntentLabel.UPDATE_REMINDER: ChangeSlots,
        IntentLabel.CANCEL_REMINDER: CancelSlots,
        IntentLabel.CREATE_NOTE: NoteSlots,
        IntentLabel.LIST_NOTES: ListSlots,
        IntentLabel.CREATE_LEDGER: DebtSlots,
        IntentLabel.ADD_EXPENSE: ExpenseSlots,
        IntentLabel.SCHEDULE_EVENT: EventSlots,
        IntentLabel.ADD_FRIEND: FriendSlots,
        IntentLabel.CHIT_CHAT: ScrapSlots,
        IntentLabel.GENERAL_QUERY: ListSlots,
        IntentLabel.UNKNOWN: ScrapSlots,
    }
)
