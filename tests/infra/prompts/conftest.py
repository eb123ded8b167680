"""A shelf in a folder of the test's own, and files that change as an editor changes them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.prompts import Given, Shelf

TEXT = "--- system\nYou are {{ name }}.\n--- examples\n--- history\n--- user\n{{ talk }}\n"
EXAMPLES = '{"user": "Hi", "assistant": "Hello."}\n'
VALUES = {"name": "Parley", "talk": "Hello"}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """One prompt with examples, without a copy in the program."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "reply.txt").write_text(TEXT)
    (folder / "reply.examples.jsonl").write_text(EXAMPLES)
    return Shelf("test", folder, {}, (Given("reply", VALUES, history=True),))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of own prompts, empty."""
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def changed() -> Callable[[Path, str], None]:
    """Writes a file as an editor would, a moment later."""

    def write(path: Path, text: str) -> None:
        before = path.stat().st_mtime_ns
        path.write_text(text)
        os.utime(path, ns=(before + 1_000_000, before + 1_000_000))

    return write
