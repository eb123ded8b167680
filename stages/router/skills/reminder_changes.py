"""Moves, renames and cancels reminders: finds the one that is meant, asks when several could be."""

from datetime import timedelta
from typing import Final

from infra.state import reminders
from infra.state.port import Transaction
from infra.state.reminders import Reminder
from stages.router import english, matching, moments, wording
from stages.router.asked import Asked, Json, Result, asks, confirms, done, quoted, refused
from stages.router.due_time import TimePassed, changed_time
from stages.router.skills.reminders import LISTED_MAX, NAMED_MAX, OPEN_MAX, described

SNOOZE_WITHIN: Final = timedelta(minutes=30)  # how long after its announcement "snooze" means that reminder


async def update(tx: Transaction, asked: Asked) -> Result:
    """Give a reminder another time, another title, or both."""
    slots = asked.intent.slots
    target = await _snoozed(tx, asked) or _target(asked, await reminders.open_ones(tx, asked.scope, OPEN_MAX), "change")
    if isinstance(target, Result):
        return target
    named = f"your reminder for {quoted(target.title)}"
    title = (slots.new_title or target.title).strip()
    if slots.when is None and title == target.title:
        question = f"What time should {named} be moved to?"
        return asks(asked, f"I don't know yet what to change about {named}.", question, "when", (target.id,))
    due = target.due_at
    if slots.when is not None:
        if slots.when.at is None:
            why = f"I couldn't make out the time {quoted(slots.when.text)}."
            return asks(asked, why, f"What time should {named} be moved to?", "when", (target.id,))
        try:
            due = changed_time(slots.when, asked.intent.text, target.due_at, asked.now)
        except TimePassed as passed:
            return asks(asked, str(passed), f"What time should {named} be moved to?", "when", (target.id,))
    await reminders.change(tx, target.id, title, due)
    now_at = moments.spoken(asked.local(due), asked.now)
    data: dict[str, Json] = {"reminder": target.id, "title": title, "due_at": asked.local(due).isoformat()}
    if title != target.title:
        moved = f" It is {now_at}." if due != target.due_at else ""
        return done(asked, f"I've renamed {named} to {quoted(title)}.{moved}", **data)
    return done(asked, f"I've moved {named}: it is now {now_at}.", **data)


async def cancel(tx: Transaction, asked: Asked) -> Result:
    """Cancel the reminder that is meant; or all of them (of a day, about something), once that is confirmed."""
    held = await reminders.open_ones(tx, asked.scope, OPEN_MAX)
    if asked.intent.slots.all:
        return await _cancel_all(tx, asked, held)
    target = _target(asked, _at_the_time(asked, held), "cancel")
    if isinstance(target, Result):
        return target
    await reminders.cancel(tx, target.id, asked.now)
    at = moments.spoken(asked.local(target.due_at), asked.now)
    return done(asked, f"I've cancelled your reminder for {quoted(target.title)} {at}.", **described(asked, target))


async def _cancel_all(tx: Transaction, asked: Asked, held: list[Reminder]) -> Result:
    slots = asked.intent.slots
    if asked.choices:
        gone = [r for r in held if r.id in asked.choices]
    else:
        words = slots.title or slots.query or ""
        gone = [r for r in _at_the_time(asked, held) if matching.holds(words, r.title)]
    if not gone:
        return refused(asked, "There are no such reminders to cancel." if held else _NONE)
    if not asked.choices:
        return confirms(_whether_all(asked, gone, len(held)), tuple(r.id for r in gone))
    for reminder in gone:
        await reminders.cancel(tx, reminder.id, asked.now)
    titles = english.joined([quoted(r.title) for r in gone[:NAMED_MAX]])
    listed: list[Json] = [described(asked, r) for r in gone[:LISTED_MAX]]
    if len(gone) == 1:
        message = f"I've cancelled your reminder for {titles}."
    elif len(gone) <= NAMED_MAX:
        message = f"I've cancelled {len(gone)} reminders: {titles}."
    else:
        message = f"I've cancelled all {len(gone)} of those reminders."
    return done(asked, message, count=len(gone), reminders=listed)


def _whether_all(asked: Asked, gone: list[Reminder], held: int) -> str:
    """The question whether to cancel these of the `held` open ones: says how many, and which ones if not all."""
    count = english.counted(len(gone), "reminder", "reminders")
    them = {1: "it", 2: "both of them"}.get(len(gone), "all of them")
    if len(gone) == held > 1:
        return f"You have {count}. Shall I cancel {them}?"
    listed = english.joined([f"{quoted(r.title)} {_time(asked, r)}" for r in gone[:NAMED_MAX]])
    beyond = f" (and {len(gone) - NAMED_MAX} more)" if len(gone) > NAMED_MAX else ""
    these = f"You have {count}" if len(gone) == held else f"That means {len(gone)} of your {held} reminders"
    return f"{these}: {listed}{beyond}. Shall I cancel {them}?"


_NONE: Final = "You have no open reminders."


def _target(asked: Asked, held: list[Reminder], verb: str) -> Reminder | Result:
    """The one reminder that is meant, or the refusal or question that says why there is not one."""
    pool = [r for r in held if r.id in asked.choices] if asked.choices else held
    if not pool:
        return refused(asked, _NONE if not held else "That reminder is not open any more.")
    if len(asked.choices) == 1:
        return pool[0]
    slots = asked.intent.slots
    words = (slots.query if asked.choices else slots.title or slots.query) or ""
    if not asked.choices and slots.when is not None and _is_only(words, slots.when.text):
        words = ""  # "the reminders for Monday": the day has chosen among them already
    if asked.choices and (index := wording.ordinal(words, len(pool))) is not None:
        return pool[index]
    if not matching.telling_words(words):
        return pool[0] if len(pool) == 1 else _which(asked, pool, verb)
    # Among choices that were read out with their times "the one at 3 PM" is an answer, and so is "my Monday reminder"
    # when no title holds the word.
    titles, timed = [r.title for r in pool], [f"{r.title} {_time(asked, r)}" for r in pool]
    indices = matching.meant(words, timed) if asked.choices else matching.meant(words, titles)
    found = [pool[index] for index in indices or matching.meant(words, timed)]
    if len(found) == 1:
        return found[0]
    if found:
        return _which(asked, found, verb)
    if asked.choices:
        return _which(asked, pool, verb)
    others = english.joined([quoted(r.title) for r in pool[:NAMED_MAX]])
    return refused(asked, f"I found no reminder about {quoted(words)}. The open ones are: {others}.")


def _is_only(words: str, others: str) -> bool:
    return set(matching.telling_words(words)) <= set(matching.telling_words(others))


def _which(asked: Asked, candidates: list[Reminder], verb: str) -> Result:
    named = [f"{quoted(r.title)} {_time(asked, r)}" for r in candidates[:NAMED_MAX]]
    beyond = len(candidates) - NAMED_MAX
    more = f" (and {beyond} more)" if beyond > 0 else ""
    return asks(
        asked,
        f"There are {len(candidates)} reminders that you could mean.",
        f"Which one should I {verb}: {english.joined(named, 'or')}{more}?",
        "which",
        tuple(r.id for r in candidates[:LISTED_MAX]),
        candidates=[described(asked, r) for r in candidates[:NAMED_MAX]],
    )


def _at_the_time(asked: Asked, held: list[Reminder]) -> list[Reminder]:
    """Those due at the moment, or on the day, that was named; all when none was."""
    when = asked.intent.slots.when
    if when is None or when.at is None or asked.choices:
        return held
    at = asked.local(when.at)
    exact = [r for r in held if not when.all_day and abs(r.due_at - at) < timedelta(minutes=1)]
    return exact or [r for r in held if asked.local(r.due_at).date() == at.date()]


async def _snoozed(tx: Transaction, asked: Asked) -> Reminder | None:
    """The reminder that was just announced, when the words are about that one and name no other."""
    words = asked.intent.slots.title or asked.intent.slots.query or ""
    if asked.choices or not wording.is_snooze(asked.intent.text) or matching.telling_words(words):
        return None
    return await reminders.last_announced(tx, asked.scope, asked.now - SNOOZE_WITHIN)


def _time(asked: Asked, reminder: Reminder) -> str:
    return moments.spoken(asked.local(reminder.due_at), asked.now)
