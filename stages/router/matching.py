"""Finds which of several titles a person means by a few of its words, forgiving a misheard letter.

The only file that knows RapidFuzz. Pure.
"""

import re
from collections.abc import Sequence

from rapidfuzz import fuzz

WORD_ALIKE = 80.0  # "docter" is "doctor" (83), "mom" is not "bob" (33); of 100
TITLE_ALIKE = 70.0  # the mean over the words asked for; "call mum" against "call dad" stays below
CLEARLY_BETTER = 10.0  # a title this much ahead of the next one is meant

_WORD = re.compile(r"[\w']+")
_EMPTY_WORDS = frozenset(
    {
        *("a", "about", "all", "an", "and", "any", "at", "called", "can", "do", "for", "from", "have", "i", "in", "it"),
        *("me", "my", "of", "on", "one", "our", "please", "saying", "says", "some", "that", "the", "this", "those"),
        *("to", "with", "alarm", "alarms", "event", "events", "note", "notes", "reminder", "reminders", "titled"),
    }
)


def folded(text: str) -> str:
    """A text by which equal things are equal: case, punctuation and white space set aside."""
    return " ".join(_WORD.findall(text.casefold()))


def telling_words(text: str) -> list[str]:
    """The words of a text that tell one title from another: not "my", not "reminder"."""
    return [word for word in _WORD.findall(text.casefold()) if word not in _EMPTY_WORDS]


def meant(asked: str, titles: Sequence[str]) -> list[int]:
    """Which titles (by index) are meant: none, one, or several that fit alike. No telling word: none."""
    words = telling_words(asked)
    if not words:
        return []
    same = [index for index, title in enumerate(titles) if telling_words(title) == words]
    if same:
        return same
    scores = [_likeness(words, telling_words(title)) for title in titles]
    best = max(scores, default=0.0)
    if best < TITLE_ALIKE:
        return []
    return [index for index, score in enumerate(scores) if score >= TITLE_ALIKE and best - score < CLEARLY_BETTER]


def holds(asked: str, text: str) -> bool:
    """Whether every telling word that was asked for stands in the text, give or take a letter."""
    there = telling_words(text)
    return all(any(fuzz.ratio(word, other) >= WORD_ALIKE for other in there) for word in telling_words(asked))


def _likeness(words: Sequence[str], title: Sequence[str]) -> float:
    """0 to 100: how well the words asked for are found in a title, on the mean."""
    if not title:
        return 0.0
    return sum(max(fuzz.ratio(word, other) for other in title) for word in words) / len(words)
