"""Sets and lists reminders. Changing them is in reminder_changes.py, announcing them in stages/router/due.py."""

from datetime import datetime, timedelta
from typing import Final

from infra.state import reminders
from infra.state.port import Transaction
from infra.state.reminders import Reminder
from schemas.intents import When
from stages.router import english, matching, moments, wording
from stages.router.asked import Asked, Json, Result, asks, done, quoted, refused
from stages.router.due_time import TimePassed, due_time

OPEN_MAX: Final = 1_000  # open reminders of one user
NAMED_MAX: Final = 5  # as many are read out at once; the rest is in the data
LISTED_MAX: Final = 50  # as many stand in the data


async def create(tx: Transaction, asked: Asked) -> Result:
    """Set a reminder; ask for what is missing."""
    slots = asked.intent.slots
    if not slots.title:
        return asks(asked, "I don't know yet what the reminder is for.", "What should I remind you of?", "title")
    title, question = slots.title.strip(), f"When should I remind you of {quoted(slots.title)}?"
    if slots.when is None or slots.when.at is None:
        unclear = f"I couldn't make out the time {quoted(slots.when.text)}." if slots.when else None
        why = unclear or f"I need a time before I can set the reminder for {quoted(title)}."
        return asks(asked, why, question, "when", title=title)
    try:
        due = due_time(slots.when.at, slots.when.all_day, slots.when.text, asked.now)
    except TimePassed as passed:
        return asks(asked, str(passed), question, "when", title=title)
    held = await reminders.open_ones(tx, asked.scope, OPEN_MAX)
    if same := _same(held, title, due):
        message = f"You already have a reminder for {quoted(same.title)} {moments.spoken(due, asked.now)}."
        return done(asked, message, **described(asked, same), duplicate=True)
    if len(held) >= OPEN_MAX:
        return refused(asked, f"You have {OPEN_MAX} open reminders; I can't keep more. Cancel some first.")
    reminder = reminders.made_from(asked.origin, asked.id, title, due)
    await reminders.add(tx, reminder, asked.now)
    message = f"I've set your reminder for {quoted(title)} {moments.spoken(due, asked.now)}."
    if wording.repeats(asked.intent.text):
        message += " I can't repeat reminders yet, so it is for that one time."
    return done(asked, message, **described(asked, reminder))


async def show(tx: Transaction, asked: Asked) -> Result:
    """List the open reminders: all, of a day, or about something."""
    slots = asked.intent.slots
    found = await reminders.open_ones(tx, asked.scope, OPEN_MAX)
    about, during = "", ""
    if slots.when is not None and slots.when.at is not None:
        found, during = _during(asked, slots.when, slots.when.at, found)
    words = slots.query or slots.title or ""
    if matching.telling_words(words):
        found, about = [r for r in found if matching.holds(words, r.title)], f" about {quoted(words)}"
    if not found:
        return done(asked, f"You have no reminders{about}{during}.", count=0, reminders=[])
    count = english.counted(len(found), "reminder", "reminders")
    named = [f"{quoted(r.title)} {moments.spoken(asked.local(r.due_at), asked.now)}" for r in found[:NAMED_MAX]]
    more = f" The next {NAMED_MAX} are" if len(found) > NAMED_MAX else ""
    message = f"You have {count}{about}{during}{'.' + more if more else ''}: {english.joined(named)}."
    listed: list[Json] = [described(asked, r) for r in found[:LISTED_MAX]]
    return done(asked, message, count=len(found), reminders=listed)


def described(asked: Asked, reminder: Reminder) -> dict[str, Json]:
    """A reminder as data, its time in the person's zone."""
    return {
        "reminder": reminder.id,
        "title": reminder.title,
        "due_at": asked.local(reminder.due_at).isoformat(),
    }


def _same(held: list[Reminder], title: str, due: datetime) -> Reminder | None:
    key = matching.folded(title)
    alike = (r for r in held if matching.folded(r.title) == key and abs(r.due_at - due) < timedelta(minutes=1))
    return next(alike, None)


def _during(asked: Asked, when: When, at: datetime, held: list[Reminder]) -> tuple[list[Reminder], str]:
    """Those due in the day, week or month that was named, and how that is said."""
    day, today = asked.local(at).date(), asked.now.date()
    words = when.text.casefold()
    if "week" in words and "weekend" not in words:
        monday = day - timedelta(days=day.weekday())
        start = moments.day_span(monday, asked.zone)[0]
        end = moments.day_span(monday + timedelta(days=7), asked.zone)[0]
        said = " this week" if monday <= today < monday + timedelta(days=7) else " that week"
    elif "month" in words:
        start, end = moments.month_span(day, asked.zone)
        said = f" in {english.month(day)}"
    else:
        start, end = moments.day_span(day, asked.zone)
        said = f" {moments.spoken_day(day, today)}"
    return [r for r in held if start <= r.due_at < end], said
