"""Which words of an utterance name a time, and what kind: an offset, a day, a time of day, a length or a repetition.

Works on the canonical spelling (stages/intent/spoken.py) and knows no calendar: "friday" stays a word here, and
stages/intent/calendar_days.py finds the date. Spoken clock times are understood here because no library does ("ten to
eight", "half past six", "seven oh five", "quarter to nine").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from stages.intent.time_patterns import TIME_PATTERNS, Kind

_NUMBER_WORDS: Final = {"noon": 12, "midday": 12, "midnight": 0}


@dataclass(frozen=True, slots=True)
class TimeWords:
    """A stretch of the canonical text [start, end) that names a time; `start` includes its preposition."""

    kind: Kind
    start: int
    end: int
    core: int  # where the words begin, after the preposition
    hour: int | None = None
    minute: int = 0
    meridiem: str = ""  # "am", "pm", "24" (no choice), or "" (either)
    words: str = ""  # the day, the part of the day, or the unit
    past: bool = False  # "yesterday", "last friday", "two days ago"
    values: dict[str, str] = field(default_factory=dict, hash=False)


def time_words(text: str) -> list[TimeWords]:
    """All time words of a canonical text, in order; where two readings overlap, the longer one stands."""
    found = [words for kind, pattern in TIME_PATTERNS for m in pattern.finditer(text) for words in _read(kind, m)]
    found.sort(key=lambda words: (words.core - words.end, words.start))
    kept: list[TimeWords] = []
    for words in found:
        if all(words.end <= other.start or words.start >= other.end for other in kept):
            kept.append(words)
    return sorted(kept, key=lambda words: words.start)


def _read(kind: Kind, match: re.Match[str]) -> Iterator[TimeWords]:
    named = {name: value for name, value in match.groupdict().items() if value is not None}
    start, end = match.span()
    core = match.end("prep")
    words = named.get("words", "")
    if kind is Kind.CLOCK:
        clock = _clock(named)
        if clock is not None:
            hour, minute, meridiem = clock
            yield TimeWords(kind, start, end, core, hour, minute, meridiem, values=named)
        return
    past = (
        "ago" in named
        or words.startswith(("yesterday", "last", "day before", "past"))
        or named.get("which") in {"last", "past"}
    )
    if kind is Kind.DAY and not _is_day(named):
        return
    yield TimeWords(kind, start, end, core, words=words, past=past, values=named)


def _is_day(named: dict[str, str]) -> bool:
    day = named.get("md_day") or named.get("dm_day") or named.get("nth")
    return day is None or 1 <= int(day) <= 31


def _clock(named: dict[str, str]) -> tuple[int, int, str] | None:
    """Hour, minute and "am", "pm", "24" or "" (either half of the day); None when there is no such time."""
    meridiem = named.get("m", "").strip()
    if "h4" in named:
        return int(named["h4"][:2]), int(named["h4"][2:]), "24"
    if "half" in named:
        return int(named["half"]), 30, ""
    hour = _NUMBER_WORDS.get(named["h"])
    if hour is not None:
        meridiem = "24"
    else:
        hour = int(named["h"])
    minute = int(re.sub(r"\D", "", named.get("min", "")) or 0)
    if "rel" in named:
        away = {"half": 30, "quarter": 15}.get(named["rel"]) or int(named["rel"].split()[0])
        if named["rel"].isdigit() and named["dir"] == "to" and meridiem and not named["prep"]:
            return None  # "5 to 7 pm" is two hours
        if away >= 60 or (named["rel"] == "half" and named["dir"] not in {"past", "after"}):
            return None
        minutes = hour * 60 + (away if named["dir"] in {"past", "after"} else -away)
        # "ten to one" is 12:50: on a twelve-hour clock unless noon or midnight was named.
        hour, minute = divmod(minutes % (24 * 60), 60)
        if meridiem != "24" and hour == 0:
            hour = 12
    if hour > 24 or minute > 59:
        return None
    if meridiem in {"am", "pm"}:
        return (None if not 1 <= hour <= 12 else (hour, minute, meridiem)) if hour <= 12 else (hour % 24, minute, "24")
    if hour > 12 or named["h"].startswith("0"):
        meridiem = "24"
    return hour % 24, minute, meridiem
