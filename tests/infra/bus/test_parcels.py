"""Bytes that are too large for a message."""

from typing import TYPE_CHECKING

import pytest

from infra.bus import parcels
from infra.bus.connection import Bus
from infra.bus.errors import BusFull, BusUnavailable

if TYPE_CHECKING:
    from infra.bus.server import BusAddress

pytestmark = pytest.mark.slow


async def test_what_was_put_is_fetched_once_by_whoever_has_its_name(bus: Bus, bus_address: "BusAddress") -> None:
    data = bytes(range(256)) * 10_000
    name = await parcels.put(bus.js, data)

    async with Bus(bus_address, name="elsewhere") as other:
        assert await parcels.fetch(other.js, name) == data
        with pytest.raises(BusUnavailable, match="is there no longer; ask again"):
            await parcels.fetch(other.js, name)


async def test_what_was_fetched_takes_no_room_and_what_was_not_goes_by_itself(bus: Bus) -> None:
    await parcels.fetch(bus.js, await parcels.put(bus.js, b"the bucket is there"))
    before = (await bus.js.stream_info(f"OBJ_{parcels.BUCKET}")).state.bytes
    name = await parcels.put(bus.js, b"x" * 500_000)
    stream = await bus.js.stream_info(f"OBJ_{parcels.BUCKET}")
    assert stream.state.bytes > before + 500_000
    assert stream.config.max_age == parcels.KEPT_S

    await parcels.fetch(bus.js, name)

    assert (await bus.js.stream_info(f"OBJ_{parcels.BUCKET}")).state.bytes < before + 10_000


async def test_a_full_bucket_is_told(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "BUCKET", "parley_parcels_small")
    monkeypatch.setattr(parcels, "BUCKET_MAX_BYTES", 300_000)

    with pytest.raises(BusFull, match="wait to be fetched"):
        await parcels.put(bus.js, b"x" * 400_000)
