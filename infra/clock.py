"""The clock, and new ids, which need one. Passed to whoever needs "now", so that tests can turn the hands."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from uuid_utils import uuid7


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, with time zone UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SetClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class AgeingClock:
    """What counts when something is to be thrown away for its age: a clock that was set forward made nothing older.

    Never ahead of `clock`, and since its own beginning advanced no further than time has passed (`elapsed_s`, a
    monotonic reading in seconds).
    """

    def __init__(self, clock: Clock, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._elapsed_s = elapsed_s
        self._began, self._began_s = clock.now(), elapsed_s()

    def now(self) -> datetime:
        passed = timedelta(seconds=self._elapsed_s() - self._began_s)
        return min(self._clock.now(), self._began + passed)


def ms_between(since: datetime, until: datetime) -> float:
    """Milliseconds between two moments; 0 where the clocks of two machines disagree."""
    return max((until - since).total_seconds() * 1e3, 0.0)


def made_ms(uuid7: str) -> int:
    """When a UUIDv7 (RFC 9562) was made, in ms since 1970: its first 48 bits."""
    return UUID(uuid7).int >> 80


def made_at(uuid7: str) -> datetime:
    """When a UUIDv7 was made."""
    return datetime.fromtimestamp(made_ms(uuid7) / 1e3, UTC)


def new_id() -> str:
    """A new UUIDv7 (RFC 9562) in canonical form."""
    return str(uuid7())
