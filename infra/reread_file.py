"""A small file that somebody may replace while the program runs: what it says is read again when it has changed.

A file that cannot be used at the start is an error; one that becomes unusable later leaves what was read before.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from infra.settings import SettingsError

FILE_MAX_BYTES: Final = 1 << 20

log = logging.getLogger("parley.files")

T = TypeVar("T")
_Stamp = tuple[int, int, int]


class RereadFile(Generic[T]):
    """One such file. `parse` raises ValueError, which says what would be right and nothing of the file."""

    def __init__(self, field: str, path: Path, parse: Callable[[str], T]) -> None:
        """Reads it. Raises SettingsError."""
        self._field = field
        self._path = path.expanduser()
        self._parse = parse
        self._told = ""  # what the log has been told of the file as it is
        try:
            self._stamp = self._stamped()
            self._read = self._parsed()
        except ValueError as refused:
            raise SettingsError(f"{field}: {str(path)!r} is not allowed; expected {refused}") from None

    def read(self) -> T:
        """What it says now; what it said before when it cannot be used now, of which a line in the log tells."""
        try:
            stamp = self._stamped()
            if stamp != self._stamp:
                self._stamp = stamp
                self._read = self._parsed()
        except ValueError as refused:
            if self._told != str(refused):
                self._told = str(refused)
                log.warning(
                    "%s: %s has become unusable, what it said before counts: expected %s",
                    self._field,
                    self._path,
                    refused,
                )
        return self._read

    def _stamped(self) -> _Stamp:
        try:
            status = self._path.stat()
        except OSError as error:
            raise ValueError(f"a file that can be read ({error.strerror})") from None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _parsed(self) -> T:
        try:
            with self._path.open("rb") as file:
                text = file.read(FILE_MAX_BYTES).decode()
        except OSError as error:
            raise ValueError(f"a file that can be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise ValueError("a file of text (UTF-8)") from None
        parsed = self._parse(text)
        self._told = ""
        return parsed
