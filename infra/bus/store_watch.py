"""Notices that the embedded nats-server can no longer write its streams, and why: no room, no folder, or its own words.

The server itself goes on and seems well; started anew it stores again, as soon as its disk has room.
"""

import shutil
from pathlib import Path
from typing import Final

from infra.bus.server import NO_ROOM_BYTES, ROOM_TO_WRITE_BYTES, STREAMS, WriteErrors

NO_ROOM: Final = "had no room to write its streams"
_NO_ROOM_WORDS: Final = ("no space left", "quota exceeded")


class StoreWatch:
    """Looks at a server's store and at what it says in its log."""

    def __init__(self, store: Path, log: Path) -> None:
        self._store = store
        self._errors = WriteErrors(log)
        self._why: str | None = None

    def look(self) -> str | None:
        """Why the server should be started anew now; told once. Raises OSError when the disk cannot be asked."""
        if (said := self._errors.found()) is not None:
            no_room = any(words in said.lower() for words in _NO_ROOM_WORDS)
            self._why = NO_ROOM if no_room else f"could not write its streams ({said})"
        if not (self._store / STREAMS).is_dir():
            self._why = None
            return (
                f"has lost its folder {self._store.absolute()}, which was removed or moved while it ran "
                "(what waited there is gone, unless you end Parley and put the folder back),"
            )
        free_bytes = shutil.disk_usage(self._store).free
        if free_bytes < NO_ROOM_BYTES:
            self._why = NO_ROOM
        if free_bytes < ROOM_TO_WRITE_BYTES:
            return None
        why, self._why = self._why, None
        return why
