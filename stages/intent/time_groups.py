"""Which time words belong together: "tomorrow" and "at three", "from two" and "to four". Knows no calendar."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stages.intent.time_patterns import Kind
from stages.intent.time_words import TimeWords

_BETWEEN: Final = re.compile(r"[\s,]*(?:at|on|in|the|by|around|of|from|starting|beginning|or so)?[\s,]*\Z")
_DASH: Final = re.compile(r"\s*(?:-|–|—)\s*\Z")
_TO: Final = ("to", "until", "till", "through", "thru")
_ATTRIBUTED: Final = re.compile(r"\b(?:the|my|our|this|that|a|an|your|his|her)\s*\Z")
_NO_NOUN: Final = (
    "to and at on in for with that i so because please by about is was remind note add set or from until if "
    "when instead not sharp then but through we my the as put per he she they you can could will it of his her "
    "our your tell wake call alert let mark schedule there again now ping notify he's i'm i've it's buy a an "
    "please don't what where"
)
_NOUN_FOLLOWS: Final = re.compile(rf"\s+(?!(?:{'|'.join(_NO_NOUN.split())})\b)[a-z]")


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring time words that belong together."""

    words: tuple[TimeWords, ...]

    @property
    def start(self) -> int:
        return min(words.start for words in self.words)

    @property
    def end(self) -> int:
        return max(words.end for words in self.words)

    @property
    def preposition(self) -> str:
        return self.words[0].values.get("prep", "").strip()

    def of(self, *kinds: Kind) -> list[TimeWords]:
        return [words for words in self.words if words.kind in kinds]


def groups_of(text: str, found: Sequence[TimeWords]) -> list[Group]:
    """The words in groups, each of which names one moment or one span of time."""
    groups: list[Group] = []
    for words in found:
        if words.kind is Kind.SHIFT:
            continue
        if words.values.get("and") and not (groups and groups[-1].words[-1].values.get("between")):
            continue
        gap = text[groups[-1].end : words.start] if groups else ""
        if groups and _states_date(gap, groups[-1], words):
            groups[-1] = Group((words, *groups[-1].words))  # "monday the ninth": the date goes first, and counts
        elif groups and _belongs(gap, groups[-1], words):
            groups[-1] = Group((*groups[-1].words, words))
        else:
            groups.append(Group((words,)))
    return _across(groups)


def joined(text: str, words: Sequence[TimeWords]) -> list[tuple[int, int]]:
    """The stretches that the words take in the text, without leading prepositions; neighbours are one stretch."""
    stretches: list[tuple[int, int]] = []
    for one in sorted(words, key=lambda w: w.start):
        if stretches and _BETWEEN.match(text[stretches[-1][1] : one.start]):
            stretches[-1] = (stretches[-1][0], one.end)
        else:
            stretches.append((one.start if one.kind is Kind.OFFSET else one.core, one.end))
    return stretches


def is_attributive(text: str, group: Group) -> bool:
    """It describes something instead of saying when: "the six o'clock train", "my friday reminder"."""
    if group.of(Kind.OFFSET, Kind.EVERY) or not _NOUN_FOLLOWS.match(text[group.end :]):
        return False
    own = text[group.start : group.end]
    if _ATTRIBUTED.search(text[: group.start]) or group.preposition in {"the", "a"} or own.startswith("the "):
        return True
    return group.preposition in {"", "about"} and own.endswith("'s")


def is_target(text: str, group: Group) -> bool:
    """It follows "to" or "until": what something shall be moved to."""
    if group.preposition.split(" ")[0] in {*_TO, "make", "say"}:
        return True
    return text[: group.start].endswith(tuple(f" {word} " for word in _TO))


def _states_date(gap: str, group: Group, words: TimeWords) -> bool:
    """A weekday is followed by its date."""
    dated = words.kind is Kind.DAY and bool({"nth", "md_day", "dm_day"} & words.values.keys())
    last = group.words[-1].values
    return (
        dated and "weekday" in last and gap.strip(" ,") == "" and words.values.get("prep", "").split(" ")[0] not in _TO
    )


def _belongs(gap: str, group: Group, words: TimeWords) -> bool:
    bare, prep = not gap.strip(), words.values.get("prep", "").split(" ")[0]
    if words.values.get("and"):
        return bare
    if words.kind is Kind.LENGTH:
        return bare and bool(group.of(Kind.CLOCK, Kind.DAY, Kind.PART))
    for kind in (Kind.CLOCK, Kind.DAY):
        if words.kind is kind and (there := group.of(kind)):
            spans = (bare and prep in _TO) or bool(_DASH.match(gap)) or gap.strip() in _TO
            return len(there) == 1 and there[-1] is group.words[-1] and spans
    if words.kind is Kind.OFFSET and group.of(Kind.OFFSET):
        return False
    if prep in _TO and group.of(Kind.DAY, Kind.CLOCK):
        return False
    return bool(_BETWEEN.match(gap))


def _across(groups: Sequence[Group]) -> list[Group]:
    """ "tomorrow remind me at three": a day in one place and a time in another, and no third, are one moment."""
    if len(groups) == 2:
        both = groups[0].words + groups[1].words
        days = [w for w in both if w.kind in {Kind.DAY, Kind.EVERY}]
        clocks = [w for w in both if w.kind in {Kind.CLOCK, Kind.PART}]
        if len(days) == 1 and len(clocks) == 1 and len(both) == 2:
            return [Group(both)]
    return list(groups)
