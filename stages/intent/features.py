"""The numbers that the head sees: the sentence's embedding, and beside it which words and word pairs stand in it.

The embedding carries the meaning, the words what an embedding blurs ("remind" against "reminders"). The words are
taken twice: as they were said, and with every time, sum and number replaced by one word for its kind, so that "at nine
on friday" is as good as any other time. Words are hashed with a fixed hash, so that training and run time need no
vocabulary and agree for ever.
"""

import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from stages.intent.spoken import spoken
from stages.intent.time_words import time_words

Matrix = npt.NDArray[np.float32]

LEXICAL_FEATURES: Final = 32_768  # some four times the distinct words and pairs of two thousand examples
MASKED_CHARS: Final = 1_000  # of a longer text, only the beginning is looked through for times
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[$€£¥]")
_MERIDIEM: Final = re.compile(r"\b([ap])\.?\s?m\b\.?")
_SPACE: Final = re.compile(r"\s+")
_SUM: Final = re.compile(
    r"[$€£¥] ?\d[\d.,]*|\d[\d.,]* ?(?:[€$£¥]|(?:dollars?|bucks?|euros?|pounds?|quid|cents?|usd|eur|gbp)\b)"
)
_NUMBER: Final = re.compile(r"\d+")


def plain(text: str) -> str:
    """An utterance without what typing and speech recognisers spell differently: case, final stop, "a.m."."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return _SPACE.sub(" ", _MERIDIEM.sub(r"\1m", folded)).strip().rstrip(".!").rstrip()


def masked(text: str) -> str:
    """A text (as `plain` gives it) in which every time is "xtime", every sum "xsum", every other number "xnumber"."""
    canonical = spoken(text[:MASKED_CHARS]).canonical
    for words in sorted(time_words(canonical), key=lambda found: -found.core):
        canonical = f"{canonical[: words.core]} xtime {canonical[words.end :]}"
    return _NUMBER.sub(" xnumber ", _SUM.sub(" xsum ", canonical))


def lexical(texts: Sequence[str]) -> Matrix:
    """Hashed words and word pairs of texts (as `plain` gives them), float32 (len(texts), LEXICAL_FEATURES).

    Those said and those masked have length 1 each, before they are added.
    """
    rows = np.zeros((len(texts), LEXICAL_FEATURES), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for kind, version in (("said", text), ("masked", masked(text))):
            block = np.zeros(LEXICAL_FEATURES, dtype=np.float32)
            for name in _named(version):
                block[zlib.crc32(f"{kind} {name}".encode()) % LEXICAL_FEATURES] += 1
            row += block / max(1.0, float(np.linalg.norm(block)))
    return rows


def _named(text: str) -> Iterator[str]:
    """Every word and pair of neighbours. Figures are all alike: "50" says no more than "20"."""
    words = ["#" if word[0].isdigit() else word for word in _WORD.findall(text)]
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(["<", *words, ">"]))
