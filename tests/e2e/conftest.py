"""A whole Parley in the test's own event loop, with models that are loaded once for all tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra import embeddings

if TYPE_CHECKING:
    from infra.bus.server import BusAddress
    from tests.e2e.whole import Whole

_loaded = cache(lambda kind: kind())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are loaded once for all tests, and whoever looks for the end of things looks often."""
    from scripts.bench.ordeal import evidence

    for kind in (embeddings.MiniLm, embeddings.WordLlamaStatic):
        monkeypatch.setattr(embeddings, kind.__name__, lambda kind=kind: _loaded(kind))
    monkeypatch.setattr(evidence, "LOOK_EVERY_S", 0.02)


@pytest.fixture
async def parley(quick: None, bus_address: "BusAddress", tmp_path: Path) -> "AsyncIterator[Whole]":
    """A whole on the shared bus, without members yet."""
    from tests.e2e.whole import whole

    async with whole(tmp_path, bus_address) as made:
        yield made


@pytest.fixture
def new_whole(quick: None) -> "Callable[..., AbstractAsyncContextManager[Whole]]":
    """Makes a whole on any bus: `async with new_whole(folder, address) as parley`."""
    from tests.e2e.whole import whole

    return whole
