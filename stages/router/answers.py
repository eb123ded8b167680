"""Reads a turn as the answer to what the one before asked back: "at three" completes the reminder without a time,
"yes" lets happen what was only guessed or would destroy something.

Pure. Knows neither the state nor the skills.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from infra.state.questions import Question
from schemas.intents import TALK, Intent, IntentLabel, Money, Slots, is_amount
from stages.router import wording
from stages.router.consent import consent
from stages.router.matching import telling_words

LOOSE: Final = TALK | {IntentLabel.UNKNOWN}
"""What the classifier says of a scrap such as "at three": an answer may hide behind it."""
LISTS: Final = frozenset({IntentLabel.LIST_REMINDERS, IntentLabel.LIST_NOTES})
NAME_MAX_WORDS: Final = 4  # a longer text is not a name


@dataclass(frozen=True, slots=True)
class Completed:
    """The turn answers: the intent that was waiting, with the answer filled in."""

    intent: Intent
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """The person takes back what was waiting."""

    intent: Intent


Reading: TypeAlias = Completed | Dropped | None


def read(question: Question, intent: Intent, number: int) -> Reading:
    """What the intent of turn `number` means for the open question; None: it is about something else."""
    waiting = Intent.model_validate_json(question.intent)
    if question.awaits == "confirmation":
        said = consent(intent.text, to_cancel=waiting.label is IntentLabel.CANCEL_REMINDER)
        return {"yes": Completed(waiting, question.choices), "no": Dropped(waiting), None: None}[said]
    if wording.is_never_mind(intent.text):
        return Dropped(waiting)
    if _is_whole(intent, waiting):
        return None
    update = _filled(question, waiting, intent, is_next=question.number + 1 == number)
    if update is None:
        return None
    return Completed(waiting.model_copy(update={"slots": waiting.slots.model_copy(update=update)}), question.choices)


def _is_whole(intent: Intent, waiting: Intent) -> bool:
    """A wish of its own that lacks nothing, whatever else is open: a list, or a change that names both its parts."""
    if intent.decided_by == "fallback":
        return False
    slots = intent.slots
    changes = slots.when is not None or slots.new_title is not None
    names = slots.title is not None and slots.title != waiting.slots.title
    return intent.label in LISTS or (intent.label is IntentLabel.UPDATE_REMINDER and names and changes)


def _filled(question: Question, waiting: Intent, intent: Intent, is_next: bool) -> dict[str, object] | None:
    slots = intent.slots
    loose = intent.label in LOOSE
    spoken = is_next and loose and not wording.is_question(intent.text)  # the very words may be the answer
    match question.awaits:
        case "when" if slots.when is not None and slots.when.at is not None and (loose or _bare(intent, waiting)):
            return {"when": slots.when}
        case "amount" if loose or _bare(intent, waiting):
            amount = slots.amount or _plain_number(intent.text)
            return None if amount is None else {"amount": amount}
        case "person":
            return _person(waiting, intent, spoken)
        case "direction":
            direction = slots.direction or (wording.who_owes(intent.text) if is_next else None)
            if direction is None and spoken and waiting.slots.person:
                says_name = telling_words(waiting.slots.person)[:1] == telling_words(intent.text)[:1]
                direction = "owes_me" if says_name else None
            return None if direction is None else {"direction": direction}
        case "which" if loose or intent.label is waiting.label or _bare(intent, waiting):
            words = slots.title or slots.query or wording.answer_in(intent.text)
            return {"query": words, "all": slots.all or wording.means_all(intent.text)}
        case "title" if intent.label is waiting.label and slots.title:
            return _with_time(slots, waiting, slots.title)
        case "title" if spoken and wording.answer_in(intent.text):
            return _with_time(slots, waiting, slots.title or wording.answer_in(intent.text))
        case _:
            return None


def _person(waiting: Intent, intent: Intent, spoken: bool) -> dict[str, object] | None:
    if intent.slots.person and (intent.label in LOOSE or intent.label is waiting.label):
        return {"person": intent.slots.person}
    name = wording.answer_in(intent.text)
    fits = spoken and 0 < len(name.split()) <= NAME_MAX_WORDS
    return {"person": name} if fits else None


def _with_time(slots: Slots, waiting: Intent, title: str) -> dict[str, object]:
    return {"title": title, "when": waiting.slots.when or slots.when}


def _bare(intent: Intent, waiting: Intent) -> bool:
    """The intent says nothing of its own, whatever it was taken for: a time or an amount and nothing to do with it."""
    slots = intent.slots
    own = (slots.title, slots.new_title, slots.person, slots.query)
    return all(value is None or value in (waiting.slots.title, waiting.slots.person) for value in own) and not slots.all


def _plain_number(text: str) -> Money | None:
    """ "50", "12.50": an amount that nobody had to recognise as one."""
    try:
        value = Decimal(text.strip().rstrip(".!"))
    except InvalidOperation:
        return None
    return Money(value=value) if is_amount(value) else None
