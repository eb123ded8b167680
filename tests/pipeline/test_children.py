"""Children of a supervisor: what they say does not fill the disk, and why they end is told."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra import process_logs
from pipeline.children import Child, Children

if TYPE_CHECKING:
    Until = Callable[..., Awaitable[Any]]


async def test_logs_of_children_that_say_much_are_cut_again_and_again(tmp_path: Path) -> None:
    log = tmp_path / "chatty.log"
    children = Children(tell=lambda _: None)
    program = "import time\nwhile True:\n    print('x' * 999)\n    time.sleep(0.001)"
    chatty = Child("chatty", [sys.executable, "-uc", program], log)
    await chatty.start()
    children.watch(chatty)
    children.beside(children.keep_logs_short(every_s=0.01, max_bytes=10_000))
    try:
        cuts: set[int] = set()
        async with asyncio.timeout(20):
            while len(cuts) < 3:
                await asyncio.sleep(0.01)
                if process_logs.before(log).exists():
                    cuts.add(process_logs.before(log).stat().st_ino)
    finally:
        await children.stop(last=())

    assert chatty.starts == 1, "it was not disturbed"


async def ended_thrice(
    tmp_path: Path, status: int, until: "Until"
) -> tuple[list[str], list[tuple[str, str, bool]], int]:
    """A child that ends with this status each time: what is told, what is noted, how often it was prepared."""
    told: list[str] = []
    noted: list[tuple[str, str, bool]] = []
    prepared: list[bool] = []
    children = Children(told.append, lambda *note: noted.append(note))
    children.up = True
    program = f"import sys; print('router: /data/state: the file is damaged'); sys.exit({status})"
    child = Child("router", [sys.executable, "-c", program], tmp_path / "router.log")
    child.prepare = lambda: prepared.append(True)
    await child.start()
    children.watch(child)
    try:
        await until(lambda: len(told) >= 3)
    finally:
        await children.stop(last=())
    return told[:3], noted[:3], len(prepared)


async def test_why_one_would_end_again_is_told_once_and_noted_each_time(tmp_path: Path, until: "Until") -> None:
    told, noted, prepared = await ended_thrice(tmp_path, os.EX_DATAERR, until)

    ended, log = f"restart    router ended with status {os.EX_DATAERR}", tmp_path / "router.log"
    again = f"{ended}; see {log}"
    assert told == [f"{ended} (router: /data/state: the file is damaged); see {log}", again, again]
    assert noted == [("router", "/data/state: the file is damaged", True)] * 3
    assert prepared >= 3, "before each start"


async def test_one_end_is_no_trouble_the_next_one_is(tmp_path: Path, until: "Until") -> None:
    _, noted, _ = await ended_thrice(tmp_path, 1, until)

    name, words, damaged_state = noted[0]
    assert (name, damaged_state, len(noted)) == ("router", False, 2)
    assert words.startswith("router has ended 2 times of late, it ended with status 1: router: /data/state: the file")
