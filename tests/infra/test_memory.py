"""What was freed goes back to the system."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from infra import memory

FILLED = """
import ctypes, sys
from pathlib import Path
from infra import memory

def own_kib():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon"))

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
held = [libc.malloc(50_000) for _ in range(1_000)]
for place in held:
    ctypes.memset(place, 1, 50_000)
for place in held[:-1]:  # the last one stands at the heap's end, so that nothing goes back by itself
    libc.free(place)
before = own_kib()
memory.give_back()
print(before - own_kib())
"""


def test_what_lies_free_within_the_heap_goes_back_to_the_system() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FILLED],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        timeout=60,
    )

    assert int(ran.stdout) > 30_000


async def test_it_is_given_back_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, thrice = asyncio.get_running_loop(), asyncio.Event()
    times: list[None] = []

    def counted() -> None:
        times.append(None)
        if len(times) == 3:
            loop.call_soon_threadsafe(thrice.set)

    monkeypatch.setattr(memory, "give_back", counted)
    giving = asyncio.create_task(memory.give_back_for_ever(every_s=0.001))

    async with asyncio.timeout(10):
        await thrice.wait()

    giving.cancel()
