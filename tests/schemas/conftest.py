"""The golden events: one file for each event and schema version, written once and never changed.

The folder of a minor version holds the events that it changed; all others are still written as before.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> Callable[..., bytes]:
    """The bytes of an event as they travel, by its name and version; by default the version that brought it."""

    def read(name: str, version: str | None = None) -> bytes:
        first = min((file.parent.name for file in GOLDEN.glob(f"*/{name}.json")), key=lambda each: (len(each), each))
        return (GOLDEN / (version or first) / f"{name}.json").read_bytes().removesuffix(b"\n")

    return read
