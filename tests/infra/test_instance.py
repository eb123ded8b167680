"""Which Parley runs on a data folder: never two, and none that has ended."""

import multiprocessing
import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra import instance
from infra.instance import AlreadyRunning, Instance
from schemas.errors import InvalidField

HOLDS = """
import pathlib, sys
from infra import instance
with instance.locked(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def me() -> Instance:
    return Instance(pid=os.getpid(), started_at=datetime.now(UTC), bus_url="nats://127.0.0.1:1", bus_token="secret")


def test_the_one_that_runs_is_found_until_it_has_ended(tmp_path: Path, me: Instance) -> None:
    assert instance.find(tmp_path) is None

    instance.write(tmp_path, me)
    assert instance.find(tmp_path) == me

    instance.remove(tmp_path)
    instance.remove(tmp_path)
    assert instance.find(tmp_path) is None


def test_a_file_that_is_none_is_taken_for_no_parley(tmp_path: Path, me: Instance) -> None:
    instance.write(tmp_path, me)
    (tmp_path / "run" / "parley.json").write_bytes(bytes(range(128, 256)))

    assert instance.find(tmp_path) is None


def test_what_holds_the_buss_token_is_its_owners(tmp_path: Path, me: Instance) -> None:
    for _ in range(2):
        instance.write(tmp_path, me)

        [path] = (tmp_path / "run").iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_that_was_killed_is_not_found(tmp_path: Path, me: Instance) -> None:
    ended = multiprocessing.Process(target=int)
    ended.start()
    ended.join()

    instance.write(tmp_path, me.model_copy(update={"pid": ended.pid}))

    assert instance.find(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_what_was_half_written_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "parley.json").write_text(content)

    assert instance.find(tmp_path) is None


def test_a_second_one_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    with (
        instance.locked(tmp_path),
        pytest.raises(AlreadyRunning, match=rf"process {os.getpid()}\); stop it, or set PARLEY_DATA_DIR"),
        instance.locked(tmp_path),
    ):
        pytest.fail("two hold it")


def test_the_folder_is_free_once_the_first_has_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with instance.locked(tmp_path):
            pass


def test_the_folder_is_free_once_the_first_was_killed(tmp_path: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as holder:  # type: ignore[call-overload]  # of pipes
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(AlreadyRunning, match=f"process {holder.pid}"), instance.locked(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()

        with instance.locked(tmp_path):
            pass


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_data_folder_that_cannot_be_one_is_told(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")

    with (
        pytest.raises(InvalidField, match=r"data_dir: .* is not allowed; expected a folder that can be written"),
        instance.locked(file / below),
    ):
        pytest.fail("locked")
