"""Blobs as files under one directory: for one host, whose workers all see the directory.

A blob appears whole or not at all (written beside, then renamed). It is as durable as the operating system's page
cache, like the bus: a killed process loses nothing, lost power may lose the last seconds; a torn file is found by its
hash when it is read, and putting the bytes again mends it.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from infra.blobs.port import (
    BLOB_MAX_BYTES,
    REF_PREFIX,
    BlobMissing,
    Stored,
    checked_bytes,
    checked_size,
    digest_of,
    ref_of,
)
from schemas.event import Blob

_FAN_OUT_CHARS = 2  # 256 folders: a million blobs are 4,000 files a folder


class FileBlobs:
    """A BlobStore on the local disk, readable by this user only."""

    def __init__(self, root: Path, max_bytes: int = BLOB_MAX_BYTES) -> None:
        self._root = root
        self._max_bytes = max_bytes

    async def put(self, data: bytes, media_type: str) -> Blob:
        checked_size(len(data), self._max_bytes)
        return await asyncio.to_thread(self._put, data, media_type)

    async def get(self, blob: Blob | str) -> bytes:
        return await asyncio.to_thread(self._get, digest_of(blob))

    async def exists(self, blob: Blob | str) -> bool:
        return await asyncio.to_thread(self._path(digest_of(blob)).is_file)

    async def delete(self, blob: Blob | str, *, put_before: datetime | None = None) -> bool:
        return await asyncio.to_thread(_delete, self._path(digest_of(blob)), put_before)

    async def stored(self) -> AsyncIterator[Stored]:
        for folder in await asyncio.to_thread(self._folders):
            for told in await asyncio.to_thread(_stored_in, folder):
                yield told

    def _folders(self) -> list[Path]:
        return sorted(path for path in self._root.glob("?" * _FAN_OUT_CHARS) if path.is_dir())

    def _path(self, digest: str) -> Path:
        return self._root / digest[:_FAN_OUT_CHARS] / digest

    def _put(self, data: bytes, media_type: str) -> Blob:
        ref = ref_of(data)
        path = self._path(digest_of(ref))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".put-", delete=False) as beside:
            try:
                beside.write(data)
                beside.close()
                # Also over a file that is there: its bytes are the same, unless they were torn, and then this mends it.
                Path(beside.name).replace(path)
            except BaseException:
                with suppress(FileNotFoundError):
                    Path(beside.name).unlink()
                raise
        return Blob(ref=ref, media_type=media_type, size_bytes=len(data))

    def _get(self, digest: str) -> bytes:
        path = self._path(digest)
        try:
            checked_size(path.stat().st_size, self._max_bytes)
            data = path.read_bytes()
        except FileNotFoundError:
            raise BlobMissing(f"sha256:{digest}", str(self._root)) from None
        return checked_bytes(data, digest, str(self._root))


def _delete(path: Path, put_before: datetime | None) -> bool:
    try:
        if put_before is not None and _put_at(path.stat()) >= put_before:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _put_at(told: os.stat_result) -> datetime:
    return datetime.fromtimestamp(told.st_mtime, UTC)


def _stored_in(folder: Path) -> list[Stored]:
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(folder.name):  # one that is being put
                continue
            with suppress(FileNotFoundError):  # deleted just now
                told = entry.stat()
                found.append(Stored(f"{REF_PREFIX}{entry.name}", told.st_size, _put_at(told)))
    return found
