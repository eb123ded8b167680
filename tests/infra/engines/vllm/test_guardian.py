"""vLLM's processes end together, whoever of them, of their guardian or of its parent is ended first."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.engines.vllm import guardian
from infra.engines.vllm.guardian import WILL_NOT_DO, members
from infra.engines.vllm.installed import ROOT

WITHIN_S = 10.0
# A server with an engine core that nobody ends but the guardian: both ignore what can be ignored.
FAMILY = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN) if 'stubborn' in sys.argv else None\n"
    "core = 'import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600) # vllm'\n"
    "subprocess.Popen([sys.executable, '-c', core], stdout=subprocess.PIPE).stdout.readline()\n"
    "print('family is up', flush=True)\n"
    "time.sleep(600)\n"
)


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


class Guarded:
    """A guardian with a command, as its starter sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.group_file = folder / "group"
        self.group = 0
        self.log.touch()

    def line(self, *command: str, parent: str | None = None) -> list[str]:
        line = [sys.executable, "-m", guardian.__name__, "--log", str(self.log), "--group-file", str(self.group_file)]
        return [*line, *(["--with-parent", parent] if parent else []), "--", *command]

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self.line(*command), stdout=output, stderr=output, cwd=ROOT)
        return self.process

    def family(self, *arguments: str) -> "subprocess.Popen[bytes]":
        process = self.start(sys.executable, "-c", FAMILY, *arguments)
        self.is_up()
        return process

    def is_up(self) -> None:
        wait_for(lambda: "family is up" in self.log.read_text())
        self.group = int(self.group_file.read_text())
        assert len(members(self.group)) == 2


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    made = Guarded(tmp_path)
    yield made
    if made.group:
        guardian.end_group(made.group)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_ends_all(guarded: Guarded, sign: signal.Signals) -> None:
    process = guarded.family()

    process.send_signal(sign)

    assert process.wait(WITHIN_S) == 0
    assert members(guarded.group) == []
    assert not guarded.group_file.exists()


def test_a_server_that_does_not_listen_is_ended_all_the_same(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    process = guarded.family("stubborn")

    process.terminate()

    assert process.wait(guardian.GRACE_S + WITHIN_S) == 0
    assert members(guarded.group) == []


def test_a_killed_server_takes_its_core_along(guarded: Guarded) -> None:
    process = guarded.family()

    os.kill(guarded.group, signal.SIGKILL)

    assert process.wait(WITHIN_S) == 1
    assert members(guarded.group) == []
    assert guarded.log.read_text().splitlines()[-1].startswith("vLLM was killed: most likely the machine")


def test_what_a_killed_guardian_leaves_the_next_one_ends(guarded: Guarded) -> None:
    process = guarded.family()
    left = guarded.group

    process.kill()
    process.wait(WITHIN_S)
    wait_for(lambda: len(members(left)) == 1)  # the kernel has ended the server, nobody its core

    assert guarded.start(sys.executable, "-c", "").wait(WITHIN_S) == 1
    assert members(left) == []


def test_it_ends_with_its_parent_however_that_ends(guarded: Guarded) -> None:
    starter = (
        "import os, subprocess, sys\n"
        "line = sys.argv[1:]\n"
        "line[line.index('PARENT')] = str(os.getpid())\n"
        f"subprocess.Popen(line, stdout=open({str(guarded.log)!r}, 'ab')).wait()\n"
    )
    line = guarded.line(sys.executable, "-c", FAMILY, parent="PARENT")
    parent = subprocess.Popen([sys.executable, "-c", starter, *line], cwd=ROOT)
    guarded.is_up()

    parent.kill()
    parent.wait(WITHIN_S)
    killed_at = time.monotonic()

    wait_for(lambda: not members(guarded.group))
    assert time.monotonic() - killed_at < 3


def test_the_exit_status_tells_whether_to_try_again(guarded: Guarded) -> None:
    lasting = guarded.start(sys.executable, "-c", "import sys; sys.exit('OSError: [Errno 98] Address already in use')")
    assert lasting.wait(WITHIN_S) == WILL_NOT_DO
    assert guarded.log.read_text().splitlines()[-1].startswith("vLLM did not start: the port is taken")

    passing = guarded.start(sys.executable, "-c", "import sys; sys.exit('KeyError: weird')")
    assert passing.wait(WITHIN_S) == 1
    assert guarded.log.read_text().splitlines()[-1] == "vLLM did not start (exit status 1): KeyError: weird"


def test_an_interpreter_that_is_not_there_is_told(guarded: Guarded) -> None:
    assert guarded.start(str(guarded.folder / "absent")).wait(WITHIN_S) == WILL_NOT_DO
    assert guarded.log.read_text().splitlines()[-1].endswith("No such file or directory; run scripts/setup_vllm")


def test_an_old_file_that_names_somebody_else_ends_nobody(guarded: Guarded) -> None:
    other = subprocess.Popen(["sleep", "600"], process_group=0)
    guarded.group_file.write_text(str(other.pid))

    guardian.end_leftovers(guarded.group_file)

    assert other.poll() is None
    assert not guarded.group_file.exists()
    other.kill()
    other.wait()
