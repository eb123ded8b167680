"""Exit codes that mean something, and the one place where an error becomes a line on the terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import NoReturn

from infra.blobs.port import BlobError
from infra.bus.errors import BusFull, BusUnavailable
from infra.bus.server import BusServerFailed
from infra.event_log.port import EventLogError
from infra.instance import AlreadyRunning
from infra.settings import SettingsError
from infra.state.errors import StateError
from infra.weights import WeightsMissing
from pipeline.children import StartFailed
from pipeline.front_end import NoEnd
from schemas.errors import SchemaError


class Exit(IntEnum):
    """What the shell is told."""

    OK = 0
    TURN_FAILED = 1  # the turn ended without a reply, or something asked for is not in order
    WRONG_INPUT = 2  # a command, a file, a text or a configuration that cannot be used
    NOT_RUNNING = 3  # no bus, no worker, or a start that failed
    BUSY = 4  # Parley is full: try again


def fail(message: str, code: Exit) -> NoReturn:
    """End with one line on standard error."""
    print(f"parley: {message}", file=sys.stderr)
    raise SystemExit(int(code))


@contextmanager
def told() -> Iterator[None]:
    """Turn what is expected to go wrong into a line and an exit code; anything else is a bug and keeps its stack."""
    try:
        yield
    except BusFull as error:
        fail(f"busy, nothing was accepted: {error}", Exit.BUSY)
    except (BusUnavailable, BusServerFailed, StartFailed, AlreadyRunning, NoEnd) as error:
        fail(str(error), Exit.NOT_RUNNING)
    except (StateError, EventLogError, BlobError, WeightsMissing) as error:
        fail(str(error), Exit.NOT_RUNNING)
    except (SettingsError, SchemaError) as error:
        fail(str(error), Exit.WRONG_INPUT)
    except OSError as error:
        if error.filename is None:
            raise
        fail(f"{error.filename}: {error.strerror}; name a folder that you may write in data_dir", Exit.WRONG_INPUT)
    except KeyboardInterrupt:
        fail("stopped", Exit.TURN_FAILED)
