"""Turns the time words of an utterance into moments: in the person's time zone, relative to when it was said.

stages/intent/calendar_days.py finds the days (with dateparser), stages/intent/hours.py the time of day; here they are
put together:

- **A time of day without a day** is today's, or tomorrow's when today's has passed.
- **A day without a time** is its first moment, with `all_day`.
- **Hours and minutes** are elapsed time; days and weeks keep the time on the clock. A time that the clocks skip in
  spring is what they show instead; one that comes twice in autumn is the first.
- **Something repeated** is its next occurrence.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import InvalidField
from schemas.intents import When
from stages.intent.calendar_days import counted, day_of, local, offset, unit_of
from stages.intent.hours import EARLY_HOURS, part_time, time_of_day
from stages.intent.spoken import Spoken
from stages.intent.time_groups import Group, groups_of, is_attributive, is_target, joined
from stages.intent.time_patterns import WEEKDAYS, Kind
from stages.intent.time_words import TimeWords, time_words


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that was named: its stretches in the original, and what they mean.

    `attributive`: it describes something ("the six o'clock train", "my friday reminder") rather than saying when.
    `target`: it follows "to" or "until": what something shall be moved to.
    """

    spans: tuple[tuple[int, int], ...]
    when: When
    until: When | None = None
    attributive: bool = False
    target: bool = False


@dataclass(frozen=True, slots=True)
class _Said:
    """What all of one utterance's times are understood from."""

    spoken: Spoken
    now: datetime  # in the person's zone
    zone: ZoneInfo
    past: bool


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises InvalidField."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField("meta.time_zone", name, "an IANA time zone such as Europe/Berlin") from None


def moments(spoken: Spoken, now: datetime, zone: ZoneInfo, past: bool = False) -> list[Moment]:
    """All times that an utterance names, in order; with `past` it speaks of what has been."""
    said = _Said(spoken, now.astimezone(zone), zone, past)
    groups = groups_of(spoken.canonical, time_words(spoken.canonical))
    return [_moment(said, group) for group in groups if {w.kind for w in group.words} != {Kind.LENGTH}]


def lengths(spoken: Spoken, now: datetime, zone: ZoneInfo) -> list[When]:
    """The lengths of time that an utterance names ("by two hours"), as the moment that much after now."""
    found = [words for words in time_words(spoken.canonical) if words.kind in {Kind.LENGTH, Kind.SHIFT}]
    return [When(text=spoken.said(words.core, words.end), at=offset(words, now, zone)) for words in found]


def _moment(said: _Said, group: Group) -> Moment:
    text = said.spoken.canonical
    start, all_day = _start(said, group)
    until, ends = _until(said, group, start)
    clocks = group.of(Kind.CLOCK)
    half_said_once = len(clocks) == 2 and clocks[0].meridiem == "" != clocks[1].meridiem  # "from 2 to 4 pm"
    if start is not None and until is not None and half_said_once and until - start > timedelta(hours=12):
        start += timedelta(hours=12)
    named = [words for words in group.words if words not in ends]
    return Moment(
        spans=tuple(said.spoken.origin(words.start, words.end) for words in group.words),
        when=When(text=_text(said.spoken, named), at=start, all_day=all_day),
        until=When(text=_text(said.spoken, ends), at=until, all_day=ends[0].kind is Kind.DAY) if until else None,
        attributive=is_attributive(text, group),
        target=is_target(text, group),
    )


def _text(spoken: Spoken, words: Sequence[TimeWords]) -> str:
    return " ".join(spoken.said(first, last) for first, last in joined(spoken.canonical, words)).strip(" ,")


def _until(said: _Said, group: Group, start: datetime | None) -> tuple[datetime | None, list[TimeWords]]:
    """When it ends, and the words that say so."""
    clocks, days, lengths_ = group.of(Kind.CLOCK), group.of(Kind.DAY), group.of(Kind.LENGTH)
    if start is None:
        return None, []
    if len(clocks) == 2:
        return _after(start, clocks[1], said.zone), clocks[1:]
    if len(days) == 2 and days[0].start < days[1].start:
        last = day_of(days[1], start, False, False)
        return (local(last, time(), said.zone) if last else None), days[1:]
    if lengths_:
        return offset(lengths_[0], start, said.zone), lengths_
    return None, []


def _start(said: _Said, group: Group) -> tuple[datetime | None, bool]:
    """The moment, and whether it is a whole day; None when the words name none."""
    offsets, clocks, parts = group.of(Kind.OFFSET), group.of(Kind.CLOCK), group.of(Kind.PART)
    days, everys = group.of(Kind.DAY), group.of(Kind.EVERY)
    if offsets and not (clocks or parts):
        return offset(offsets[0], said.now, said.zone), False
    day = _named_day(said, group)
    if days and day is None:
        return None, False
    weekday = bool(days) and "weekday" in days[0].values
    at = time_of_day(said.spoken.canonical, clocks, parts, said.now, day, bool(everys) or weekday)
    if everys and day is None:
        return _next_occurrence(said, everys[0].words, at)
    if day is None:
        return (_nearest(said, at), False) if at is not None else (None, False)
    if at is None:
        return local(day, time(), said.zone), True
    moment = local(day, at, said.zone)
    if parts and parts[-1].words.endswith("night") and clocks and at.hour <= EARLY_HOURS:
        return local(day + timedelta(days=1), at, said.zone), False
    if weekday and not (days[0].past or said.past) and moment <= said.now:
        return local(day + timedelta(days=7), at, said.zone), False
    return moment, False


def _named_day(said: _Said, group: Group) -> date | None:
    """The day that is named, also by "tonight" or "in two days (at noon)"; None for a bare time of day."""
    today = said.now.date()
    if offsets := group.of(Kind.OFFSET):
        there = offset(offsets[0], said.now, said.zone)
        return there.date() if there else None
    parts = group.of(Kind.PART)
    if days := group.of(Kind.DAY):
        return day_of(days[0], said.now, bool(group.of(Kind.CLOCK) or parts), said.past)
    for part in parts:
        if "tomorrow" in part.words:
            return today + timedelta(days=1)
        if "last night" in part.words:
            return today - timedelta(days=1)
        if part.words.startswith(("this", "tonight")):
            return today
    return None


def _nearest(said: _Said, at: time) -> datetime:
    """The next (or latest) moment at which the clock shows a time."""
    moment = local(said.now.date(), at, said.zone)
    if said.past:
        return moment if moment <= said.now else local(said.now.date() - timedelta(days=1), at, said.zone)
    return moment if moment > said.now else local(said.now.date() + timedelta(days=1), at, said.zone)


def _after(start: datetime, clock: TimeWords, zone: ZoneInfo) -> datetime:
    """The first time after `start` at which the clock shows that hour."""
    hour = clock.hour or 0
    halves = {"24": [hour], "am": [hour % 12], "pm": [hour % 12 + 12], "": [hour % 12, hour % 12 + 12]}
    days = (start.date(), start.date() + timedelta(days=1))
    ends = [local(day, time(shown, clock.minute), zone) for day in days for shown in halves[clock.meridiem]]
    return min(end for end in ends if end > start)


def _next_occurrence(said: _Said, words: str, at: time | None) -> tuple[datetime | None, bool]:
    """When something repeated comes next: "every monday at seven", "daily", "every two hours"."""
    small = re.search(r"(?:every|each) (?:single )?(?P<count>\d+ )?(?P<unit>second|minute|min|hour|hr)s?\b", words)
    if small or words == "hourly":
        count, unit = (int(small["count"] or 1), unit_of(small["unit"])) if small else (1, "hour")
        return counted(f"in {count} {unit}s", unit, said.now, said.zone), False
    if at is None:
        at = part_time(words) if words != "nightly" else None
    days = [number for number, name in enumerate(WEEKDAYS) if name in words]
    if "weekday" in words or "weeknight" in words:
        days = [0, 1, 2, 3, 4]
    elif "weekend" in words:
        days = [5, 6]
    if at is None and not days:
        return None, False
    for ahead in range(9):
        day = said.now.date() + timedelta(days=ahead)
        moment = local(day, at or time(), said.zone)
        if moment > said.now and (not days or day.weekday() in days):
            return moment, at is None
    return None, False
