"""Benchmarks are scripts without a suffix: their functions are had by running them without their main."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[3] / "scripts" / "bench"


@pytest.fixture
def bench() -> Callable[[str], dict[str, object]]:
    """The names that a benchmark defines."""
    return lambda name: runpy.run_path(str(BENCH / name), run_name="bench")
