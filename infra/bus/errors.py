"""What can go wrong between Parley and its bus, told apart by what may be done about it."""

import contextlib
from collections.abc import Iterator

import nats.errors
from nats.js.errors import NoStreamResponseError, ServiceUnavailableError


class BusUnavailable(Exception):
    """The bus did not take the message in time; it may be tried again."""


class NotAnswered(BusUnavailable):
    """Whoever was asked has not answered in time; it may be busy."""


class BusFull(Exception):
    """The stream's limit is reached: nothing was accepted."""


class Overtaken(Exception):
    """Somebody else has said something on this subject since: this worker's work is no longer wanted."""


@contextlib.contextmanager
def reaching(what: str) -> Iterator[None]:
    """A block whose errors of the bus mean that it is away or starting: they may be gone at the next try."""
    try:
        yield
    except (NoStreamResponseError, ServiceUnavailableError) as error:
        raise BusUnavailable(f"{what}: JetStream does not answer; it is starting, or off (nats-server -js)") from error
    except (nats.errors.Error, OSError) as error:
        raise BusUnavailable(f"{what}: {str(error) or type(error).__name__}") from error
