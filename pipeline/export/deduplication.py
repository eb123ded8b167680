"""Chooses which rows stay when several say the same or nearly the same: within a split, and across the two. Pure.

Within a split, rows that differ in what they teach (`apart`: other labels, another opinion) both stay. Across the
splits they never do: whatever was trained on must not be what is tested.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.near_duplicates import NearDuplicates
from pipeline.export.splitting import Split

_SPACE: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is compared of a row."""

    text: str  # made with `comparable`
    split: Split
    apart: str
    preferred: bool


@dataclass(slots=True)
class Without:
    """The places of the rows that stay, in their order, and how many of the others were what."""

    kept: list[int] = field(default_factory=list)
    exact: int = 0
    near: int = 0
    leaking: int = 0  # of those, how many equal or resemble a row of the other split


def comparable(texts: Sequence[str]) -> str:
    """Texts without what makes no difference: case, punctuation, white space."""
    return "\n".join(" ".join(_SPACE.sub(" ", text.casefold()).split()) or text for text in texts)


def digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="backslashreplace"), digest_size=16).hexdigest()


def without_duplicates(entries: Sequence[Entry]) -> Without:
    """Those that a person had a hand in go first, then the earlier ones."""
    order = sorted(range(len(entries)), key=lambda place: (not entries[place].preferred, place))
    result = Without()
    index = NearDuplicates([entry.text for entry in entries])
    same: dict[str, list[int]] = defaultdict(list)
    for place in order:
        entry = entries[place]
        text = digest(entry.text)
        equal = [entries[other] for other in same[text]]
        if any(kept.split != entry.split for kept in equal):
            result.exact += 1
            result.leaking += 1
        elif any(kept.apart == entry.apart or (kept.preferred and not entry.preferred) for kept in equal):
            result.exact += 1
        elif (like := [entries[other] for other in index.like(place)]) and any(k.split != entry.split for k in like):
            result.near += 1
            result.leaking += 1
        elif any(kept.apart == entry.apart for kept in like):
            result.near += 1
        else:
            same[text].append(place)
            index.keep(place)
            result.kept.append(place)
    result.kept.sort()
    return result
