"""Deals conversations out to training and test. Pure: the same conversation goes the same way in every export."""

import hashlib
from typing import Final, Literal

Split = Literal["train", "test", "validation"]
SPLITS: Final[tuple[Split, ...]] = ("train", "test")
TEXT_SPLITS: Final[tuple[Split, ...]] = ("train", "validation")
TEST_PERCENT: Final = 10


def split_of(conversation: str) -> Split:
    """By a hash of the conversation's id, so that what is added to the log moves nothing that was there."""
    return "test" if _in_tenth(conversation, b"parley split") else "train"


def split_of_file(name: str) -> Split:
    """By a hash of the file's name within its folder, so that a file added beside it does not move it."""
    return "validation" if _in_tenth(name, b"parley texts") else "train"


def _in_tenth(what: str, purpose: bytes) -> bool:
    digest = hashlib.blake2b(what.encode(), digest_size=8, person=purpose).digest()
    return int.from_bytes(digest) % 100 < TEST_PERCENT
