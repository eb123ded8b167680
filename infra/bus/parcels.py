"""Bytes too large for a message, on their way to one who asked for them: put here, told by name, fetched once.

They lie in a bucket of the bus, beside its streams. Whoever fetches one takes it away; what nobody fetches is gone
after KEPT_S. For what must be kept there is the blob store.
"""

import asyncio
import uuid
from contextlib import suppress
from typing import Final

from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import ObjectStoreConfig
from nats.js.errors import APIError, BadRequestError, DigestMismatchError, NotFoundError
from nats.js.object_store import ObjectStore

from infra.bus.errors import BusFull, BusUnavailable, reaching

BUCKET: Final = "parley_parcels"
KEPT_S: Final = 300.0
BUCKET_MAX_BYTES: Final = 512 << 20  # of all that wait to be fetched
FETCH_WITHIN_S: Final = 60.0  # an object whose chunks are gone would be waited for without end

_STREAM_NAME_IN_USE = 10058
_FULL = frozenset({10077, 10047})  # maximum messages or bytes exceeded


async def put(js: JetStreamContext, data: bytes) -> str:
    """Leave bytes for somebody; the name under which they are fetched. Raises BusFull, BusUnavailable."""
    name = uuid.uuid4().hex
    with reaching(BUCKET):
        try:
            await (await _bucket(js)).put(name, data)
        except APIError as refused:
            if refused.err_code in _FULL:
                told = f"{BUCKET_MAX_BYTES >> 20} MiB of answers wait to be fetched; try again in {KEPT_S:.0f} s"
                raise BusFull(told) from None
            raise
    return name


async def fetch(js: JetStreamContext, name: str) -> bytes:
    """Take the bytes away. Raises BusUnavailable, also when they are there no longer."""
    with reaching(BUCKET):
        store = await _bucket(js)
        try:
            async with asyncio.timeout(FETCH_WITHIN_S):
                data = (await store.get(name)).data or b""
        except (NotFoundError, DigestMismatchError, TimeoutError):
            raise BusUnavailable(f"{BUCKET}: {name} is there no longer; ask again") from None
        with suppress(Error):  # it goes by itself after KEPT_S
            await store.delete(name)
    return data


async def _bucket(js: JetStreamContext) -> ObjectStore:
    config = ObjectStoreConfig(
        description="large answers, until they are fetched", ttl=KEPT_S, max_bytes=BUCKET_MAX_BYTES
    )
    try:
        return await js.create_object_store(BUCKET, config)
    except BadRequestError as refused:
        if refused.err_code != _STREAM_NAME_IN_USE:
            raise
        return await js.object_store(BUCKET)
