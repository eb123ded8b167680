"""Deals conversations out to training and test. Pure: the same conversation goes the same way in every export."""

import hashlib
from typing import Final, Literal

Split = Literal["train", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "test")
TEST_PERCENT: Final = 10


def split_of(conversation: str) -> Split:
    """By a hash of the conversation's id, so that what is added to the log moves nothing that was there."""
    digest = hashlib.blake2b(conversation.encode(), digest_size=8, person=b"parley split").digest()
    return "test" if int.from_bytes(digest) % 100 < TEST_PERCENT else "train"
