"""What a process may do about its own memory. All of it does nothing where the C library is not glibc."""

import asyncio
import ctypes
from contextlib import suppress
from typing import Final

GIVE_BACK_EVERY_S: Final = 30.0  # it takes a millisecond or two
ARENAS: Final = 2  # glibc's own limit is eight a core, each of which keeps what was freed in it

_M_ARENA_MAX: Final = -8  # of malloc.h


def few_arenas() -> None:
    """Let the C library keep memory for ARENAS threads apart, not for all. Before the threads begin."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Let the C library return to the system what has been freed."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


async def give_back_for_ever(every_s: float = GIVE_BACK_EVERY_S) -> None:
    """Give back now and then, until cancelled: glibc by itself returns only what lies at the end of its heap."""
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(give_back)
