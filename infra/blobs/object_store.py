"""Blobs in the NATS object store: for several hosts that share nothing but the bus.

Does not connect: it is given a JetStream context. The bucket is created once and never reconfigured from here.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from nats.js import JetStreamContext
from nats.js.api import ObjectInfo, ObjectMeta, ObjectStoreConfig
from nats.js.errors import BadRequestError, DigestMismatchError, NotFoundError, ObjectDeletedError
from nats.js.object_store import ObjectStore

from infra.blobs.port import (
    BLOB_MAX_BYTES,
    REF_PREFIX,
    BlobCorrupt,
    BlobMissing,
    Stored,
    checked_bytes,
    checked_size,
    digest_of,
    ref_of,
)
from schemas.event import Blob

BUCKET = "parley_blobs"
PUT_AT = "put-at"  # an object's own time is not told by every server, and stays when its bytes are put again
GET_WITHIN_S = 30.0  # an object whose chunks are gone would be waited for without end
_STREAM_NAME_IN_USE = 10058


class ObjectStoreBlobs:
    """A BlobStore in one bucket."""

    def __init__(self, store: ObjectStore, bucket: str, max_bytes: int = BLOB_MAX_BYTES) -> None:
        self._store = store
        self._name = f"object store {bucket!r}"
        self._max_bytes = max_bytes

    @classmethod
    async def open(
        cls, jetstream: JetStreamContext, bucket: str = BUCKET, max_bytes: int = BLOB_MAX_BYTES, replicas: int = 1
    ) -> "ObjectStoreBlobs":
        """Open the bucket, creating it when it is not there (several hosts may do so at once)."""
        try:
            store = await jetstream.create_object_store(bucket, ObjectStoreConfig(replicas=replicas))
        except BadRequestError as refused:
            if refused.err_code != _STREAM_NAME_IN_USE:
                raise
            store = await jetstream.object_store(bucket)
        return cls(store, bucket, max_bytes)

    async def put(self, data: bytes, media_type: str) -> Blob:
        checked_size(len(data), self._max_bytes)
        ref = ref_of(data)
        digest = digest_of(ref)
        # Writing an object again removes its old chunks, which somebody may be reading just now.
        headers = {"content-type": media_type, PUT_AT: datetime.now(UTC).isoformat()}
        try:
            if await self._stored(digest, len(data)):
                await self._store.update_meta(digest, ObjectMeta(name=digest, headers=headers))
                return Blob(ref=ref, media_type=media_type, size_bytes=len(data))
        except ObjectDeletedError:
            pass  # by somebody else, just now
        await self._store.put(digest, data, ObjectMeta(headers=headers))
        return Blob(ref=ref, media_type=media_type, size_bytes=len(data))

    async def get(self, blob: Blob | str) -> bytes:
        digest = digest_of(blob)
        try:
            info = await self._store.get_info(digest)
            checked_size(info.size or 0, self._max_bytes)
            async with asyncio.timeout(GET_WITHIN_S):
                data = (await self._store.get(digest)).data or b""
        except NotFoundError:
            raise BlobMissing(f"sha256:{digest}", self._name) from None
        except DigestMismatchError:
            raise BlobCorrupt(f"sha256:{digest}", self._name, "another than the store itself noted") from None
        return checked_bytes(data, digest, self._name)

    async def exists(self, blob: Blob | str) -> bool:
        return await self._stored(digest_of(blob), None)

    async def delete(self, blob: Blob | str, *, put_before: datetime | None = None) -> bool:
        digest = digest_of(blob)
        try:
            if put_before is not None and _put_at(await self._store.get_info(digest)) >= put_before:
                return False
            await self._store.delete(digest)
        except NotFoundError:
            return False
        return True

    async def stored(self) -> AsyncIterator[Stored]:
        watcher = await self._store.watch(ignore_deletes=True)
        try:
            async for info in watcher:
                if info is None:  # that was all
                    return
                if info.deleted:
                    continue
                yield Stored(f"{REF_PREFIX}{info.name}", info.size or 0, _put_at(info))
        finally:
            await watcher.stop()  # type: ignore[no-untyped-call]  # nats-py's

    async def _stored(self, digest: str, size_bytes: int | None) -> bool:
        try:
            info = await self._store.get_info(digest)
        except NotFoundError:
            return False
        return size_bytes is None or info.size == size_bytes


def _put_at(info: ObjectInfo) -> datetime:
    """When an object was put last; now, if nobody has noted it."""
    noted = (info.headers or {}).get(PUT_AT) or info.mtime
    return datetime.fromisoformat(noted) if noted else datetime.now(UTC)
