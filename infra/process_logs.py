"""Keeps the files into which child processes write what they say from growing for ever.

A child goes on writing into the file that it was given, so what is full is copied to a file beside it and cut. Python's
RotatingFileHandler and nats-server's own rotation know only lines that they write themselves, not what a library
prints or the kernel leaves of a crash.
"""

import fcntl
import os
import shutil
from pathlib import Path
from typing import IO, Final

LOG_MAX_BYTES: Final = 16 << 20  # of each file
COPIED_MAX: Final = 2  # times as much, the newest of it, is copied of a log that has grown faster than it is looked at
ROOM_BYTES: Final = 64 << 20  # that a copy leaves on the disk: the bus needs it more than anybody needs old lines
_PIECE_BYTES: Final = 1 << 20


def before(log: Path) -> Path:
    """Where the part of a log is that came before what stands in it."""
    return log.with_name(f"{log.name}.1")


def shorten(log: Path, max_bytes: int = LOG_MAX_BYTES, room_bytes: int = ROOM_BYTES) -> bool:
    """Move what a log holds to `before(log)`, in place of what was there, if it is too much; returns whether it was.

    Its writers must have opened it for appending. What one of them writes between the end of the copy and the cut,
    some microseconds, is lost; so is all of it where the disk has no room for a copy, and what is beyond COPIED_MAX.
    Raises OSError, and then the log is as it was.
    """
    try:
        with log.open("rb") as full:
            try:
                fcntl.flock(full, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False  # somebody else does it now
            return _shortened(log, full, max_bytes, room_bytes)
    except FileNotFoundError:
        return False


def _shortened(log: Path, full: IO[bytes], max_bytes: int, room_bytes: int) -> bool:
    size = os.fstat(full.fileno()).st_size
    if size <= max_bytes:
        return False
    copied_bytes = min(size, COPIED_MAX * max_bytes)
    if shutil.disk_usage(log.parent).free >= copied_bytes + room_bytes:
        part = log.with_name(f"{log.name}.part")  # one that a crash left is written over
        try:
            with part.open("wb") as copy:
                shutil.copymode(log, part)
                full.seek(size - copied_bytes)
                _copy(full, copy, copied_bytes)
                _copy(full, copy, max_bytes)  # what was said meanwhile
            part.replace(before(log))
        except OSError:
            part.unlink(missing_ok=True)
            raise
    os.truncate(log, 0)
    return True


def _copy(source: IO[bytes], target: IO[bytes], left_bytes: int) -> None:
    """So many bytes, or as many as there are: somebody else may have cut the file."""
    while left_bytes > 0 and (piece := source.read(min(left_bytes, _PIECE_BYTES))):
        target.write(piece)
        left_bytes -= len(piece)
