"""Which Parley runs on this data folder: found by the command line, and never two at once.

The file holds the bus's token, so only its owner may read it. The lock is the operating system's, so it ends with the
process that held it, however that ended.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.private_files import write_private
from infra.processes import alive
from schemas.errors import InvalidField


class AlreadyRunning(Exception):
    """Another Parley runs on this data folder."""


class Instance(BaseModel):
    """A running Parley."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started_at: datetime
    bus_url: str
    bus_token: str | None = None
    engine_backend: str = "llama.cpp"
    engine_url: str | None = None
    engine_key: str | None = None
    engine_model: str | None = None


def _folder(data_dir: Path) -> Path:
    return data_dir / "run"


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the data folder for this process. Raises AlreadyRunning, or InvalidField when it cannot be one."""
    with _lock_file(data_dir) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise AlreadyRunning(
                f"Parley already runs on {data_dir} (process {holder}); stop it, or set PARLEY_DATA_DIR"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock_file(data_dir: Path) -> TextIO:
    try:
        _folder(data_dir).mkdir(parents=True, exist_ok=True)
        return (_folder(data_dir) / "lock").open("a+")
    except OSError as error:
        expected = f"a folder that can be written ({error.strerror})"
        raise InvalidField("data_dir", str(data_dir), expected) from None


def write(data_dir: Path, instance: Instance) -> None:
    """Make this instance known."""
    path = _folder(data_dir) / "parley.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    write_private(new, instance.model_dump_json())
    new.replace(path)


def find(data_dir: Path) -> Instance | None:
    """The Parley that runs on this folder; None when none does. Raises InvalidField when that may not be read."""
    path = _folder(data_dir) / "parley.json"
    try:
        instance = Instance.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    except OSError as error:
        raise InvalidField("data_dir", str(data_dir), f"a folder of this user's ({path}: {error.strerror})") from None
    return instance if alive(instance.pid) else None


def remove(data_dir: Path) -> None:
    """This instance has ended."""
    with contextlib.suppress(FileNotFoundError):
        (_folder(data_dir) / "parley.json").unlink()
