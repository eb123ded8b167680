"""Keeps the rows of an export on the disk until it is known which of them stay: a row is a line of JSON."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from pipeline.export.deduplication import Entry


@dataclass(frozen=True, slots=True)
class Spooled:
    """One row: where it lies, where it comes from, and what is compared of it."""

    at: int  # byte in the spool
    size_bytes: int  # of the row's line; the seed's line, if there is one, follows it
    seed_bytes: int
    conversation: str
    turn: str
    entry: Entry
    masked: Mapping[str, int]  # places, by kind


class Spool:
    """A file without a name that is gone when it is closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._end = 0

    def add(self, row: Any, seed_row: Any | None) -> tuple[int, int, int]:
        """Where the row lies, its size and that of its seed's line."""
        line, seed_line = line_of(row), b"" if seed_row is None else line_of(seed_row)
        at = self._end
        self._file.write(line + seed_line)
        self._end += len(line) + len(seed_line)
        return at, len(line), len(seed_line)

    def lines(self, one: Spooled) -> tuple[bytes, bytes]:
        """The row's line and its seed's line, which may be empty."""
        self._file.seek(one.at)
        both = self._file.read(one.size_bytes + one.seed_bytes)
        return both[: one.size_bytes], both[one.size_bytes :]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def line_of(row: Any) -> bytes:
    """One line of JSON, UTF-8: the same bytes for the same row."""
    return json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
