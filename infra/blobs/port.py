"""The port through which sound and other large bytes are kept outside the events, and what can go wrong there.

Knows no medium: implementations stand beside this file, one a file. The address of a blob is the SHA-256 of its
bytes, so putting the same bytes twice is one blob, and what comes back is what was put in, or an error. Whether
anybody still refers to a blob before it is deleted is for the caller to know.
"""

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.errors import InvalidField
from schemas.event import Blob

BLOB_MAX_BYTES = 64 * 1024 * 1024  # two minutes of 8-channel 24-bit sound at 16 kHz, with room to spare
REF_PREFIX = "sha256:"
_REF = re.compile(r"sha256:([0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store tells of a blob when it lists all."""

    ref: str
    size_bytes: int
    put_at: datetime  # when it was put last, also when it was there already


class BlobStore(Protocol):
    """Content-addressed bytes."""

    async def put(self, data: bytes, media_type: str) -> Blob:
        """Keep the bytes and return their reference. Raises InvalidField when they are more than the store takes."""

    async def get(self, blob: Blob | str) -> bytes:
        """The bytes behind a blob or its `sha256:…`. Raises BlobMissing, BlobCorrupt, or InvalidField (no such ref)."""

    async def exists(self, blob: Blob | str) -> bool:
        """Whether the bytes are there; they are not read. Raises InvalidField."""

    async def delete(self, blob: Blob | str, *, put_before: datetime | None = None) -> bool:
        """Forget the bytes, with `put_before` only if nobody has put them since; whether they were there and are gone.

        Raises InvalidField.
        """

    def stored(self) -> AsyncIterator[Stored]:
        """All blobs, in no order, each once. One that is put or deleted meanwhile may be told or not."""


class BlobError(Exception):
    """Common to all that a blob store can do wrong."""


class BlobMissing(BlobError):
    """Nothing is stored under this reference: it was never put, was deleted, or another store holds it."""

    def __init__(self, ref: str, store: str) -> None:
        super().__init__(f"blob.ref: {ref} is not in {store}; put the bytes there before referring to them")


class BlobCorrupt(BlobError):
    """What is stored under the reference is not what was put there."""

    def __init__(self, ref: str, store: str, found: str) -> None:
        super().__init__(f"blob.ref: {ref} in {store} holds bytes whose SHA-256 is {found}; put the bytes again")


def ref_of(data: bytes) -> str:
    """The reference under which these bytes lie."""
    return f"{REF_PREFIX}{hashlib.sha256(data).hexdigest()}"


def digest_of(blob: Blob | str) -> str:
    """The 64 hex digits of a reference. Raises InvalidField."""
    ref = blob if isinstance(blob, str) else blob.ref
    match = _REF.match(ref)
    if match is None:
        raise InvalidField("blob.ref", ref, "'sha256:' and 64 hex digits in lower case")
    return match[1]


def checked_size(size_bytes: int, max_bytes: int) -> None:
    """Raises InvalidField when a blob is larger than its store takes."""
    if size_bytes > max_bytes:
        raise InvalidField("blob.size_bytes", size_bytes, f"at most {max_bytes} bytes")


def checked_bytes(data: bytes, digest: str, store: str) -> bytes:
    """The bytes, when they are those of the digest. Raises BlobCorrupt."""
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise BlobCorrupt(f"sha256:{digest}", store, found)
    return data
