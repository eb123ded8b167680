"""What every blob store promises, on files and on a real NATS object store."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nats
import pytest
from nats.js.api import ObjectMeta

from infra import processes
from infra.blobs.files import FileBlobs
from infra.blobs.object_store import BUCKET, ObjectStoreBlobs
from infra.blobs.port import BlobCorrupt, BlobMissing, BlobStore
from infra.bus import server
from schemas.errors import InvalidField
from schemas.event import Blob

MAX_BYTES = 1_000_000
NEVER_PUT = "sha256:" + hashlib.sha256(b"never put").hexdigest()


class Files:
    """A store on the disk, and how its content is spoilt behind its back."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store: BlobStore = FileBlobs(root, MAX_BYTES)

    async def again(self) -> BlobStore:
        return FileBlobs(self.root, MAX_BYTES)

    async def spoil(self, blob: Blob) -> None:
        digest = blob.ref.removeprefix("sha256:")
        next(self.root.rglob(digest)).write_bytes(b"something else")


class Objects:
    """A store on a nats-server, and how its content is spoilt behind its back."""

    def __init__(self, jetstream: nats.js.JetStreamContext, store: ObjectStoreBlobs) -> None:
        self.jetstream = jetstream
        self.store: BlobStore = store

    async def again(self) -> BlobStore:
        return await ObjectStoreBlobs.open(self.jetstream, max_bytes=MAX_BYTES)

    async def spoil(self, blob: Blob) -> None:
        objects = await self.jetstream.object_store(BUCKET)
        digest = blob.ref.removeprefix("sha256:")
        await objects.put(digest, b"something else", ObjectMeta())


@pytest.fixture(params=["files", "object store"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Files | Objects]:
    if request.param == "files":
        yield Files(tmp_path / "blobs")
        return
    process, port = await server.start(tmp_path / "nats", tmp_path / "nats.log")
    client = await nats.connect(f"nats://{server.HOST}:{port}")
    try:
        jetstream = client.jetstream()
        yield Objects(jetstream, await ObjectStoreBlobs.open(jetstream, max_bytes=MAX_BYTES))
    finally:
        await client.close()
        await processes.stop(process, grace_s=5.0)


async def test_what_comes_back_is_what_was_put(kept: Files | Objects) -> None:
    data = bytes(range(256)) * 1500  # several chunks of the object store

    blob = await kept.store.put(data, "audio/wav")

    assert blob == Blob(ref=f"sha256:{hashlib.sha256(data).hexdigest()}", media_type="audio/wav", size_bytes=len(data))
    assert await kept.store.get(blob) == data
    assert await kept.store.get(blob.ref) == data


async def test_a_store_that_is_opened_again_still_has_it(kept: Files | Objects) -> None:
    blob = await kept.store.put(b"sound", "audio/wav")

    assert await (await kept.again()).get(blob) == b"sound"


async def test_no_bytes_at_all_are_bytes_too(kept: Files | Objects) -> None:
    blob = await kept.store.put(b"", "audio/wav")

    assert await kept.store.get(blob) == b""


async def test_the_same_bytes_put_by_many_at_once_are_one_blob(kept: Files | Objects) -> None:
    blobs = await asyncio.gather(*(kept.store.put(b"sound" * 1000, "audio/wav") for _ in range(8)))

    assert len({blob.ref for blob in blobs}) == 1
    assert await kept.store.get(blobs[0]) == b"sound" * 1000


async def test_a_blob_that_was_never_put_is_missing(kept: Files | Objects) -> None:
    assert not await kept.store.exists(NEVER_PUT)

    with pytest.raises(BlobMissing, match=NEVER_PUT):
        await kept.store.get(NEVER_PUT)


async def test_a_deleted_blob_is_gone_and_may_be_put_again(kept: Files | Objects) -> None:
    blob = await kept.store.put(b"sound", "audio/wav")
    assert await kept.store.exists(blob)

    await kept.store.delete(blob)
    await kept.store.delete(blob)

    assert not await kept.store.exists(blob)
    with pytest.raises(BlobMissing):
        await kept.store.get(blob)
    await kept.store.put(b"sound", "audio/wav")
    assert await kept.store.get(blob) == b"sound"


async def test_all_blobs_are_told_once_with_their_size_and_when_they_were_put(kept: Files | Objects) -> None:
    assert [each async for each in kept.store.stored()] == []
    began = datetime.now(UTC) - timedelta(seconds=1)  # of clocks that are read in two ways
    blobs = [await kept.store.put(bytes([number]) * number, "audio/wav") for number in range(20)]
    await kept.store.delete(blobs[0])

    told = [each async for each in kept.store.stored()]

    assert sorted((each.ref, each.size_bytes) for each in told) == sorted((b.ref, b.size_bytes) for b in blobs[1:])
    assert all(began <= each.put_at <= datetime.now(UTC) for each in told)


async def test_a_store_of_which_all_was_deleted_tells_nothing(kept: Files | Objects) -> None:
    await kept.store.delete(await kept.store.put(b"sound", "audio/wav"))

    assert [each async for each in kept.store.stored()] == []


async def test_what_is_put_again_is_young_again_and_not_deleted_as_old(kept: Files | Objects) -> None:
    blob = await kept.store.put(b"sound", "audio/wav")
    [first] = [each async for each in kept.store.stored()]
    await asyncio.sleep(0.02)
    between = first.put_at + timedelta(milliseconds=10)
    await kept.store.put(b"sound", "audio/wav")

    [again] = [each async for each in kept.store.stored()]

    assert again.put_at > between
    assert not await kept.store.delete(blob, put_before=between)
    assert await kept.store.get(blob) == b"sound"
    assert await kept.store.delete(blob, put_before=again.put_at + timedelta(seconds=1))
    assert not await kept.store.delete(blob, put_before=again.put_at + timedelta(seconds=1))
    assert not await kept.store.exists(blob)


async def test_bytes_that_were_changed_are_refused_and_put_right_by_putting_them_again(kept: Files | Objects) -> None:
    blob = await kept.store.put(b"sound", "audio/wav")
    await kept.spoil(blob)

    with pytest.raises(BlobCorrupt, match=hashlib.sha256(b"something else").hexdigest()):
        await kept.store.get(blob)

    await kept.store.put(b"sound", "audio/wav")
    assert await kept.store.get(blob) == b"sound"


@pytest.mark.parametrize("ref", ["", "sha256:abc", "md5:" + "0" * 64, "sha256:" + "0" * 62 + "..", "../../etc/passwd"])
async def test_what_is_not_a_reference_is_refused_by_name(kept: Files | Objects, ref: str) -> None:
    for asked in (kept.store.get(ref), kept.store.exists(ref), kept.store.delete(ref)):
        with pytest.raises(InvalidField) as refused:
            await asked
        assert refused.value.field == "blob.ref"


async def test_more_than_the_store_takes_is_refused_with_the_limit(kept: Files | Objects) -> None:
    with pytest.raises(InvalidField) as refused:
        await kept.store.put(bytes(MAX_BYTES + 1), "audio/wav")

    assert (refused.value.field, refused.value.value) == ("blob.size_bytes", str(MAX_BYTES + 1))
    assert str(MAX_BYTES) in refused.value.expected
