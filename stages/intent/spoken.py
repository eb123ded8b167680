"""An utterance in one canonical spelling, with the way back to the words as they were said.

Lower case, numbers as digits ("half past two" -> "half past 2", "twenty-first" -> "21st"), "a m" and "A.M." -> "am".
Patterns are matched on `canonical`; `said` gives back what the person said there. The only file that knows text2num.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from text_to_num import find_numbers

_TOKEN: Final = re.compile(
    r"(?P<meridiem>\b[AaPp]\.\s?[Mm]\b\.?|(?<=\s)[AaPp] [Mm]\b|(?<=\d)[AaPp]\.?[Mm]\b\.?)"
    r"|[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:st|nd|rd|th)\b|\d+(?:[.,:]\d+)*|\S",
)
_DIGIT: Final = re.compile(r"\d")
_UNIT_OF_TIME: Final = frozenset({"second", "seconds"})


@dataclass(frozen=True, slots=True)
class Spoken:
    """`spans[i]` is a token: (start, end) in `canonical`, then (start, end) in `original`."""

    original: str
    canonical: str
    spans: tuple[tuple[int, int, int, int], ...]

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where canonical[start:end] stands in the original; whole tokens. An empty range stays empty."""
        touched = [span for span in self.spans if span[0] < end and span[1] > start]
        return (touched[0][2], touched[-1][3]) if touched else (0, 0)

    def said(self, start: int, end: int) -> str:
        """The original words of canonical[start:end]."""
        first, last = self.origin(start, end)
        return self.original[first:last]


@dataclass(frozen=True, slots=True)
class _Word:
    """A token of the original, with its canonical form."""

    start: int
    end: int
    form: str


class _Number:
    """A word as text2num wants it (its protocol Token)."""

    def __init__(self, word: _Word, apart: bool) -> None:
        self._word = word
        self._apart = apart

    def text(self) -> str:
        return self._word.form

    def nt_separated(self, previous: object) -> bool:
        del previous
        return self._apart

    def not_a_number_part(self) -> bool:
        return self._apart


def spoken(text: str) -> Spoken:
    """Bring an utterance into its canonical spelling."""
    words = [_Word(match.start(), match.end(), _form(match)) for match in _TOKEN.finditer(text)]
    return _joined(text, _with_digits(words))


def _form(match: re.Match[str]) -> str:
    if match["meridiem"]:
        return match[0][0].lower() + "m"
    return match[0].lower().replace("’", "'")


def _with_digits(words: Sequence[_Word]) -> list[_Word]:
    """Runs of number words become one token each; "in one second" keeps its "second"."""
    tokens = [
        _Number(word, word.form in _UNIT_OF_TIME and index > 0 and _is_count(words[index - 1].form))
        for index, word in enumerate(words)
    ]
    found = {number.start: number for number in find_numbers(tokens, "en", threshold=0)}
    result: list[_Word] = []
    index = 0
    while index < len(words):
        number = found.get(index)
        if number is None or _DIGIT.match(words[index].form):
            result.append(words[index])
            index += 1
            continue
        result.append(_Word(words[number.start].start, words[number.end - 1].end, number.text))
        index = number.end
    return result


def _is_count(form: str) -> bool:
    return form in {"a", "one", "each", "per"} or bool(_DIGIT.match(form)) or bool(find_numbers([_lone(form)], "en", 0))


def _lone(form: str) -> _Number:
    return _Number(_Word(0, 0, form), False)


def _joined(text: str, words: Sequence[_Word]) -> Spoken:
    parts: list[str] = []
    spans: list[tuple[int, int, int, int]] = []
    at = 0
    previous_end = 0
    for word in words:
        if parts and (text[previous_end : word.start].strip() or previous_end < word.start):
            parts.append(" ")
            at += 1
        spans.append((at, at + len(word.form), word.start, word.end))
        parts.append(word.form)
        at += len(word.form)
        previous_end = word.end
    return Spoken(text, "".join(parts), tuple(spans))
