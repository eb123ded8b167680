"""Finds texts that are nearly the same: MinHash signatures (datasketch) in bands, then the true likeness of the few.

The likeness of two texts is the Jaccard index of their sets of SHINGLE_BYTES neighbouring bytes (UTF-8, both ends
padded), so that one other letter matters much in a short text and little in a long one. Everything is
seeded and counted, so the same texts in the same order give the same answer on every machine. Knows no row and no
split. The bands are kept in arrays: datasketch's own index takes ten times the memory (550 MB for 100,000 texts).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from datasketch import MinHash

SHINGLE_BYTES: Final = 4
LIKE: Final = 0.8
"""From here on two texts are nearly the same, as in "Deduplicating Training Data Makes Language Models Better"."""
BANDS: Final = 12
BAND_ROWS: Final = 6
"""With 12 bands of 6 a pair of likeness 0.8 is found with a probability of 0.97, one of 0.9 with 0.9999."""
ESTIMATE_OFF: Final = 0.2  # by so much, four times its deviation, a signature may underrate a likeness of 0.8
SEED: Final = 1
BULK_TEXTS: Final = 1_000
BAND_KEPT_MAX: Final = 50
"""So many kept texts a band's bucket remembers: texts from one template would otherwise all be compared to all. What
they hide from each other in one band is mostly found in another."""


class NearDuplicates:
    """An index of texts, of which some are kept: `like` names the kept ones that a text is nearly the same as."""

    def __init__(self, texts: Sequence[str], like: float = LIKE) -> None:
        self._like = like
        self._shingles = [_shingles(text) for text in texts]
        self._signatures = _signatures(self._shingles)
        self._buckets = _buckets(self._signatures)
        self._kept: list[dict[int, list[int]]] = [defaultdict(list) for _ in range(BANDS)]

    def like(self, place: int) -> Iterator[int]:
        """The kept texts that are like the one at this place, in the order in which they were kept."""
        found = {
            other
            for band, bucket in enumerate(self._buckets[place].tolist())
            if bucket >= 0
            for other in self._kept[band].get(bucket, ())
        }
        others = np.array(sorted(found), dtype=np.int64)
        agree = (self._signatures[others] == self._signatures[place]).mean(axis=1) if found else []
        for other in others[np.greater_equal(agree, self._like - ESTIMATE_OFF)].tolist():
            if _jaccard(self._shingles[place], self._shingles[other]) >= self._like:
                yield other

    def keep(self, place: int) -> None:
        """From now on texts are compared with this one."""
        for band, bucket in enumerate(self._buckets[place].tolist()):
            if bucket >= 0 and len(self._kept[band][bucket]) < BAND_KEPT_MAX:
                self._kept[band][bucket].append(place)


def _shingles(text: str) -> npt.NDArray[np.uint32]:
    """The set of four neighbouring bytes, each as one number, sorted."""
    edge = b"\0" * (SHINGLE_BYTES - 1)  # so that the first and the last byte count as much as any other
    raw = edge + text.encode(errors="backslashreplace") + edge
    of_bytes = np.frombuffer(raw, dtype=np.uint8).astype(np.uint32)
    count = len(of_bytes) - SHINGLE_BYTES + 1
    joined = np.zeros(count, dtype=np.uint32)
    for place in range(SHINGLE_BYTES):
        joined |= of_bytes[place : place + count] << np.uint32(8 * place)
    return np.unique(joined)


def _signatures(shingles: Sequence[npt.NDArray[np.uint32]]) -> npt.NDArray[np.uint32]:
    """MinHash signatures, shape (texts, BANDS * BAND_ROWS)."""
    signatures = np.empty((len(shingles), BANDS * BAND_ROWS), dtype=np.uint32)
    for first in range(0, len(shingles), BULK_TEXTS):
        some = [each.tolist() for each in shingles[first : first + BULK_TEXTS]]
        made = MinHash.bulk(some, num_perm=BANDS * BAND_ROWS, seed=SEED, hashfunc=_itself)
        signatures[first : first + len(some)] = [each.hashvalues for each in made]
    return signatures


def _buckets(signatures: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    """For each text and band the number of its bucket, -1 where it is alone; shape (texts, BANDS)."""
    weights = np.random.default_rng(SEED).integers(1, 2**63, size=BAND_ROWS, dtype=np.uint64) | np.uint64(1)
    buckets = np.full((len(signatures), BANDS), -1, dtype=np.int32)
    for band in range(BANDS):
        rows = signatures[:, band * BAND_ROWS : (band + 1) * BAND_ROWS].astype(np.uint64)
        hashes = (rows * weights).sum(axis=1, dtype=np.uint64)
        _, numbers, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        shared = counts[numbers] > 1
        buckets[shared, band] = numbers[shared]
    return buckets


def _itself(shingle: int) -> int:
    return shingle


def _jaccard(one: npt.NDArray[np.uint32], other: npt.NDArray[np.uint32]) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
