"""Which time of day is meant: a part of the day, or an hour of which nobody said whether it is before or after noon.

- **Parts of the day** stand for PART_TIMES.
- **A bare hour** ("at three") is the next one that makes sense. Words decide first: "in the evening", "tonight",
  "breakfast" or "wake" (morning), "dinner" or "party" (evening). Else, with a day named: from MORNING_FROM to 11 it is
  in the morning, 12 is noon, the rest is in the afternoon. With no day named: the next one from WAKING_FROM on.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Final, Literal

from stages.intent.time_words import TimeWords

MORNING_FROM: Final = time(6, 30)  # on a day that was named; "friday at six" is in the evening
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
    ("end of the day", time(17)),
    ("end of this day", time(17)),
    ("dinner", time(19)),
    ("evening", time(19)),
    ("tonight", time(20)),
    ("bed", time(22)),
    ("last night", time(20)),
    ("nightfall", time(20)),
    ("night", time(21)),
)
_MORNING_WORDS: Final = re.compile(
    r"\b(?:wake|waking|get (?:me |us )?up|getting up|breakfast|sunrise|school run|morning|alarm)\b"
)
_EVENING_WORDS: Final = re.compile(
    r"\b(?:dinner|supper|party|drinks|concert|cinema|movie|theat(?:re|er)|opera|evening|tonight|night|bed|"
    r"sleep|pub|gig|date with)\b"
)
EARLY_HOURS: Final = 4  # "tonight at one" is after midnight


def part_time(words: str) -> time | None:
    """The usual time of a part of the day: "after lunch", "this evening"; None when the words name none."""
    return next((at for name, at in PART_TIMES if name in words), None)


def time_of_day(
    text: str, clocks: Sequence[TimeWords], parts: Sequence[TimeWords], now: datetime, day: date | None, usual: bool
) -> time | None:
    """The time that clock words and parts of the day name together; None when they name none.

    `text` is the canonical utterance, `day` the day that was named, `usual` whether it is repeated or a weekday, so
    that its usual hours count and not what is left of today. `now` is local.
    """
    if not clocks:
        return next((at for part in parts if (at := part_time(part.words)) is not None), None)
    clock, meridiem = clocks[0], clocks[0].meridiem
    hour = clock.hour or 0
    if len(clocks) == 2 and meridiem == "" and clocks[1].meridiem in {"am", "pm"}:
        meridiem = clocks[1].meridiem if hour % 12 <= (clocks[1].hour or 0) % 12 else ""
    if meridiem == "24":
        return time(hour, clock.minute)
    early, late = time(hour % 12, clock.minute), time(hour % 12 + 12, clock.minute)
    words = " ".join(part.words for part in parts)
    half = meridiem or (_half(words, hour) if words else _half_by_context(text, hour))
    if half:
        return early if half == "am" else late
    if usual or (day is not None and day != now.date()):
        return early if early >= MORNING_FROM else late
    ahead = [at for at in (early, late) if at > now.time() and at.hour >= WAKING_FROM]
    if ahead:
        return ahead[0]
    return late if day is not None or early.hour < WAKING_FROM else early


def _half(words: str, hour: int) -> Literal["am", "pm"]:
    """Which half of the day, by the part of the day that is named with the hour."""
    if any(word in words for word in ("morning", "breakfast", "dawn", "sunrise", "first thing", "wake")):
        return "am"
    if "night" in words:
        return "am" if hour == 12 or hour <= EARLY_HOURS else "pm"
    return "pm"


def _half_by_context(text: str, hour: int) -> Literal["am", "pm"] | None:
    """Which half of the day, by what is to be done then."""
    if _MORNING_WORDS.search(text) and 4 <= hour <= 9:
        return "am"
    if _EVENING_WORDS.search(text) and 5 <= hour <= 11:
        return "pm"
    return None
