"""Files that nobody else on the machine may read."""

import os
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o600


def write_private(path: Path, text: str) -> None:
    """Write a file anew, readable by its owner only from its first byte on. Raises OSError."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w", encoding="utf-8") as file:
        file.write(text)


def make_private(path: Path, text: str) -> bool:
    """Write a file like `write_private`, unless it is there already, also by another process; whether it was written.

    Nobody ever sees half of it. Raises OSError.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    write_private(beside, text)
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    return True
