"""The processes that one supervisor looks after: started again when they end, stopped together."""

import asyncio
import logging
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra import process_logs, processes
from pipeline.process import SUPERVISED

GRACE_S: Final = 8.0  # for a worker to finish what it has in hand
RESTART_FIRST_S: Final = 0.2
RESTART_LONGEST_S: Final = 5.0
STABLE_AFTER_S: Final = 20.0  # a child that ran as long gets the short delay again
LINE_CHARS: Final = 600  # of what a child said last
SHORTEN_EVERY_S: Final = 10.0  # a child that writes megabytes a second is worse off than its log
NO_BETTER_AGAIN: Final = (os.EX_CONFIG, os.EX_DATAERR)  # a status that says: it would end for the same reason
NEEDED: Final = ("bus", "engine")  # without which nobody else can start

log = logging.getLogger("parley.up")
Tell = Callable[[str], None]


Note = Callable[[str, str, bool], None]  # a child's name, what is wrong with it, whether the state is damaged


class StartFailed(Exception):
    """Something that is needed did not start; the message says what, why, and where to read more."""


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    command: Sequence[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: Process | None = None
    starts: int = 0
    failures: int = 0
    inherits: bool = True  # this process's environment too
    parent_death_signal: signal.Signals = signal.SIGKILL  # SIGTERM for one that has processes of its own to end
    gave_up: bool = False  # it said that it would fail again
    told: str = ""  # why, when that was told last
    prepare: Callable[[], None] | None = None  # what it needs on the disk, made before each start

    async def start(self) -> None:
        """Start it (again)."""
        self.starts += 1
        if self.prepare is not None:
            await asyncio.to_thread(self.prepare)
        inherited = os.environ if self.inherits else {}
        environment = {**inherited, **self.environment, SUPERVISED: str(os.getpid())}
        self.process = await processes.spawn(
            self.command, log=self.log, environment=environment, parent_death_signal=self.parent_death_signal
        )


class Children:
    """All of them. `up` once all were ready. `note` is told of each that does not stay up."""

    def __init__(self, tell: Tell, note: Note = lambda _name, _words, _damaged: None) -> None:
        self.all: list[Child] = []
        self.up = False
        self._tell = tell
        self._note = note
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False

    def watch(self, child: Child) -> None:
        """Start this one again whenever it ends."""
        self.all.append(child)
        self.beside(self._restart_for_ever(child))

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this as long as there are children."""
        self._watchers.append(asyncio.create_task(work))

    async def keep_logs_short(
        self, every_s: float = SHORTEN_EVERY_S, max_bytes: int = process_logs.LOG_MAX_BYTES
    ) -> None:
        """Cut what they have said when it is too much, again and again: for `beside`."""
        while True:
            await asyncio.sleep(every_s)
            for child in self.all:
                try:
                    await asyncio.to_thread(process_logs.shorten, child.log, max_bytes)
                except OSError as error:  # it stays as it was: the next time, perhaps
                    log.warning("%s was not shortened: %s", child.log, error)

    def owns(self, pid: int) -> bool:
        """Whether this process is one of them."""
        return any(child.process is not None and child.process.pid == pid for child in self.all)

    def refuse_hopeless(self, waited_for: set[str]) -> None:
        """Raises StartFailed when one that is waited for, or that all need, has failed twice or says that it will."""
        for child in self.all:
            if (child.failures >= 2 or child.gave_up) and (child.name in waited_for or child.name in NEEDED):
                raise StartFailed(f"{child.name} does not start: {_last_line(child.log)} (see {child.log})")

    async def _restart_for_ever(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        while child.process is not None:
            began = loop.time()
            status = await child.process.wait()
            if self._stopping:
                return
            # Before all are up a late failure is a slow machine's, and no sign that the child has ever worked.
            child.gave_up = status in NO_BETTER_AGAIN
            stable = self.up and loop.time() - began >= STABLE_AFTER_S
            child.failures = 1 if stable else child.failures + 1
            wait_s = min(RESTART_FIRST_S * 2 ** (child.failures - 1), RESTART_LONGEST_S)
            if not child.gave_up or self.up:
                self._tell(f"restart    {child.name} {_how(status)}{_why(child)}; see {child.log}")
            if child.gave_up or child.failures >= 2:
                self._note_ended(child, status)
            await asyncio.sleep(wait_s)
            while not self._stopping:
                try:
                    await child.start()
                    break
                except OSError as error:  # no process, no memory, no log file: it may pass
                    self._tell(f"restart    {child.name} cannot be started: {error}; tried again")
                    await asyncio.sleep(RESTART_LONGEST_S)

    def _note_ended(self, child: Child, status: int) -> None:
        said = _last_line(child.log)
        if status == os.EX_DATAERR:
            self._note(child.name, said.removeprefix(f"{child.name}: "), True)
        else:
            why = f": {said}" if status > 0 else ""  # who was killed has said nothing of it
            words = f"{child.name} has ended {child.failures} times of late, it {_how(status)}{why} (see {child.log})"
            self._note(child.name, words, False)

    async def stop(self, last: Sequence[str]) -> None:
        """All but `last` first, so that what they have in hand still gets out; then those, one after the other."""
        self._stopping = True
        await asyncio.gather(*(_stopped(child) for child in self.all if child.name not in last))
        for name in last:
            await asyncio.gather(*(_stopped(child) for child in self.all if child.name == name))
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)


async def _stopped(child: Child) -> None:
    if child.process is not None:
        await processes.stop(child.process, grace_s=GRACE_S)


def _how(status: int) -> str:
    """How a process ended, for a person."""
    return f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


def _why(child: Child) -> str:
    """The reason of one that would end again, once: nobody should have to look it up, nor read it all the time."""
    before, child.told = child.told, _last_line(child.log) if child.gave_up else ""
    return f" ({child.told})" if child.told not in ("", before) else ""


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1][-LINE_CHARS:] if lines else "it said nothing"
