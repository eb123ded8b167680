"""The numbers that the head sees: the sentence's embedding, and beside it which words and word pairs stand in it.

The embedding carries the meaning, the words what an embedding blurs ("remind" against "reminders"). Words are hashed
with a fixed hash, so that training and run time need no vocabulary and agree for ever.
"""

import re
import unicodedata
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

LEXICAL_FEATURES: Final = 16_384  # four times the distinct words and pairs of two thousand examples
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[$€£¥]")
_MERIDIEM: Final = re.compile(r"\b([ap])\.?\s?m\b\.?")
_SPACE: Final = re.compile(r"\s+")


def plain(text: str) -> str:
    """An utterance without what typing and speech recognisers spell differently: case, final stop, "a.m."."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return _SPACE.sub(" ", _MERIDIEM.sub(r"\1m", folded)).strip().rstrip(".!").rstrip()


def lexical(texts: Sequence[str]) -> Matrix:
    """Hashed words, word pairs and letter groups, float32 (len(texts), LEXICAL_FEATURES), each row of length 1 or 0."""
    rows = np.zeros((len(texts), LEXICAL_FEATURES), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for name, weight in _named(text):
            row[zlib.crc32(name.encode()) % LEXICAL_FEATURES] += weight
        norm = float(np.linalg.norm(row))
        if norm > 0:
            row /= norm
    return rows


def _named(text: str) -> list[tuple[str, float]]:
    """Every feature of a text with its weight. Figures are all alike: "50" says no more than "20"."""
    words = ["#" if word[0].isdigit() else word for word in _WORD.findall(text)]
    padded = ["<", *words, ">"]
    found = [(f"1 {word}", 1.0) for word in words]
    found += [(f"2 {first} {second}", 1.0) for first, second in pairwise(padded)]
    return found
