"""What a person wants: the labels, the slots, and the event that tells them."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from schemas.errors import InvalidField
from schemas.event import Fact, Frozen
from schemas.prompts import PromptUse


class IntentLabel(StrEnum):
    """Everything that an utterance can be taken for."""

    CREATE_REMINDER = "create_reminder"
    LIST_REMINDERS = "list_reminders"
    UPDATE_REMINDER = "update_reminder"
    CANCEL_REMINDER = "cancel_reminder"
    CREATE_NOTE = "create_note"
    LIST_NOTES = "list_notes"
    CREATE_LEDGER = "create_ledger"
    ADD_EXPENSE = "add_expense"
    SCHEDULE_EVENT = "schedule_event"
    ADD_FRIEND = "add_friend"
    CHIT_CHAT = "chit_chat"
    GENERAL_QUERY = "general_query"
    UNKNOWN = "unknown"


TALK = frozenset({IntentLabel.CHIT_CHAT, IntentLabel.GENERAL_QUERY})  # answered by chat, not by a skill


class When(Frozen):
    """A time that was named: the words, and the moment that they meant when they were said."""

    text: str
    at: AwareDatetime | None = None  # None: the words name no moment that could be resolved
    all_day: bool = False  # a day was named and no time of day


AMOUNT_MAX: Final = Decimal(10) ** 12  # more than anybody owes; keeps every figure short, however it is written
AMOUNT_MAX_PLACES: Final = 6  # twice what the currency with the most of them has


def is_amount(value: Decimal) -> bool:
    """Whether it is finite, within AMOUNT_MAX, and short when written out: `0E+1000000` is zero in a million digits."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):  # infinite, or not a number
        return False
    return -AMOUNT_MAX_PLACES <= exponent <= AMOUNT_MAX.adjusted() and -AMOUNT_MAX <= value <= AMOUNT_MAX


def checked_amount(value: Decimal) -> Decimal:
    """The value of an amount of money. Raises InvalidField."""
    if not is_amount(value):
        raise InvalidField(
            "value", value, f"an amount from -{AMOUNT_MAX} to {AMOUNT_MAX} with at most {AMOUNT_MAX_PLACES} decimals"
        )
    return value


class Money(Frozen):
    """An amount with its ISO 4217 currency; None when none was named."""

    value: Annotated[Decimal, AfterValidator(checked_amount)]
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")


class Slots(Frozen):
    """What an intent is about. Absent slots are None; nothing is invented."""

    title: str | None = None  # what to be reminded of, the event's name, the note's text
    new_title: str | None = None  # update_reminder: what it shall be called instead
    when: When | None = None
    until: When | None = None  # schedule_event: its end
    person: str | None = None
    amount: Money | None = None
    direction: Literal["owes_me", "i_owe"] | None = None
    purpose: str | None = None  # what a debt or an expense was for
    query: str | None = None  # what to look for (list_notes, cancel_reminder, general_query)
    all: bool = False  # "cancel all reminders"


class Intent(Frozen):
    """One thing wanted, with the part of the utterance that says so."""

    label: IntentLabel
    confidence: float = Field(ge=0, le=1)
    text: str
    slots: Slots = Slots()
    decided_by: Literal["head", "engine", "fallback"] = "head"
    prompt: PromptUse | None = None  # with which an engine was asked, when it decided
    slots_prompt: PromptUse | None = None  # with which an engine was asked for a slot that was found nowhere else


class IntentClassified(Fact):
    """What the utterance asks for, in the order in which it was said; at least one intent."""

    once: ClassVar[bool] = True
    text: str  # the whole utterance
    intents: tuple[Intent, ...] = Field(min_length=1)
    empty_because: Literal["silence", "noise"] | None = None  # handed on from the recogniser
