"""Turns the time words of an utterance into moments: in the person's time zone, relative to when it was said.

dateparser finds the calendar day ("next friday", "third of may", "in two weeks"); this is the only file that knows it.
The rules that no library has:

- **A bare hour** ("at three") is the next one that makes sense. Words decide first: "in the evening", "tonight",
  "breakfast" or "wake" (morning), "dinner" or "party" (evening). Else, with a day named: 7 to 11 are in the morning, 12
  is noon, 1 to 6 are in the afternoon. With no day named: the next three o'clock between WAKING_FROM and midnight.
- **A time of day without a day** is today's, or tomorrow's when today's has passed.
- **"next friday"** is the one in the week after this one (weeks start on Monday); "friday" and "this friday" are the
  coming one, and today's name means a week from now unless a time still ahead was named.
- **Parts of the day** stand for PART_TIMES. **A day without a time** is its first moment, with `all_day`.
- **Hours and minutes** are elapsed time; days and weeks keep the time on the clock. A time that the clocks skip in
  spring is what they show instead; one that comes twice in autumn is the first.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateparser.date import DateDataParser

from schemas.errors import InvalidField
from schemas.intents import When
from stages.intent.spoken import Spoken
from stages.intent.time_words import WEEKDAYS, Kind, TimeWords, time_words

WAKING_FROM: Final = 6  # nobody means five in the morning by "at five"
PART_TIMES: Final[tuple[tuple[str, time], ...]] = (  # the first name that occurs in the words
    ("after lunch", time(13, 30)),
    ("before lunch", time(11, 30)),
    ("before breakfast", time(7)),
    ("after breakfast", time(9)),
    ("before dinner", time(18)),
    ("after dinner", time(20)),
    ("after supper", time(20)),
    ("after work", time(18)),
    ("before work", time(7, 30)),
    ("after school", time(15, 30)),
    ("before school", time(7, 30)),
    ("before bed", time(22)),
    ("first thing", time(8)),
    ("sunrise", time(6, 30)),
    ("dawn", time(6)),
    ("sunset", time(19)),
    ("dusk", time(19)),
    ("wake up", time(7)),
    ("get up", time(7)),
    ("breakfast", time(8)),
    ("morning", time(9)),
    ("afternoon", time(15)),
    ("lunch", time(12)),
    ("noon", time(12)),
    ("midday", time(12)),
    ("tea", time(16)),
    ("end of day", time(17)),
    ("dinner", time(19)),
    ("evening", time(19)),
    ("tonight", time(20)),
    ("bed", time(22)),
    ("last night", time(20)),
    ("nightfall", time(20)),
    ("night", time(21)),
)
_MORNING_WORDS: Final = re.compile(
    r"\b(?:wake|waking|get (?:me |us )?up|getting up|breakfast|sunrise|school run|morning|alarm clock)\b"
)
_EVENING_WORDS: Final = re.compile(
    r"\b(?:dinner|supper|party|drinks|concert|cinema|movie|theat(?:re|er)|opera|evening|tonight|night|bed|"
    r"sleep|pub|gig|date with)\b"
)
_SMALL_UNIT: Final = re.compile(r"(?:second|sec|minute|min|hour|hr)s?\Z")
_UNIT_NAMES: Final = {"sec": "second", "min": "minute", "hr": "hour", "fortnight": "week", "weekend": "week"}
_EARLY_HOURS: Final = 4  # "tonight at one" is after midnight


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that was named: its words in the original [start, end), and what they mean.

    `attributive`: it describes something ("the six o'clock train", "my friday reminder") rather than saying when.
    `target`: it follows "to", "until", "instead": what something shall be moved to.
    """

    spans: tuple[tuple[int, int], ...]
    when: When
    until: When | None = None
    attributive: bool = False
    target: bool = False
    past: bool = False
    every: bool = False


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring time words that belong together: "tomorrow" + "at three"."""

    words: tuple[TimeWords, ...]

    @property
    def start(self) -> int:
        return min(words.start for words in self.words)

    @property
    def end(self) -> int:
        return max(words.end for words in self.words)

    def of(self, *kinds: Kind) -> list[TimeWords]:
        return [words for words in self.words if words.kind in kinds]


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises InvalidField."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField("meta.time_zone", name, "an IANA time zone such as Europe/Berlin") from None


def moments(spoken: Spoken, now: datetime, zone: ZoneInfo) -> list[Moment]:
    """All times that an utterance names, in order."""
    local = now.astimezone(zone)
    text = spoken.canonical
    groups = _merged(_grouped(text, time_words(text)))
    found = (_moment(spoken, group, local, zone) for group in groups)
    return [moment for moment in found if moment is not None]


def lengths(spoken: Spoken, now: datetime, zone: ZoneInfo) -> list[When]:
    """The lengths of time that an utterance names ("by two hours"), as the moment that much after now."""
    found = [words for words in time_words(spoken.canonical) if words.kind in {Kind.LENGTH, Kind.SHIFT}]
    return [When(text=spoken.said(words.core, words.end), at=_offset(words, now, zone)) for words in found]


# -- which words belong together ------------------------------------------------------------------------------------

_BETWEEN: Final = re.compile(r"[\s,]*(?:at|on|in|the|by|around|of|from|starting|beginning|or so)?[\s,]*\Z")
_RANGE: Final = re.compile(r"[\s,]*(?:to|till|until|and|-|–|through)?[\s,]*\Z")


def _grouped(text: str, found: Sequence[TimeWords]) -> list[_Group]:
    groups: list[_Group] = []
    for words in found:
        if words.kind is Kind.SHIFT:
            continue
        if words.values.get("and") and not (groups and groups[-1].words[-1].values.get("between")):
            continue
        if groups and _belongs(text[groups[-1].end : words.start], groups[-1], words):
            groups[-1] = _Group((*groups[-1].words, words))
        else:
            groups.append(_Group((words,)))
    return groups


def _belongs(gap: str, group: _Group, words: TimeWords) -> bool:
    if words.values.get("and"):
        return not gap.strip()
    if words.kind is Kind.LENGTH:
        return not gap.strip() and bool(group.of(Kind.CLOCK, Kind.DAY, Kind.PART))
    if words.kind is Kind.CLOCK and group.of(Kind.CLOCK):
        opens = len(group.of(Kind.CLOCK)) == 1
        return opens and not gap.strip() and words.values.get("prep", "").startswith(("to ", "till ", "until "))
    if words.kind is Kind.DAY and group.of(Kind.DAY) or words.kind is Kind.OFFSET and group.of(Kind.OFFSET):
        return False
    if words.values.get("prep", "").startswith("to ") and group.of(Kind.DAY, Kind.CLOCK):
        return False
    return bool(_BETWEEN.match(gap))


def _merged(groups: Sequence[_Group]) -> list[_Group]:
    """ "tomorrow remind me at three": a day in one place and a time in another, and no third, are one moment."""
    if len(groups) == 2:
        first, second = groups
        both = first.words + second.words
        days = [w for w in both if w.kind in {Kind.DAY, Kind.EVERY}]
        clocks = [w for w in both if w.kind in {Kind.CLOCK, Kind.PART}]
        if len(days) == 1 and len(clocks) == 1 and len(both) == 2:
            return [_Group(both)]
    return list(groups)


# -- what they mean ---------------------------------------------------------------------------------------------------


def _moment(spoken: Spoken, group: _Group, now: datetime, zone: ZoneInfo) -> Moment | None:
    lengths, clocks = group.of(Kind.LENGTH), group.of(Kind.CLOCK)
    if not set(w.kind for w in group.words) - {Kind.LENGTH}:
        return None  # "for two hours" alone names no moment
    start, all_day = _start(spoken.canonical, group, now, zone)
    until = None
    if start is not None and len(clocks) == 2:
        end = _after(start, clocks[1], zone)
        if clocks[0].meridiem == "" and clocks[1].meridiem in {"am", "pm"} and end - start > timedelta(hours=12):
            start = start + timedelta(hours=12)
        until = When(text=_said(spoken, clocks[1:]), at=end)
    elif start is not None and lengths:
        length = _offset(lengths[0], start, zone)
        if length is not None:
            until = When(text=_said(spoken, lengths), at=length)
    words = [w for w in group.words if w.kind is not Kind.LENGTH]
    if until is not None and len(clocks) == 2:
        words = [w for w in words if w is not clocks[1]]
    spans = tuple(spoken.origin(first, last) for first, last in _stretches(group.words))
    return Moment(
        spans=spans,
        when=When(text=_said(spoken, words), at=start, all_day=all_day),
        until=until,
        attributive=_is_attributive(spoken.canonical, group),
        target=any(w.values.get("prep", "").strip() in {"to", "until", "till", "make it"} for w in group.words[:1])
        or spoken.canonical[: group.start].endswith((" to ", " until ", " till ")),
        past=any(w.past for w in group.words),
        every=bool(group.of(Kind.EVERY)),
    )


def _stretches(words: Sequence[TimeWords]) -> list[tuple[int, int]]:
    return [(w.start, w.end) for w in words]


def _said(spoken: Spoken, words: Sequence[TimeWords]) -> str:
    """The words as they were said, neighbours with what stands between them."""
    ordered = sorted(words, key=lambda w: w.start)
    stretches: list[tuple[int, int]] = []
    for w in ordered:
        start = w.start if w.kind is Kind.OFFSET else w.core
        if stretches and _BETWEEN.match(spoken.canonical[stretches[-1][1] : w.start]):
            stretches[-1] = (stretches[-1][0], w.end)
        else:
            stretches.append((start, w.end))
    return " ".join(spoken.said(first, last) for first, last in stretches).strip(" ,")


_ATTRIBUTED: Final = re.compile(r"\b(?:the|my|our|this|that|a|an|your|his|her)\s*\Z")
_NOUN_FOLLOWS: Final = re.compile(
    r"\s+(?!(?:to|and|at|on|in|for|with|that|i|so|because|please|by|about|is|was|remind|note|add|set|or|from|until|if|"
    r"when|instead|not|sharp|then|but|through|we|my|the|as|put|per|he|she|they|you|can|could|will|it|of|his|her|our|your|"
    r"tell|wake|call|alert|let|mark|schedule|there|again|now|ping|notify|he's|i'm|i've|it's|buy)\b)[a-z]"
)


def _is_attributive(text: str, group: _Group) -> bool:
    if any(w.kind in {Kind.OFFSET, Kind.EVERY} for w in group.words):
        return False
    prep = group.words[0].values.get("prep", "").strip()
    before = text[: group.start]
    determined = (
        bool(_ATTRIBUTED.search(before)) or prep in {"the", "a"} or text[group.start : group.end].startswith("the ")
    )
    follows = _NOUN_FOLLOWS.match(text[group.end :]) if group.end < len(text) else None
    return bool(follows) and (determined or prep in {"", "about"} and bool(re.search(r"'s\Z", text[: group.end])))


def _start(text: str, group: _Group, now: datetime, zone: ZoneInfo) -> tuple[datetime | None, bool]:
    """The moment, and whether it is a whole day; None when the words name none."""
    offsets, clocks = group.of(Kind.OFFSET), group.of(Kind.CLOCK)
    days, parts, everys = group.of(Kind.DAY), group.of(Kind.PART), group.of(Kind.EVERY)
    if offsets and not (clocks or parts):
        return _offset(offsets[0], now, zone), False
    day: date | None = None
    named = False
    if offsets:
        there = _offset(offsets[0], now, zone)
        day, named = (there.date(), True) if there else (None, False)
    elif days:
        day, named = _day(days[0], now, bool(clocks or parts)), True
        if day is None:
            return None, False
    for part in parts:
        if "tomorrow" in part.words:
            day, named = now.date() + timedelta(days=1), True
        elif "last night" in part.words:
            day, named = now.date() - timedelta(days=1), True
        elif part.words.startswith(("this", "tonight")):
            day, named = day or now.date(), named
    at = _time_of_day(text, clocks, parts, named or bool(everys), now, day)
    if everys and day is None:
        return _next_occurrence(everys[0], at, now, zone)
    if day is None and at is None:
        return None, False
    if at is None:
        assert day is not None
        return _local(day, time(), zone), True
    if day is None:
        moment = _local(now.date(), at, zone)
        return (moment if moment > now else _local(now.date() + timedelta(days=1), at, zone)), False
    moment = _local(day, at, zone)
    if parts and parts[-1].words.endswith("night") and clocks and at.hour <= _EARLY_HOURS:
        moment = _local(day + timedelta(days=1), at, zone)  # "tonight at one" is after midnight
    elif days and days[0].values.get("weekday") and not days[0].past and moment <= now:
        moment = _local(day + timedelta(days=7), at, zone)
    elif parts and not days and moment <= now and not any(p.past or "last" in p.words for p in parts):
        moment = _local(day, at, zone)
    return moment, False


def _time_of_day(
    text: str, clocks: Sequence[TimeWords], parts: Sequence[TimeWords], day_named: bool, now: datetime, day: date | None
) -> time | None:
    if not clocks:
        return next((at for part in parts for name, at in PART_TIMES if name in part.words), None)
    clock = clocks[0]
    assert clock.hour is not None
    meridiem = clock.meridiem
    if len(clocks) == 2 and meridiem == "" and clocks[1].meridiem in {"am", "pm"}:
        second = clocks[1].hour or 0
        meridiem = clocks[1].meridiem if clock.hour % 12 <= second % 12 else ""
    if meridiem == "24":
        return time(clock.hour, clock.minute)
    if meridiem in {"am", "pm"}:
        return time(clock.hour % 12 + (12 if meridiem == "pm" else 0), clock.minute)
    early = time(clock.hour % 12, clock.minute)
    late = time(clock.hour % 12 + 12, clock.minute)
    said = " ".join(part.words for part in parts)
    if half := _half(said, clock.hour) or (None if said else _half_by_context(text, clock.hour)):
        return early if half == "am" else late
    if day_named and day != now.date():
        return early if 7 <= clock.hour <= 11 else late
    ahead = [at for at in (early, late) if at > now.time().replace(tzinfo=None) and at.hour >= WAKING_FROM]
    if ahead:
        return ahead[0]
    if day_named:
        return late
    return early if early.hour >= WAKING_FROM else late


def _half(said: str, hour: int) -> Literal["am", "pm"] | None:
    if not said:
        return None
    if any(word in said for word in ("morning", "breakfast", "dawn", "sunrise", "first thing", "wake")):
        return "am"
    if "night" in said:
        return "am" if hour == 12 or hour <= _EARLY_HOURS else "pm"
    return "pm"


def _half_by_context(text: str, hour: int) -> Literal["am", "pm"] | None:
    if _MORNING_WORDS.search(text) and 4 <= hour <= 11:
        return "am"
    if _EVENING_WORDS.search(text) and 5 <= hour <= 11:
        return "pm"
    return None


def _local(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A time on the clock as a moment; one that the clocks skip is what they show instead."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC).astimezone(zone)


def _after(start: datetime, clock: TimeWords, zone: ZoneInfo) -> datetime:
    """The first time after `start` at which the clock shows that hour."""
    assert clock.hour is not None
    if clock.meridiem == "24":
        hours = [clock.hour]
    elif clock.meridiem:
        hours = [clock.hour % 12 + (12 if clock.meridiem == "pm" else 0)]
    else:
        hours = [clock.hour % 12, clock.hour % 12 + 12]
    days = (start.date(), start.date() + timedelta(days=1))
    ends = sorted(_local(day, time(hour, clock.minute), zone) for day in days for hour in hours)
    return next(end for end in ends if end > start)


# -- the calendar, by dateparser --------------------------------------------------------------------------------------


def _parsed(words: str, base: datetime) -> datetime | None:
    """A day or an offset by dateparser, naive; `base` is naive."""
    parser = DateDataParser(languages=["en"], settings={"RELATIVE_BASE": base, "PREFER_DATES_FROM": "future"})
    found: datetime | None = parser.get_date_data(words).date_obj
    return found.replace(tzinfo=None) if found is not None else None


_COUNTS: Final[tuple[tuple[str, str], ...]] = (
    ("half a", "0.5"),
    ("a half", "0.5"),
    ("a quarter", "0.25"),
    ("a couple", "2"),
    ("an couple", "2"),
    ("a few", "3"),
)


def _offset(words: TimeWords, base: datetime, zone: ZoneInfo) -> datetime | None:
    """`base` plus "two hours", "an hour and a half", "a fortnight"; minus, when it is "ago"."""
    named = words.values
    unit = _unit(named["unit"])
    count = _count(named["count"])
    if named["unit"].startswith("fortnight"):
        count *= 2
    if "half" in named:
        count += 0.5
    stated = f"{count:g} {unit}s"
    if "unit2" in named:
        stated += f" {_count(named['count2']):g} {_unit(named['unit2'])}s"
    stated = f"{stated} ago" if "ago" in named else f"in {stated}"
    if _SMALL_UNIT.match(unit):
        there = _parsed(stated, base.astimezone(UTC).replace(tzinfo=None))
        return there.replace(tzinfo=UTC).astimezone(zone) if there else None
    there = _parsed(stated, base.astimezone(zone).replace(tzinfo=None))
    return _local(there.date(), there.time(), zone) if there else None


def _count(said: str) -> float:
    for name, value in _COUNTS:
        if said.startswith(name):
            return float(value)
    return float(said) if said[0].isdigit() else 1.0


def _unit(said: str) -> str:
    single = said.rstrip("s")
    return _UNIT_NAMES.get(single, single)


def _day(words: TimeWords, now: datetime, timed: bool) -> date | None:
    """The calendar day of "friday", "the 14th", "third of may", "next week" …"""
    today = now.date()
    named = words.values
    if "weekday" in named:
        return _weekday(named, today, timed)
    if "nth" in named:
        return _day_of_month(int(named["nth"]), today)
    period = _period(words.words, today)
    if period is not None:
        return period
    said = _FEASTS.get(words.words, words.words)
    if "month" in named and "md_month" not in named:
        said = f"{named['month']} 1 {named.get('month_year', '')}".strip()
    said = said.replace(" the ", " ").replace(" of ", " ")
    there = _parsed(said, now.replace(tzinfo=None))
    if there is None:
        return None
    if there.date() < today and not words.past and not re.search(r"\d{4}", said):
        return there.date().replace(year=there.year + 1)
    return there.date()


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


def _weekday(named: dict[str, str], today: date, timed: bool) -> date:
    number = WEEKDAYS.index(named["weekday"])
    which = named.get("which", "")
    monday = today - timedelta(days=today.weekday())
    if which in {"last", "past"}:
        back = (today.weekday() - number) % 7 or 7
        return today - timedelta(days=back)
    if which in {"next", "following"} or "next week" in named.get("week", ""):
        return monday + timedelta(days=7 + number)
    ahead = (number - today.weekday()) % 7
    coming = today + timedelta(days=ahead if ahead or timed else 7)
    if named.get("week", "").strip() == "week" or named.get("after", "").startswith(("a", "1")):
        return coming + timedelta(days=7)
    if "2 weeks" in named.get("week", ""):
        return monday + timedelta(days=14 + number)
    if after := named.get("after"):
        return coming + timedelta(weeks=int(after.split()[0]))
    return coming


def _day_of_month(number: int, today: date) -> date | None:
    """The next day with that number; months that have none are passed over."""
    first = today.replace(day=1)
    for _ in range(13):
        following = (first + timedelta(days=31)).replace(day=1)
        if number <= (following - first).days and first.replace(day=number) >= today:
            return first.replace(day=number)
        first = following
    return None


def _period(words: str, today: date) -> date | None:
    """The day by which a named period is kept: its last one for an end, its first one otherwise."""
    monday = today - timedelta(days=today.weekday())
    first = today.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    after = (following + timedelta(days=31)).replace(day=1)
    one = timedelta(days=1)
    rules: tuple[tuple[str, Callable[[], date]], ...] = (
        (r"end of next month", lambda: after - one),
        (r"end of (?:the|this) month", lambda: following - one),
        (r"end of next week", lambda: monday + 11 * one),
        (r"end of (?:the|this) week", lambda: monday + (4 if today.weekday() <= 4 else 6) * one),
        (r"end of (?:the|this) year", lambda: date(today.year, 12, 31)),
        (r"end of next year", lambda: date(today.year + 1, 12, 31)),
        (r"end of (?:the|this) day", lambda: today),
        (r"next weekend", lambda: monday + 12 * one),
        (r"last weekend", lambda: monday - 2 * one),
        (r"weekend", lambda: max(today, monday + 5 * one)),
        (r"week after next", lambda: monday + 14 * one),
        (r"next week", lambda: monday + 7 * one),
        (r"this (?:week|month|year)", lambda: today),
        (r"next month", lambda: following),
        (r"next year", lambda: date(today.year + 1, 1, 1)),
        (r"last week", lambda: monday - 7 * one),
        (r"last month", lambda: (first - one).replace(day=1)),
        (r"last year", lambda: date(today.year - 1, 1, 1)),
    )
    return next((rule() for pattern, rule in rules if re.search(rf"\b{pattern}\b", words)), None)


def _next_occurrence(words: TimeWords, at: time | None, now: datetime, zone: ZoneInfo) -> tuple[datetime | None, bool]:
    """When something repeated comes next: "every monday at seven", "daily", "every two hours"."""
    said = words.words
    if at is None and (part := next((t for name, t in PART_TIMES if name in said and "nightly" != name), None)):
        at = part
    days = [number for number, name in enumerate(WEEKDAYS) if name in said]
    if "weekday" in said or "weeknight" in said:
        days = [0, 1, 2, 3, 4]
    elif "weekend" in said:
        days = [5, 6]
    small = re.search(r"(?:every|each) (?:single )?(?P<count>\d+ )?(?P<unit>second|minute|min|hour|hr)s?\b", said)
    if small or said == "hourly":
        count = int(small["count"] or 1) if small else 1
        unit = _unit(small["unit"]) if small else "hour"
        there = _parsed(f"in {count} {unit}s", now.astimezone(UTC).replace(tzinfo=None))
        return (there.replace(tzinfo=UTC).astimezone(zone) if there else None), False
    if at is None:
        later = next((n for n in range(1, 8) if not days or (now.weekday() + n) % 7 in days), 1)
        return (_local(now.date() + timedelta(days=later), time(), zone), True) if days else (None, False)
    for ahead in range(9):
        day = now.date() + timedelta(days=ahead)
        moment = _local(day, at, zone)
        if moment > now and (not days or day.weekday() in days):
            return moment, False
    return None, False


def warm_up(now: datetime) -> None:
    """Let dateparser load its tables (0.15 s), so that the first turn does not pay for it."""
    _parsed("tomorrow", now.replace(tzinfo=None))


def shifted(moment: Moment, by: int) -> Moment:
    """The same moment for a text that starts `by` characters earlier."""
    return replace(moment, spans=tuple((a + by, b + by) for a, b in moment.spans))
