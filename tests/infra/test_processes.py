"""Children end with their parent, however it ends. Real processes."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from infra import processes

Until = Callable[..., Awaitable[Any]]

PARENT = """
import asyncio, os, pathlib, sys
from infra import processes

async def main():
    child = await processes.spawn([sys.executable, "-c", CHILD], log=pathlib.Path(sys.argv[1]))
    print(child.pid, flush=True)
    await asyncio.Event().wait()

CHILD = '''
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print("up", flush=True)
signal.pause()
'''
asyncio.run(main())
"""
SAYS_AND_WAITS = "import sys, time; print('out', flush=True); print('err', file=sys.stderr, flush=True); {}"
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's parent-death signal")


@linux
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_a_child_that_ignores_every_signal_dies_with_its_parent(
    tmp_path: Path, environment: dict[str, str], until: Until, end: signal.Signals
) -> None:
    log = tmp_path / "child.log"
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(log)), env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(60):
        child = int(await parent.stdout.readline())
        await until(lambda: log.exists() and log.read_text() == "up\n")
        assert processes.alive(child)

        parent.send_signal(end)
        await parent.wait()
        await until(lambda: not processes.alive(child))


@linux
async def test_a_child_notices_that_its_parent_is_gone_also_without_the_kernels_help(
    tmp_path: Path, environment: dict[str, str], until: Until
) -> None:
    watches = (
        "import asyncio, sys; from infra.processes import end_with_parent; "
        "asyncio.run(end_with_parent(int(sys.argv[1]), 0.05))"
    )
    parent_program = (
        "import os, subprocess, sys; "
        f"child = subprocess.Popen([sys.executable, '-c', {watches!r}, str(os.getpid())]); "
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", parent_program),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    async with asyncio.timeout(60):
        child = int(await parent.stdout.readline())
        assert processes.alive(child)
        parent.kill()
        await parent.wait()
        await until(lambda: not processes.alive(child))


async def test_what_a_child_says_goes_to_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "child.log"
    for _ in range(2):
        child = await processes.spawn([sys.executable, "-c", SAYS_AND_WAITS.format("")], log=log)
        assert await child.wait() == 0

    assert log.read_text() == "out\nerr\n" * 2


async def test_a_child_sees_the_environment_that_it_is_given(tmp_path: Path) -> None:
    program = "import os; print(os.environ.get('GIVEN'), os.environ.get('HOME'))"
    log = tmp_path / "log"

    child = await processes.spawn([sys.executable, "-c", program], log=log, environment={"GIVEN": "this"})
    await child.wait()

    assert log.read_text() == "this None\n"


async def test_ctrl_c_in_the_terminal_does_not_reach_a_child(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = await processes.spawn([sys.executable, "-c", "import os; print(os.getpgrp() == os.getpid())"], log=log)
    await child.wait()

    assert log.read_text() == "True\n"
    assert os.getpgrp() != child.pid


async def test_stopping_asks_first(tmp_path: Path, until: Until) -> None:
    log = tmp_path / "log"
    polite = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); "
        "print('up', flush=True); signal.pause()"
    )
    child = await processes.spawn([sys.executable, "-c", polite], log=log)
    await until(lambda: log.read_text() == "up\n")

    assert await processes.stop(child, grace_s=60) == 7
    assert await processes.stop(child, grace_s=60) == 7, "again is no error"


async def test_stopping_kills_what_does_not_listen(tmp_path: Path, until: Until) -> None:
    log = tmp_path / "log"
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    child = await processes.spawn([sys.executable, "-c", deaf], log=log)
    await until(lambda: log.read_text() == "up\n")

    assert await processes.stop(child, grace_s=0.1) == -signal.SIGKILL
    assert not processes.alive(child.pid)


def test_a_number_that_no_process_has_is_not_alive() -> None:
    assert not processes.alive(2**22 + 1)
    assert processes.alive(1), "a process of somebody else is"
