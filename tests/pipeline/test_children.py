"""Children of a supervisor: what they say does not fill the disk."""

import asyncio
import sys
from pathlib import Path

from infra import process_logs
from pipeline.children import Child, Children


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
