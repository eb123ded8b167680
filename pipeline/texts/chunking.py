"""Cuts a text into chunks of so many tokens, at ends of sentences: the best cut of all there are. Pure.

A chunk would rather end with a paragraph or a section than within one, and chunks would rather be of like length. What
fits no chunk is left out: a sentence that is longer than a chunk may be, a text that is shorter than one must be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

TARGET: Final = 2.0  # times the least length: what leaves room to move a cut on both sides
_WITHIN_PARAGRAPH: Final = 0.3
_WITHIN_SECTION: Final = 0.1
_LEFT_OUT: Final = 6.0  # for as many tokens as a chunk is to have


@dataclass(frozen=True, slots=True)
class Piece:
    """One sentence, with the white space before it."""

    text: str
    tokens: int
    ends_paragraph: bool = False
    ends_section: bool = False
    place: int = 0  # of its paragraph
    gap: bool = False  # no text: something was taken out here, which no chunk may bridge


@dataclass(frozen=True, slots=True)
class Chunk:
    """The pieces from `first` to before `end`."""

    first: int
    end: int


def cut(pieces: Sequence[Piece], least: int, most: int) -> list[Chunk]:
    """The chunks, in order, each of `least` to `most` tokens.

    The cheapest way through the text, by dynamic programming: linear in the pieces times those of one chunk.
    """
    target = min(least * TARGET, (least + most) / 2)
    before = list(accumulate((piece.tokens for piece in pieces), initial=0))
    gaps = list(accumulate((piece.gap for piece in pieces), initial=0))
    cost = [0.0]
    came_from = [0]
    for end in range(1, len(pieces) + 1):
        last = pieces[end - 1]
        best, origin = cost[end - 1] + _LEFT_OUT * min(last.tokens, most) / target, end - 1
        ending = 0.0 if last.ends_section else _WITHIN_SECTION if last.ends_paragraph else _WITHIN_PARAGRAPH
        first = end - 1
        while first >= 0 and before[end] - before[first] <= most and gaps[end] == gaps[first]:
            tokens = before[end] - before[first]
            if tokens >= least:
                told = cost[first] + (tokens / target - 1) ** 2 + ending + 1e-6  # fewer chunks, where all else is equal
                if told < best:
                    best, origin = told, -first - 1
            first -= 1
        cost.append(best)
        came_from.append(origin)
    return _way_back(came_from)


def _way_back(came_from: Sequence[int]) -> list[Chunk]:
    chunks = []
    end = len(came_from) - 1
    while end > 0:
        origin = came_from[end]
        if origin < 0:
            chunks.append(Chunk(-origin - 1, end))
            end = -origin - 1
        else:
            end = origin
    return chunks[::-1]
