"""Which skill answers which intent. Labels that are not here are for chat, or for a question back."""

from collections.abc import Mapping
from typing import Final

from schemas.intents import IntentLabel
from stages.router.asked import Skill
from stages.router.skills import events, expenses, friends, ledger, notes, reminder_changes, reminders

SKILLS: Final[Mapping[IntentLabel, Skill]] = {
    IntentLabel.CREATE_REMINDER: reminders.create,
    IntentLabel.LIST_REMINDERS: reminders.show,
    IntentLabel.UPDATE_REMINDER: reminder_changes.update,
    IntentLabel.CANCEL_REMINDER: reminder_changes.cancel,
    IntentLabel.CREATE_NOTE: notes.create,
    IntentLabel.LIST_NOTES: notes.show,
    IntentLabel.CREATE_LEDGER: ledger.keep,
    IntentLabel.ADD_EXPENSE: expenses.add,
    IntentLabel.SCHEDULE_EVENT: events.schedule,
    IntentLabel.ADD_FRIEND: friends.add,
}
DOING: Final[Mapping[IntentLabel, str]] = {
    IntentLabel.CREATE_REMINDER: "setting your reminder",
    IntentLabel.LIST_REMINDERS: "looking up your reminders",
    IntentLabel.UPDATE_REMINDER: "changing your reminder",
    IntentLabel.CANCEL_REMINDER: "cancelling your reminder",
    IntentLabel.CREATE_NOTE: "writing your note",
    IntentLabel.LIST_NOTES: "looking up your notes",
    IntentLabel.CREATE_LEDGER: "keeping your ledger",
    IntentLabel.ADD_EXPENSE: "adding your expense",
    IntentLabel.SCHEDULE_EVENT: "putting that into your calendar",
    IntentLabel.ADD_FRIEND: "adding your friend",
}
"""What each skill is at, for a sentence such as "Something went wrong while …"."""
