"""A turnstile before the write lock of a file: whoever waits in it is the next to have the lock.

Without it a process that has a lot to write takes the lock again within microseconds of giving it back, and one that
only looks from time to time whether it is free hardly ever finds it so. A courtesy, no lock: nothing but fairness rests
on it, and one whose holder has been stopped is passed after COURTESY_S. The kernel frees it when its holder dies.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

COURTESY_S: Final = 0.25  # many times as long as an honest transaction
LOOK_EVERY_S: Final = 0.001  # so long the lock may lie idle before the next one takes it


class Turnstile:
    """One process's way in; one task of it at a time. `close` ends it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        self._stuck = False  # somebody does not get out of it: waited for once, not by each transaction

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Stand in the turnstile for the length of the block, or, if somebody does not get out of it, beside it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (0.0 if self._stuck else COURTESY_S)
        while not (inside := self._entered()) and loop.time() < until:  # noqa: ASYNC110  # no event passes processes
            await asyncio.sleep(LOOK_EVERY_S)
        self._stuck = not inside
        try:
            yield
        finally:
            if inside:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _entered(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


class OpenWay:
    """In place of a turnstile where nobody else can come: a database in memory."""

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Nobody has to be let through."""
        yield
