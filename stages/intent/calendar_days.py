"""Finds the calendar day or the offset that time words name. The only file that knows dateparser.

dateparser reads dates, weekdays' neighbours and offsets ("third of may", "2026-05-01", "in two weeks", "two days ago").
Beside it stand the rules that it lacks or has otherwise: "next friday" is the one in the week after this one (weeks
start on Monday); "friday" and "this friday" are the coming one; today's name means a week from now unless a time still
ahead was named with it; "the 14th" is the next one; a period stands for its first day, its end for its last.
With `past` ("what did I spend on monday") all of these look back instead.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from dateparser.date import DateDataParser

from stages.intent.time_patterns import WEEKDAYS
from stages.intent.time_words import TimeWords

_SMALL_UNITS: Final = frozenset({"second", "minute", "hour"})  # elapsed time; larger ones keep the time on the clock
_UNIT_NAMES: Final = {"sec": "second", "min": "minute", "hr": "hour", "fortnight": "week", "weekend": "week"}
_COUNTS: Final[tuple[tuple[str, str], ...]] = (
    ("half a", "0.5"),
    ("a half", "0.5"),
    ("a quarter", "0.25"),
    ("a couple", "2"),
    ("a few", "3"),
)
_FEASTS: Final = {
    "christmas eve": "december 24",
    "christmas day": "december 25",
    "christmas": "december 25",
    "boxing day": "december 26",
    "new year's eve": "december 31",
    "new year's day": "january 1",
    "new year's": "january 1",
    "valentine's day": "february 14",
    "halloween": "october 31",
    "st patrick's day": "march 17",
    "tmrw": "tomorrow",
    "tmr": "tomorrow",
}
_DAY: Final = timedelta(days=1)


def local(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A time on the clock as a moment: what clocks show instead where they skip it, the first where it comes twice."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC).astimezone(zone)


def offset(words: TimeWords, base: datetime, zone: ZoneInfo) -> datetime | None:
    """`base` plus "two hours", "an hour and a half", "a fortnight"; minus, when it is "ago"."""
    named = words.values
    unit = unit_of(named["unit"])
    count = _count(named["count"]) * (2 if named["unit"].startswith("fortnight") else 1)
    if "half" in named:
        count += 0.5
    stated = f"{count:g} {unit}s"
    if "unit2" in named:
        stated += f" {_count(named['count2']):g} {unit_of(named['unit2'])}s"
    return counted(f"{stated} ago" if "ago" in named else f"in {stated}", unit, base, zone)


def counted(stated: str, unit: str, base: datetime, zone: ZoneInfo) -> datetime | None:
    """`base` plus a stated offset such as "in 2 hours"; `unit` is its largest."""
    if unit in _SMALL_UNITS:
        there = _parsed(stated, base.astimezone(UTC).replace(tzinfo=None), past=False)
        return there.replace(tzinfo=UTC).astimezone(zone) if there else None
    there = _parsed(stated, base.astimezone(zone).replace(tzinfo=None), past=False)
    return local(there.date(), there.time(), zone) if there else None


def unit_of(said: str) -> str:
    """A unit of time in the singular: "hrs" is "hour"."""
    single = said.rstrip("s")
    return _UNIT_NAMES.get(single, single)


def day_of(words: TimeWords, now: datetime, timed: bool, past: bool) -> date | None:
    """The calendar day of "friday", "the 14th", "third of may", "next week" …; `timed`: a time of day is named too."""
    today, named = now.date(), words.values
    if "weekday" in named:
        return _weekday(named, today, timed, past)
    if "nth" in named:
        return _day_of_month(int(named["nth"]), today, past)
    period = _period(words.words, today)
    if period is not None:
        return period
    said = _FEASTS.get(words.words, words.words)
    if "month" in named:
        said = f"{named['month']} 1 {named.get('month_year', '')}".strip()
    there = _parsed(said.replace(" the ", " ").replace(" of ", " "), now.replace(tzinfo=None), past)
    if there is None:
        return None
    if there.date() < today and not past and not words.past and not re.search(r"\d{4}", said):
        return there.date().replace(year=there.year + 1)
    return there.date()


def _parsed(words: str, base: datetime, past: bool) -> datetime | None:
    """A day or an offset by dateparser, naive; `base` is naive."""
    found: datetime | None = _parser(base, past).get_date_data(words).date_obj
    return found.replace(tzinfo=None) if found is not None else None


def _parser(base: datetime, past: bool) -> DateDataParser:
    prefer = "past" if past else "future"
    return DateDataParser(languages=["en"], settings={"RELATIVE_BASE": base, "PREFER_DATES_FROM": prefer})


def _count(said: str) -> float:
    for name, value in _COUNTS:
        if said.startswith(name):
            return float(value)
    return float(said) if said[0].isdigit() else 1.0


def _weekday(named: Mapping[str, str], today: date, timed: bool, past: bool) -> date:
    number = WEEKDAYS.index(named["weekday"])
    which, week, after = named.get("which", ""), named.get("week", ""), named.get("after", "")
    monday = today - today.weekday() * _DAY
    back = (today.weekday() - number) % 7
    if which in {"last", "past"} or (past and not which):
        return today - (back or (0 if past and timed else 7)) * _DAY
    if which in {"next", "following"} or "next week" in week:
        return monday + (7 + number) * _DAY
    ahead = (number - today.weekday()) % 7
    coming = today + (ahead if ahead or timed else 7) * _DAY
    if week.strip() == "week" or after.startswith(("a", "1")):
        return coming + 7 * _DAY
    if "2 weeks" in week:
        return monday + (14 + number) * _DAY
    return coming + int(after.split()[0]) * 7 * _DAY if after else coming


def _day_of_month(number: int, today: date, past: bool) -> date | None:
    """The next (or latest) day with that number; months that have none are passed over."""
    first = today.replace(day=1)
    for _ in range(13):
        following = (first + 31 * _DAY).replace(day=1)
        if number <= (following - first).days:
            day = first.replace(day=number)
            if (day <= today) if past else (day >= today):
                return day
        first = (first - _DAY).replace(day=1) if past else following
    return None


def _period(words: str, today: date) -> date | None:
    """The day by which a named period is kept: its last one for an end, its first one otherwise."""
    return next((rule(today) for pattern, rule in _period_rules() if pattern.search(words)), None)


@cache
def _period_rules() -> tuple[tuple[re.Pattern[str], Callable[[date], date]], ...]:
    rules: tuple[tuple[str, Callable[[date], date]], ...] = (
        (r"end of next month", lambda day: _month(day, 2) - _DAY),
        (r"end of (?:the|this) month", lambda day: _month(day, 1) - _DAY),
        (r"end of next week", lambda day: _monday(day) + 11 * _DAY),
        (r"end of (?:the|this) week", lambda day: _monday(day) + (4 if day.weekday() <= 4 else 6) * _DAY),
        (r"end of (?:the|this) year", lambda day: date(day.year, 12, 31)),
        (r"end of next year", lambda day: date(day.year + 1, 12, 31)),
        (r"next weekend", lambda day: _monday(day) + 12 * _DAY),
        (r"last weekend", lambda day: _monday(day) - 2 * _DAY),
        (r"weekend", lambda day: max(day, _monday(day) + 5 * _DAY)),
        (r"week after next", lambda day: _monday(day) + 14 * _DAY),
        (r"next week\Z", lambda day: _monday(day) + 7 * _DAY),
        (r"this (?:week|month|year)", lambda day: day),
        (r"next month", lambda day: _month(day, 1)),
        (r"next year", lambda day: date(day.year + 1, 1, 1)),
        (r"last week", lambda day: _monday(day) - 7 * _DAY),
        (r"last month", lambda day: _month(day, -1)),
        (r"last year", lambda day: date(day.year - 1, 1, 1)),
    )
    return tuple(
        (re.compile(rf"\b{pattern}\b" if not pattern.endswith(r"\Z") else rf"\b{pattern}"), rule)
        for pattern, rule in rules
    )


def _monday(day: date) -> date:
    return day - day.weekday() * _DAY


def _month(day: date, by: int) -> date:
    """The first of the month `by` months from the day's."""
    months = day.year * 12 + day.month - 1 + by
    return date(months // 12, months % 12 + 1, 1)
