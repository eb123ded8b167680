"""Keeps the files into which child processes write what they say from growing for ever.

A child goes on writing into the file that it was given, so what is full is copied to a file beside it and cut. Python's
RotatingFileHandler and nats-server's own rotation know only lines that they write themselves, not what a library
prints or the kernel leaves of a crash.
"""

import os
import shutil
from pathlib import Path
from typing import Final

LOG_MAX_BYTES: Final = 16 << 20  # of each file; with the one before it twice as much

_PIECE_BYTES: Final = 1 << 20


def before(log: Path) -> Path:
    """Where the part of a log is that came before what stands in it."""
    return log.with_name(f"{log.name}.1")


def shorten(log: Path, max_bytes: int = LOG_MAX_BYTES) -> bool:
    """Move what a log holds to `before(log)`, in place of what was there, if it is too much; returns whether it was.

    Its writers must have opened it for appending. What one of them writes between the end of the copy and the cut,
    some microseconds, is lost. Raises OSError, and then the log is as it was.
    """
    try:
        if log.stat().st_size <= max_bytes:
            return False
    except FileNotFoundError:
        return False
    beside = log.with_name(f"{log.name}.part")  # one that a crash left is written over the next time
    try:
        with log.open("rb") as full, beside.open("wb") as copy:
            shutil.copymode(log, beside)
            for _ in range(2):  # the second time what was said meanwhile, which is little
                end = os.fstat(full.fileno()).st_size  # a writer without end would never be caught up with
                while (left := end - full.tell()) > 0:
                    copy.write(full.read(min(left, _PIECE_BYTES)))
            copy.flush()
            os.truncate(log, 0)
        beside.replace(before(log))
    finally:
        beside.unlink(missing_ok=True)
    return True
