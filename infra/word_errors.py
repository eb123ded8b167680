"""How much of what was said a recogniser heard otherwise."""

from typing import Final

import regex
from rapidfuzz.distance import Levenshtein

_WORDS: Final = regex.compile(r"[\p{L}\p{N}']+")


def word_error_rate(reference: str, heard: str) -> float:
    """Words to change, add or take away, per word of `reference`; case and punctuation do not count.

    0 for two texts without words; 1 when only the reference has none.
    """
    wanted, found = words_of(reference), words_of(heard)
    if not wanted:
        return float(bool(found))
    return Levenshtein.distance(wanted, found) / len(wanted)


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, without punctuation."""
    return [word.lower() for word in _WORDS.findall(text)]
