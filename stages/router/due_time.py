"""When a reminder falls due, from the time that a person named. Pure.

A day without a time of day gets a usual one; a time of day that has passed means the next day, unless the words fix
the day: then it is refused.
"""

import re
from datetime import datetime, time, timedelta
from typing import Final

from schemas.intents import When
from stages.router import moments, wording

TIMES_OF_DAY: Final = (time(9), time(18), time(21))  # for "on Friday" the first; for "today" the next one to come
JUST_NOW: Final = timedelta(minutes=1)  # "now" and rounding: due at once, not refused
NEXT_DAY_WITHIN: Final = timedelta(hours=24)  # "at one", said at ten in the evening, is meant for the night to come

_DAY_WORDS = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|(?:mon|tues|wednes|thurs|fri|satur|sun)day|week|weekend|month|day|"
    r"january|february|march|april|may|june|july|august|september|october|november|december|\d+(?:st|nd|rd|th)|"
    r"first|second|third|in)\b|\d[./-]\d",
    re.IGNORECASE,
)


class TimePassed(ValueError):
    """The moment named lies in the past. Its text is a sentence for the person."""


def due_time(when_at: datetime, all_day: bool, words: str, now: datetime) -> datetime:
    """The moment, in the zone of `now`. Raises TimePassed."""
    at = when_at.astimezone(now.tzinfo)
    if all_day:
        return _on_the_day(at, now)
    past = moments.between(at, now)
    if past <= timedelta(0):
        return at
    if past <= JUST_NOW:
        return now
    if past < NEXT_DAY_WITHIN and not wording.names_a_past_day(words):
        return moments.through_utc(at + timedelta(days=1))
    raise TimePassed(f"{_capital(moments.spoken(at, now))} has already passed.")


def changed_time(when: When, utterance: str, due_at: datetime, now: datetime) -> datetime:
    """Another time for what was due at `due_at`: a shift ("an hour later"), a day, a time of day, or a new moment.

    `when.at` must not be None. Raises TimePassed.
    """
    assert when.at is not None
    due, at = due_at.astimezone(now.tzinfo), when.at.astimezone(now.tzinfo)
    if sign := wording.shift_sign(utterance, when.text):
        # What was due already is put off from now, not from a moment in the past.
        start = now if sign > 0 and moments.between(due, now) > timedelta(0) else due
        shifted = moments.later(start, sign * abs(moments.between(now, at)))
        if moments.between(shifted, now) > timedelta(0):
            raise TimePassed(f"{_capital(moments.spoken(shifted, now))} has already passed.")
        return shifted
    if when.all_day:
        moved = moments.through_utc(datetime.combine(at.date(), due.time(), tzinfo=now.tzinfo))
        return due_time(moved, False, "today", now)
    if _DAY_WORDS.search(when.text) is None and due.date() > now.date():
        return moments.through_utc(datetime.combine(due.date(), at.time(), tzinfo=now.tzinfo))
    return due_time(at, False, when.text, now)


def _on_the_day(at: datetime, now: datetime) -> datetime:
    for usual in TIMES_OF_DAY:
        candidate = moments.through_utc(datetime.combine(at.date(), usual, tzinfo=now.tzinfo))
        if moments.between(now, candidate) > timedelta(0):
            return candidate
    passed = moments.spoken_day(at.date(), now.date())
    raise TimePassed("It is too late for a reminder today." if passed == "today" else f"{_capital(passed)} is over.")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
