"""vLLM servers that run beside Parley, one a port: started, waited for, found again, stopped.

What is known of each lies in a folder of the data folder, named for its port: `server.json` (which process, since when,
where it listens, which model), `key`, readable by its owner only, `vllm.log`, and `group`, the number of vLLM's process
group. The key stays when the server has ended, so that whoever names the file in a configuration need not change it.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.clock import SystemClock
from infra.engines.compatible import CompatibleEngine
from infra.engines.dialects import VLLM
from infra.engines.http import Endpoint
from infra.engines.llama_cpp import HOST
from infra.engines.vllm import guardian, reasons
from infra.engines.vllm.installed import ROOT
from infra.engines.vllm.server import VllmServer
from infra.ports import why_taken
from infra.private_files import OWNER_ONLY, write_private
from infra.processes import alive, die_with_parent
from schemas.errors import InvalidField

READY_WITHIN_S: Final = 1_800.0  # a big model is fetched first; then the start has failed
STOPPED_WITHIN_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.25
GROUP_FILE: Final = "group"

Tell = Callable[[str], None]  # how far it is; each replaces the one before


class VllmNotStarted(Exception):
    """vLLM does not serve; one line that says why and what to do."""


class Running(BaseModel):
    """A server that was started."""

    model_config = ConfigDict(frozen=True)

    pid: int  # of its guardian, which ends all of it when told to
    since: int  # when that process started, in clock ticks since boot: a number may be given away again
    base_url: str
    model: str  # as clients must ask for it
    key_file: Path
    log: Path
    pooling: bool = False  # it embeds or ranks, and generates nothing

    @property
    def key(self) -> str:
        return self.key_file.read_text()

    @property
    def is_alive(self) -> bool:
        return alive(self.pid) and started_at(self.pid) == self.since


def folder_of(data_dir: Path) -> Path:
    """Where all this lies: the servers' folders."""
    return data_dir.resolve() / "vllm"


def place_of(data_dir: Path, port: int) -> Path:
    """The folder of the server at a port."""
    return folder_of(data_dir) / str(port)


def places(data_dir: Path) -> list[Path]:
    """The folders of all servers that were ever started from this data folder, by port."""
    return sorted(folder_of(data_dir).glob("[0-9]*"), key=lambda place: (len(place.name), place.name))


def generating(data_dir: Path, port: int) -> Running | None:
    """The server that runs beside this data folder and generates text: the one at this port, else any."""
    there = [running for place in places(data_dir) if (running := find(place)) is not None and not running.pooling]
    return min(there, key=lambda running: running.base_url != f"http://{HOST}:{port}", default=None)


def command_of(server: VllmServer, group_file: Path, log: Path, parent: int | None) -> list[str]:
    """The command line of the guardian with the server's behind it; to be run in the checkout, with the server's
    variables, its output going to the end of `log`."""
    line = [sys.executable, "-P", "-m", guardian.__name__, "--log", str(log), "--group-file", str(group_file)]
    line += ["--with-parent", str(parent)] if parent is not None else []
    return [*line, "--", *server.command()]


def guardian_variables(variables: dict[str, str]) -> dict[str, str]:
    """The server's variables, with which the guardian finds its own code too, from wherever it is started."""
    return {**variables, "PYTHONPATH": str(ROOT)}


def find(place: Path) -> Running | None:
    """The server that was started in this folder and still runs."""
    try:
        running = Running.model_validate_json((place / "server.json").read_bytes())
    except (OSError, ValidationError):
        return None
    return running if running.is_alive else None


def start(server: VllmServer, place: Path, *, with_this_process: bool = False) -> Running:
    """Start it; returns at once. Raises VllmNotStarted, InvalidField, OSError."""
    server.checked()
    with _alone(place):
        if (running := find(place)) is not None:
            raise VllmNotStarted(
                f"vLLM already runs: {running.model} at {running.base_url} (process {running.pid}); "
                f"scripts/stop_vllm --port {server.port} stops it, --port of another number starts one more"
            )
        port_is_free(server.port)
        guardian.end_leftovers(place / GROUP_FILE)
        key_file, log = place / "key", place / "vllm.log"
        key = key_in(key_file)
        write_private(log, "")
        with log.open("ab") as output:
            process = subprocess.Popen(
                command_of(server, place / GROUP_FILE, log, os.getpid() if with_this_process else None),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=guardian_variables(server.variables(key)),
                start_new_session=not with_this_process,
                preexec_fn=die_with_parent(signal.SIGTERM) if with_this_process else None,
            )
        running = Running(
            pid=process.pid,
            since=started_at(process.pid) or 0,
            base_url=server.base_url,
            model=server.model_name,
            key_file=key_file,
            log=log,
            pooling=server.pooling,
        )
        write_private(place / "server.json", running.model_dump_json())
        return running


async def until_healthy(running: Running, tell: Tell, within_s: float = READY_WITHIN_S) -> None:
    """Wait until it can be asked. Raises VllmNotStarted, with the reason that its log gives."""
    began = time.monotonic()
    engine = CompatibleEngine(Endpoint(running.base_url, running.model, running.key), VLLM, SystemClock())
    try:
        while not (await engine.health()).ok:
            took_s = time.monotonic() - began
            if has_ended(running.pid):
                raise VllmNotStarted(f"{last_line(running.log)} (see {running.log})")
            if took_s > within_s:
                raise VllmNotStarted(f"vLLM is not ready after {within_s:.0f} s; see {running.log}")
            tell(f"{reasons.how_far(reasons.text_of(running.log))} ({took_s:.0f} s)")
            await asyncio.sleep(_LOOK_EVERY_S)
    finally:
        await engine.aclose()


def stop(place: Path) -> Running | None:
    """Stop the server of this folder with all its processes; None when none ran. Leftovers of a killed one end too."""
    running = find(place)
    if running is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGTERM)
        until = time.monotonic() + STOPPED_WITHIN_S
        while running.is_alive and not has_ended(running.pid) and time.monotonic() < until:
            time.sleep(0.05)
        if running.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.pid, signal.SIGKILL)
    guardian.end_leftovers(place / GROUP_FILE)
    (place / "server.json").unlink(missing_ok=True)
    return running


def port_is_free(port: int) -> None:
    """Raises InvalidField when somebody listens there."""
    if (reason := why_taken(HOST, port)) is not None:
        raise InvalidField("vllm.port", port, f"a port that is free on {HOST} ({reason}); choose another")


def started_at(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def has_ended(pid: int) -> bool:
    """Whether a process has ended; one of this process's own is reaped."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # where it is this process's child, and nobody else waits for it
    return not alive(pid)


def last_line(log: Path) -> str:
    """What it said last: where it has ended, why."""
    lines = reasons.text_of(log).strip().splitlines()
    return lines[-1] if lines else "vLLM ended and said nothing"


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Nobody else starts one from this folder at the same time."""
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def key_in(file: Path) -> str:
    """The key that lies there; a new one where none does, or others could read it."""
    try:
        if not file.stat().st_mode & ~OWNER_ONLY & 0o777 and (key := file.read_text().strip()):
            return key
    except OSError:
        pass
    key = secrets.token_urlsafe(24)
    write_private(file, key)
    return key
