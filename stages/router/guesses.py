"""Says which intents were only guessed, and must not change anything before the person has said yes. Pure.

A guess is what neither a sure head nor an engine decided. What only tells (lists, balances, talk) may be answered on
a guess: a wrong answer can be ignored, a wrong deed has to be found and undone.
"""

from typing import Final

from schemas.intents import Intent, IntentClassified, IntentLabel
from stages.router import wording
from stages.router.consent import consent

ACTING: Final = frozenset(
    {
        IntentLabel.CREATE_REMINDER,
        IntentLabel.UPDATE_REMINDER,
        IntentLabel.CANCEL_REMINDER,
        IntentLabel.CREATE_NOTE,
        IntentLabel.CREATE_LEDGER,
        IntentLabel.ADD_EXPENSE,
        IntentLabel.SCHEDULE_EVENT,
        IntentLabel.ADD_FRIEND,
    }
)
"""The labels whose skills change something."""
TELLING: Final = frozenset({IntentLabel.CREATE_LEDGER, IntentLabel.ADD_EXPENSE})
"""Those among them whose skills also answer questions ("who owes me money")."""
WEAK: Final = 0.4
"""Below it a guess that acts is not even worth asking about: of the cross-validated written examples 12 of 25 such
guesses are right (0.48), while of the 176 from here up to the head's threshold 109 are (0.62)."""


def understood(heard: IntentClassified) -> IntentClassified:
    """What was heard, as the router takes it: an answer is one part, and what is hardly a guess is not understood."""
    intents = heard.intents
    if len(intents) > 1 and consent(heard.text, to_cancel=True) is not None:
        # "Yes. Cancel them." is one answer, however it was cut; when nothing was asked, it is the wish in it.
        wish = next((intent for intent in intents if intent.label in ACTING), intents[0])
        intents = (wish.model_copy(update={"text": heard.text}),)
    return heard.model_copy(update={"intents": tuple(_or_unknown(intent) for intent in intents)})


def needs_a_yes(intent: Intent) -> bool:
    """It was guessed, and its skill would change something without asking by itself."""
    asks_by_itself = intent.label is IntentLabel.CANCEL_REMINDER and intent.slots.all
    return _guessed_deed(intent) and not asks_by_itself


def _or_unknown(intent: Intent) -> Intent:
    if _guessed_deed(intent) and (intent.confidence < WEAK or consent(intent.text) is not None):
        return intent.model_copy(update={"label": IntentLabel.UNKNOWN})
    return intent


def _guessed_deed(intent: Intent) -> bool:
    only_tells = intent.label in TELLING and intent.slots.amount is None and wording.wants_to_know(intent.text)
    return intent.decided_by == "fallback" and intent.label in ACTING and not only_tells
