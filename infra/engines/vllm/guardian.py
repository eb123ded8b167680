"""Stands between whoever started vLLM and vLLM's processes, so that all of them end when one of the two does.

`python -m infra.engines.vllm.guardian --log FILE --group-file FILE [--with-parent PID] -- COMMAND...` starts the
command in a process group of its own and waits. vLLM's engine core and workers outlive a server that is killed (seen:
for ever, with all of the model's memory); the group is killed as a whole when the server ends, when this process is
told to end (SIGTERM, SIGINT), and, with --with-parent, when that process is gone. What a killed guardian may have left
is named in the group file, and the next one ends it. Its last line says why vLLM ended. It loads no library.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from infra.engines.vllm import reasons
from infra.processes import alive, die_with_parent

GRACE_S: Final = 5.0  # for vLLM to answer what it has in hand, and to free the GPU
WILL_NOT_DO: Final = 78  # EX_CONFIG of sysexits.h: started again, it would end for the same reason
_LOOK_EVERY_S: Final = 0.2
_MARK: Final = ("vllm", "multiprocessing")  # in the command line of each of vLLM's processes


class _Ended(Exception):
    """This process was told to end."""


def end_group(group: int) -> None:
    """End all processes of a group for good. Does nothing when there is none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def members(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(int(folder.name))
    return found


def end_leftovers(group_file: Path) -> None:
    """End what a guardian that was killed has left of its group, and forget it."""
    with contextlib.suppress(OSError, ValueError):
        group = int(group_file.read_text())
        # A group's number is not given away while it has members, but an old file may name one that has ended since.
        if any(mark in _command_line(pid) for pid in members(group) for mark in _MARK):
            end_group(group)
    group_file.unlink(missing_ok=True)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").lower()
    except OSError:
        return ""


def guard(command: list[str], log: Path, group_file: Path, parent: int | None) -> int:
    """Run the command until it ends, or must. Returns the exit status for whoever waits for this process."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, _raise)
    end_leftovers(group_file)
    print(reasons.BEGINS, flush=True)
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent())
    except OSError as error:
        print(f"vLLM cannot be started: {error.filename}: {error.strerror}; run scripts/setup_vllm", flush=True)
        return WILL_NOT_DO
    try:
        group_file.write_text(str(process.pid))
        status = _waited_for(process, parent)
    except _Ended:
        if parent is None or os.getppid() == parent:  # else nobody is there who would wait for a polite end
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        return 0
    finally:
        end_group(process.pid)
        process.wait()
        group_file.unlink(missing_ok=True)
    if status is None:
        return 1
    reason = reasons.why_it_ended(reasons.text_of(log), status)
    print(reason.line, flush=True)
    return WILL_NOT_DO if reason.lasting else 1


def _waited_for(process: "subprocess.Popen[bytes]", parent: int | None) -> int | None:
    """How the process ended; None when the parent was gone before."""
    while True:
        try:
            return process.wait(_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            if parent is not None and not (os.getppid() == parent and alive(parent)):
                return None


def _raise(*_: object) -> None:
    raise _Ended


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.engines.vllm.guardian", description=__doc__.split("\n")[0])
    parser.add_argument("--log", type=Path, required=True, help="where this process's output goes; read for the reason")
    parser.add_argument("--group-file", type=Path, required=True, help="holds the number of vLLM's process group")
    parser.add_argument("--with-parent", type=int, help="end when this process, which started it, is gone")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    return guard(command, given.log, given.group_file, given.with_parent)


if __name__ == "__main__":
    sys.exit(main())
