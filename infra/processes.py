"""Starts child processes that cannot outlive their parent. Knows nothing of what they do."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


async def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    parent_death_signal: signal.Signals = signal.SIGKILL,
) -> Process:
    """Start a child whose output goes to the end of `log`, in a process group of its own.

    On Linux the kernel sends it `parent_death_signal` when this process dies, however that happens. Elsewhere the
    child must watch for itself (`end_with_parent`). Ctrl-C in the terminal does not reach it: its parent stops it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment) if environment is not None else None,
            preexec_fn=die_with_parent(parent_death_signal),
        )


def die_with_parent(death_signal: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """What a child is to do before it runs its program, so that the kernel ends it when this process ends."""
    return _die_with(os.getpid(), death_signal)


def _die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    def on_its_own() -> None:
        os.setpgrp()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # what this process has blocked, the child must still obey

    if not sys.platform.startswith("linux"):
        return on_its_own
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork: after it only this call is made

    def in_child() -> None:
        on_its_own()
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died between the fork and the call
            os._exit(1)

    return in_child


async def end_with_parent(parent: int, poll_s: float = 1.0) -> None:
    """Return when the process `parent`, which started this one, is gone. For systems without a parent-death signal.

    Its number is handed down because it may have ended before this process looks for the first time.
    """
    while os.getppid() == parent:  # noqa: ASYNC110  # nothing wakes us when a parent dies
        await asyncio.sleep(poll_s)


async def stop(process: Process, *, grace_s: float) -> int:
    """Ask a process to end (SIGTERM), kill it when it has not after `grace_s`. Returns its exit status."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            return await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    return await process.wait()


def alive(pid: int) -> bool:
    """Whether a process with this number exists (and has not ended unreaped)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    if not status.exists():
        return not sys.platform.startswith("linux")
    return status.read_text().rpartition(")")[2].split()[0] != "Z"
