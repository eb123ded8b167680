"""What has lately gone wrong with the processes of the Parley that runs on a data folder, in words for a person.

Its supervisor writes it; the command line and the gateway read it, also when the bus is away. Old news is not told.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from infra.private_files import write_private

TOLD_FOR: Final = timedelta(seconds=60)


class Trouble(BaseModel):
    """One process's. `damaged_state`: it ended because the state is damaged, and `words` say how."""

    model_config = ConfigDict(frozen=True)

    name: str
    at: datetime
    words: str
    damaged_state: bool = False


class _Troubles(RootModel[tuple[Trouble, ...]]):
    """As they lie in the file."""


def note(data_dir: Path, trouble: Trouble) -> None:
    """Make this trouble known, in the place of what was known of that process. A disk that is full keeps the old."""
    others = (each for each in lately(data_dir, trouble.at) if each.name != trouble.name)
    path = _path(data_dir)
    new = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(new, _Troubles((*others, trouble)).model_dump_json())
        new.replace(path)


def lately(data_dir: Path, now: datetime) -> Sequence[Trouble]:
    """The last trouble of each process that had any within TOLD_FOR."""
    try:
        known = _Troubles.model_validate_json(_path(data_dir).read_bytes()).root
    except (OSError, ValidationError):
        return ()
    return tuple(each for each in known if abs(now - each.at) < TOLD_FOR)


def forget(data_dir: Path) -> None:
    """Whoever had them has ended."""
    with contextlib.suppress(OSError):
        _path(data_dir).unlink()


def _path(data_dir: Path) -> Path:
    return data_dir / "run" / "troubles.json"
