"""What an intent is about: a table of utterances, all said on Wednesday, March 4, 2026, 10:20 in Berlin."""

import time
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from schemas.intents import IntentLabel, Money, Slots
from stages.intent.slots import slots_of

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 4, 10, 20, tzinfo=BERLIN)

REMINDER, EVENT, NOTE = IntentLabel.CREATE_REMINDER, IntentLabel.SCHEDULE_EVENT, IntentLabel.CREATE_NOTE
UPDATE, CANCEL, LISTED = IntentLabel.UPDATE_REMINDER, IntentLabel.CANCEL_REMINDER, IntentLabel.LIST_REMINDERS
NOTES, LEDGER, EXPENSE = IntentLabel.LIST_NOTES, IntentLabel.CREATE_LEDGER, IntentLabel.ADD_EXPENSE
FRIEND, QUERY, CHAT, UNKNOWN = (
    IntentLabel.ADD_FRIEND, IntentLabel.GENERAL_QUERY, IntentLabel.CHIT_CHAT, IntentLabel.UNKNOWN
)  # fmt: skip

UTTERANCES: list[tuple[IntentLabel, str, dict[str, object]]] = [
    (REMINDER, "Could you please remind me to call Mum at six?", {"title": "call Mum", "when": "03-04 18:00"}),
    (REMINDER, "set a reminder for 1 a.m. to sleep", {"title": "sleep", "when": "03-05 01:00"}),
    (REMINDER, "set a reminder for one a m to sleep", {"title": "sleep", "when": "03-05 01:00"}),
    (REMINDER, "Set a reminder for 1am to sleep.", {"title": "sleep", "when": "03-05 01:00"}),
    (REMINDER, "remind me about my doctor appointment tomorrow at three",
     {"title": "doctor appointment", "when": "03-05 15:00"}),
    (REMINDER, "nudge me at half past four to start the laundry",
     {"title": "start the laundry", "when": "03-04 16:30"}),
    (REMINDER, "Put \"call the plumber\" on my reminders for Monday at 8.",
     {"title": "call the plumber", "when": "03-09 08:00"}),
    (REMINDER, "add take out the recycling to my reminders for tuesday night",
     {"title": "take out the recycling", "when": "03-10 21:00"}),
    (REMINDER, "before I go to bed, remind me to lock the back door",
     {"title": "lock the back door", "when": "03-04 22:00"}),
    (REMINDER, "don't let me forget to water the tomatoes tonight",
     {"title": "water the tomatoes", "when": "03-04 20:00"}),
    (REMINDER, "i have to pick up the kids at three so give me a shout at half two",
     {"title": "pick up the kids at three", "when": "03-04 14:30"}),
    (REMINDER, "I must call the bank, remind me at noon", {"title": "call the bank", "when": "03-04 12:00"}),
    (REMINDER, "remind me that the car insurance runs out on the 14th",
     {"title": "car insurance runs out", "when": "03-14 00:00"}),
    (REMINDER, "reminder for tomorrow at 7:15: charge the e-bike",
     {"title": "charge the e-bike", "when": "03-05 07:15"}),
    (REMINDER, "new reminder buy stamps saturday", {"title": "buy stamps", "when": "03-07 00:00"}),
    (REMINDER, "wake me up at six", {"title": "wake up", "when": "03-05 06:00"}),
    (REMINDER, "set an alarm for 7:15", {"title": "alarm", "when": "03-05 07:15"}),
    (REMINDER, "remind me in ten minutes", {"when": "03-04 10:30"}),
    (REMINDER, "set a reminder", {}),
    (REMINDER, "i want to be reminded to stretch every hour", {"title": "stretch", "when": "03-04 11:20"}),
    (REMINDER, "set a reminder for my vitamins every morning at eight", {"title": "vitamins", "when": "03-05 08:00"}),
    (REMINDER, "remind me to buy milk and eggs", {"title": "buy milk and eggs"}),
    (REMINDER, "remind me at 5 pm today to pay the babysitter twenty dollars",
     {"title": "pay the babysitter twenty dollars", "when": "03-04 17:00"}),
    (REMINDER, "remind me to submit the timesheet before the end of the day on friday",
     {"title": "submit the timesheet", "when": "03-06 17:00"}),
    (EVENT, "I have a doctor's appointment on Monday at 3 pm.",
     {"title": "doctor's appointment", "when": "03-09 15:00"}),
    (EVENT, "schedule a meeting with sofia for tuesday at ten",
     {"title": "meeting with sofia", "when": "03-10 10:00", "person": "sofia"}),
    (EVENT, "Set a meeting from 2 to 3 with Henrik about the budget.",
     {"title": "meeting with Henrik about the budget", "when": "03-04 14:00", "until": "03-04 15:00",
      "person": "Henrik"}),
    (EVENT, "book a haircut on saturday at eleven in my calendar", {"title": "haircut", "when": "03-07 11:00"}),
    (EVENT, "My driving test is on the 29th at 8:20, add it.", {"title": "driving test", "when": "03-29 08:20"}),
    (EVENT, "lunch with dad on sunday at one put it in the diary",
     {"title": "lunch with dad", "when": "03-08 13:00", "person": "dad"}),
    (EVENT, "Calendar: parents' evening, Wednesday at 18:00.", {"title": "parents' evening", "when": "03-04 18:00"}),
    (EVENT, "I have an exam on June 11 from 9 to 12.",
     {"title": "exam", "when": "06-11 09:00", "until": "06-11 12:00"}),
    (EVENT, "create an event for my birthday party on the twelfth of june",
     {"title": "birthday party", "when": "06-12 00:00"}),
    (EVENT, "block my calendar from noon to two for deep work",
     {"title": "deep work", "when": "03-04 12:00", "until": "03-04 14:00"}),
    (EVENT, "put my vacation from the first to the eighth on the calendar",
     {"title": "vacation", "when": "04-01 00:00", "until": "04-08 00:00"}),
    (EVENT, "we have a team lunch tomorrow at noon add it to my schedule",
     {"title": "team lunch", "when": "03-05 12:00"}),
    (EVENT, "there's a board meeting on the first at eight schedule it",
     {"title": "board meeting", "when": "04-01 08:00"}),
    (EVENT, "block out tomorrow afternoon for studying", {"title": "studying", "when": "03-05 15:00"}),
    (EVENT, "please add a dinner date on friday at seven", {"title": "dinner date", "when": "03-06 19:00"}),
    (EVENT, "plan a picnic for sunday noon", {"title": "picnic", "when": "03-08 12:00"}),
    (EVENT, "schedule something", {}),
    (NOTE, "note to buy chocolate", {"title": "buy chocolate"}),
    (NOTE, "note that sarah likes tea, coffee and cake", {"title": "sarah likes tea, coffee and cake"}),
    (NOTE, "make a note that the neighbour's cat is called biscuit",
     {"title": "the neighbour's cat is called biscuit"}),
    (NOTE, "Please write down the address, 17 Elm Court.", {"title": "the address, 17 Elm Court"}),
    (NOTE, "My weight today is 71.4, make a note of it.", {"title": "My weight today is 71.4"}),
    (NOTE, "Quick memo: Henrik's new office is room 305.", {"title": "Henrik's new office is room 305"}),
    (NOTE, "add milk and eggs to the shopping list please", {"title": "shopping list: milk and eggs"}),
    (NOTE, "throw dish soap onto the groceries list", {"title": "groceries list: dish soap"}),
    (NOTE, "Begin a packing list with socks, charger and sunscreen.",
     {"title": "packing list: socks, charger and sunscreen"}),
    (NOTE, "jot down pick up shirts on friday", {"title": "pick up shirts on friday"}),
    (NOTE, "remember that my locker number is forty two", {"title": "my locker number is forty two"}),
    (NOTE, "take a note", {}),
    (NOTE, "I'd like to make a note.", {}),
    (UPDATE, "change my dentist reminder to friday", {"title": "dentist", "when": "03-06 00:00"}),
    (UPDATE, "push my workout alarm back by thirty minutes", {"title": "workout", "when": "03-04 10:50"}),
    (UPDATE, "snooze that for fifteen minutes", {"when": "03-04 10:35"}),
    (UPDATE, "can you make that reminder an hour later", {"when": "03-04 11:20"}),
    (UPDATE, "move the reminder to pay bills up to the first", {"title": "pay bills", "when": "04-01 00:00"}),
    (UPDATE, "switch my medicine reminder from eight to nine", {"title": "medicine", "when": "03-04 21:00"}),
    (UPDATE, "rename my reminder for the store to market run", {"title": "store", "new_title": "market run"}),
    (UPDATE, "that reminder should say grandma instead of mom", {"new_title": "grandma"}),
    (UPDATE, "The vet reminder should be at four, not three.", {"title": "vet", "when": "03-04 16:00"}),
    (UPDATE, "move the 4 o'clock reminder to five thirty", {"when": "03-04 17:30"}),
    (CANCEL, "cancel my dentist reminder", {"query": "dentist"}),
    (CANCEL, "take the dentist off my reminders", {"query": "dentist"}),
    (CANCEL, "delete the reminder to call mom at five", {"query": "call mom", "when": "03-04 17:00"}),
    (CANCEL, "cancel all my reminders", {"all": True}),
    (CANCEL, "clear out my reminders", {"all": True}),
    (CANCEL, "cancel the alarm for tomorrow", {"when": "03-05 00:00"}),
    (CANCEL, "drop everything due on sunday from my reminders", {"all": True, "when": "03-08 00:00"}),
    (CANCEL, "i don't need the milk reminder anymore", {"query": "milk"}),
    (CANCEL, "don't bother reminding me about the plumber", {"query": "plumber"}),
    (CANCEL, "cancel that reminder", {}),
    (LISTED, "what reminders do i have for tomorrow", {"when": "03-05 00:00"}),
    (LISTED, "do i have a reminder about the dentist", {"query": "dentist"}),
    (LISTED, "when is my reminder for the car service", {"query": "car service"}),
    (LISTED, "list all reminders", {}),
    (NOTES, "what did i write down about the wifi", {"query": "wifi"}),
    (NOTES, "what was the gate code i noted", {"query": "gate code"}),
    (NOTES, "what's on my shopping list", {"query": "shopping list"}),
    (NOTES, "is bread on my shopping list", {"query": "bread"}),
    (NOTES, "show me what i wrote on monday", {"when": "03-02 00:00"}),
    (NOTES, "my notes please", {}),
    (LEDGER, "Sarah owes me $50", {"person": "Sarah", "direction": "owes_me", "amount": ("50", "USD")}),
    (LEDGER, "I owe Tom 20", {"person": "Tom", "direction": "i_owe", "amount": ("20", None)}),
    (LEDGER, "I lent Mike 30", {"person": "Mike", "direction": "owes_me", "amount": ("30", None)}),
    (LEDGER, "borrowed 10 from Anna", {"person": "Anna", "direction": "i_owe", "amount": ("10", None)}),
    (LEDGER, "tom and jerry owe me 5 dollars each",
     {"person": "tom and jerry", "direction": "owes_me", "amount": ("5", "USD")}),
    (LEDGER, "record that i owe my sister eighty euros for the concert tickets",
     {"person": "my sister", "direction": "i_owe", "amount": ("80", "EUR"), "purpose": "concert tickets"}),
    (LEDGER, "lent ten dollars to sarah for lunch",
     {"person": "sarah", "direction": "owes_me", "amount": ("10", "USD"), "purpose": "lunch"}),
    (LEDGER, "i paid for peter's ticket so he owes me thirty two",
     {"person": "peter", "direction": "owes_me", "amount": ("32", None), "purpose": "peter's ticket"}),
    (LEDGER, "i still have to give the neighbor forty bucks for the fence",
     {"person": "neighbor", "direction": "i_owe", "amount": ("40", "USD"), "purpose": "fence"}),
    (LEDGER, "Matt bought my train ticket, so I owe him 37.",
     {"person": "Matt", "direction": "i_owe", "amount": ("37", None)}),
    (LEDGER, "Emma owes me £9.50 for the sandwiches.",
     {"person": "Emma", "direction": "owes_me", "amount": ("9.50", "GBP"), "purpose": "sandwiches"}),
    (LEDGER, "dave paid me back the twenty he owed",
     {"person": "dave", "direction": "owes_me", "amount": ("20", None)}),
    (LEDGER, "i gave nora her sixteen dollars back",
     {"person": "nora", "direction": "i_owe", "amount": ("16", "USD")}),
    (LEDGER, "how much do i owe my sister", {"person": "my sister", "direction": "i_owe"}),
    (LEDGER, "who owes me money", {"direction": "owes_me"}),
    (EXPENSE, "I spent 12.50 on lunch", {"amount": ("12.50", None), "purpose": "lunch"}),
    (EXPENSE, "paid 6.50 for coffee and a croissant", {"amount": ("6.50", None), "purpose": "coffee and a croissant"}),
    (EXPENSE, "bought a train ticket for twenty two pounds", {"amount": ("22", "GBP"), "purpose": "train ticket"}),
    (EXPENSE, "Groceries came to 73.15.", {"amount": ("73.15", None), "purpose": "Groceries"}),
    (EXPENSE, "log a forty dollar expense for gas", {"amount": ("40", "USD"), "purpose": "gas"}),
    (EXPENSE, "Yesterday I spent 16 on the cab home.",
     {"amount": ("16", None), "purpose": "cab home", "when": "03-03 00:00"}),
    (EXPENSE, "Had pizza tonight, 21 euros all in.", {"amount": ("21", "EUR"), "purpose": "pizza"}),
    (EXPENSE, "add an expense of twelve fifty for the taxi", {"amount": ("12.5", None), "purpose": "taxi"}),
    (EXPENSE, "paid the babysitter forty five", {"amount": ("45", None), "purpose": "babysitter"}),
    (EXPENSE, "spent fifty cents on a stamp", {"amount": ("0.5", None), "purpose": "stamp"}),
    (FRIEND, "add Lucy to my friends", {"person": "Lucy"}),
    (FRIEND, "my new neighbour is called Samir, save him as a friend", {"person": "Samir"}),
    (FRIEND, "Save Aunt Rosa to contacts under family.", {"person": "Aunt Rosa"}),
    (FRIEND, "this is my buddy carl add him", {"person": "carl"}),
    (FRIEND, "I want to add Aisha Khan to my friends", {"person": "Aisha Khan"}),
    (FRIEND, "add friend", {}),
    (QUERY, "what's the capital of Peru?", {"query": "what's the capital of Peru"}),
    (UNKNOWN, "at three", {"when": "03-04 15:00"}),
    (UNKNOWN, "fifty dollars", {"amount": ("50", "USD")}),
    (CHAT, "hello there", {}),
]  # fmt: skip


def expected(slots: dict[str, object]) -> dict[str, object]:
    made = dict(slots)
    match made.get("amount"):
        case (str(value), (str() | None) as currency):
            made["amount"] = Money(value=Decimal(value), currency=currency)
    return made


def told(slots: Slots) -> dict[str, object]:
    """The slots that are filled, times as month-day hour:minute."""
    filled: dict[str, object] = {}
    for name in Slots.model_fields:
        value = getattr(slots, name)
        if value is None or value is False:
            continue
        filled[name] = value.at.strftime("%m-%d %H:%M") if name in {"when", "until"} else value
    return filled


@pytest.mark.parametrize(("label", "said", "slots"), UTTERANCES, ids=[said for _, said, _ in UTTERANCES])
def test_an_utterance_fills_exactly_these_slots(label: IntentLabel, said: str, slots: dict[str, object]) -> None:
    assert told(slots_of(label, said, NOW)) == expected(slots)


def as_recognised(said: str) -> str:
    """How a recogniser writes it that spells no capitals and sets no marks at the end."""
    return said.lower().rstrip(".!?")


SPOKEN = [(label, said, slots) for label, said, slots in UTTERANCES if label in {REMINDER, EVENT, LEDGER, EXPENSE}]


@pytest.mark.parametrize(("label", "said", "slots"), SPOKEN, ids=[said for _, said, _ in SPOKEN])
def test_capitals_and_a_full_stop_change_nothing(label: IntentLabel, said: str, slots: dict[str, object]) -> None:
    def folded(filled: dict[str, object]) -> dict[str, object]:
        return {name: value.casefold() if isinstance(value, str) else value for name, value in filled.items()}

    assert folded(told(slots_of(label, as_recognised(said), NOW))) == folded(told(slots_of(label, said, NOW)))


def test_a_dictated_note_is_kept_whole() -> None:
    long = "the meeting went on " * 150
    title = slots_of(NOTE, f"note that {long}", NOW).title
    assert title is not None and len(title) > 2_900


def test_slots_of_a_huge_text_are_found_quickly() -> None:
    started = time.process_time()
    for text in ("a, " * 1_300, ". " * 2_000, "for the " * 500, "$5 " * 1_300, "1" * 4_000, "anna " * 800):
        for label in IntentLabel:
            slots_of(label, text, NOW)
    assert time.process_time() - started < 20
