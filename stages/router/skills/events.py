"""Puts events into the calendar and says what they collide with."""

from datetime import datetime, timedelta
from typing import Final

from infra.state import appointments
from infra.state.appointments import Appointment
from infra.state.port import Transaction
from stages.router import english, matching, moments
from stages.router.asked import Asked, Json, Result, asks, done, quoted
from stages.router.due_time import TimePassed, due_time

USUAL_LENGTH: Final = timedelta(hours=1)  # of an event whose end was not named
NAMED_MAX: Final = 3  # collisions that are read out


async def schedule(tx: Transaction, asked: Asked) -> Result:
    """Put an event into the calendar; ask for what is missing."""
    slots = asked.intent.slots
    if not slots.title:
        return asks(asked, "I don't know yet what the event is.", "What should I call the event?", "title")
    title, question = slots.title.strip(), f"When is {quoted(slots.title)}?"
    if slots.when is None or slots.when.at is None:
        why = f"I need a time before I can put {quoted(title)} into your calendar."
        return asks(asked, why, question, "when", title=title)
    try:
        event = _placed(asked, title)
    except TimePassed as passed:
        return asks(asked, str(passed), question, "when", title=title)
    others = await appointments.overlapping(tx, asked.scope, event.starts_at, event.ends_at, 50)
    same = [o for o in others if matching.folded(o.title) == matching.folded(title) and o.starts_at == event.starts_at]
    if same:
        message = f"{quoted(same[0].title)} is in your calendar already, {_span(asked, same[0])}."
        return done(asked, message, **_data(asked, same[0]), duplicate=True)
    await appointments.add(tx, asked.scope, event)
    # A whole-day entry is a frame for a day, not an occupation: it collides with nothing.
    collisions = [] if event.all_day else [o for o in others if not o.all_day]
    message = f"I've put {quoted(title)} into your calendar {_span(asked, event)}."
    if collisions:
        named = english.joined([f"{quoted(o.title)} {_span(asked, o)}" for o in collisions[:NAMED_MAX]])
        message += f" It overlaps with {named}."
    listed: list[Json] = [_data(asked, o) for o in collisions[:NAMED_MAX]]
    return done(asked, message, **_data(asked, event), conflicts=listed)


def _placed(asked: Asked, title: str) -> Appointment:
    """The event as it will stand in the calendar. Raises TimePassed."""
    when, until = asked.intent.slots.when, asked.intent.slots.until
    assert when is not None and when.at is not None
    if when.all_day:
        day = asked.local(when.at).date()
        if day < asked.now.date():
            raise TimePassed(f"{quoted(title)} would be {moments.spoken_day(day, asked.now.date())}, which is over.")
        starts, ends = moments.day_span(day, asked.zone)
    else:
        starts = due_time(when.at, False, when.text, asked.now)
        ends = moments.later(starts, USUAL_LENGTH)
    if until is not None and until.at is not None:
        ends = _end(asked.local(until.at), until.all_day, starts, asked)
    return Appointment(asked.id, title, starts, ends, when.all_day, asked.now)


def _end(until: datetime, all_day: bool, starts: datetime, asked: Asked) -> datetime:
    """The named end; one that lies before the start is meant after it ("from ten to one"). Raises TimePassed."""
    if all_day:
        until = moments.day_span(until.date(), asked.zone)[1]
    if not _after(until, starts):
        until = moments.on_day(starts.date(), until.time(), asked.zone)
    if not _after(until, starts):
        until = moments.through_utc(until + timedelta(hours=12))
    if not _after(until, starts):
        raise TimePassed("The event would end before it begins.")
    return until


def _after(moment: datetime, other: datetime) -> bool:
    return moments.between(other, moment) > timedelta(0)


def _span(asked: Asked, event: Appointment) -> str:
    starts, ends = asked.local(event.starts_at), asked.local(event.ends_at)
    day = moments.spoken_day(starts.date(), asked.now.date())
    if event.all_day:
        return day
    if moments.between(event.starts_at, event.ends_at) == USUAL_LENGTH:
        return f"{day} at {english.clock_time(starts)}"
    if starts.date() == ends.date():
        return f"{day} from {english.clock_time(starts)} to {english.clock_time(ends)}"
    return f"from {_named(starts, asked.now)} to {_named(ends, asked.now)}"


def _named(at: datetime, now: datetime) -> str:
    return moments.spoken(at, now).removeprefix("on ")


def _data(asked: Asked, event: Appointment) -> dict[str, Json]:
    return {
        "event": event.id,
        "title": event.title,
        "starts_at": asked.local(event.starts_at).isoformat(),
        "ends_at": asked.local(event.ends_at).isoformat(),
        "all_day": event.all_day,
    }
