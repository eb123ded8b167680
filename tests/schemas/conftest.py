"""The golden events: one file for each event and schema version, written once and never changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> Callable[[str], bytes]:
    """The bytes of an event of version 1 as they travel, by its name."""

    def read(name: str) -> bytes:
        return (GOLDEN / "v1" / f"{name}.json").read_bytes().removesuffix(b"\n")

    return read
