"""Logs of processes stay small, lose nothing that they have just been cut of, and are written on."""

import asyncio
import fcntl
import shutil
import stat
import sys
from pathlib import Path

import pytest

from infra import process_logs, processes
from infra.bus.server import WriteErrors

SAYS_TWO_THINGS = """
import os, sys, time
print("one")
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
print("two")
"""


def test_one_that_is_small_or_not_there_stays_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "keeper.log"

    missing = process_logs.shorten(log, 3)
    log.write_text("one")

    assert not missing
    assert not process_logs.shorten(log, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["keeper.log"]


def test_one_that_is_full_goes_aside_whole_in_place_of_what_went_before(tmp_path: Path) -> None:
    log = tmp_path / "keeper.log"
    for text in ("first\n", "second\n"):
        with log.open("a") as file:
            file.write(text)
        log.chmod(0o600)

        assert process_logs.shorten(log, 5)

    assert log.read_text() == ""
    assert process_logs.before(log).read_text() == "second\n"
    assert stat.S_IMODE(process_logs.before(log).stat().st_mode) == 0o600
    assert len(list(tmp_path.iterdir())) == 2, "nothing half done is left"


def test_of_one_that_has_grown_too_fast_the_newest_part_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "keeper.log"
    log.write_bytes(bytes(range(100)))

    assert process_logs.shorten(log, 10)
    assert process_logs.before(log).read_bytes() == bytes(range(80, 100))


def test_without_room_for_a_copy_it_is_cut_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "keeper.log"
    log.write_text("much too much")

    assert process_logs.shorten(log, 3, room_bytes=1 << 60)
    assert log.read_text() == ""
    assert not process_logs.before(log).exists(), "the disk was not filled with old lines"


def test_what_cannot_be_moved_stays_where_it_is(tmp_path: Path) -> None:
    log = tmp_path / "keeper.log"
    log.write_text("much too much")
    (process_logs.before(log) / "in the way").mkdir(parents=True)

    with pytest.raises(OSError, match="keeper"):
        process_logs.shorten(log, 3)
    assert log.read_text() == "much too much"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keeper.log", "keeper.log.1"]


def test_somebody_else_who_cuts_it_at_the_same_time_is_left_to_it(tmp_path: Path) -> None:
    log = tmp_path / "keeper.log"
    log.write_text("much too much")

    with log.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not process_logs.shorten(log, 3)
    assert log.read_text() == "much too much"


def test_one_that_somebody_empties_meanwhile_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "keeper.log"
    log.write_text("much too much")
    monkeypatch.setattr(shutil, "copymode", lambda *_: log.write_text(""))  # as it is about to be copied

    assert process_logs.shorten(log, 3)
    assert process_logs.before(log).read_bytes() == b""


async def test_a_process_goes_on_at_the_beginning_of_a_log_that_was_cut(tmp_path: Path) -> None:
    log = tmp_path / "chatty.log"
    cut = tmp_path / "cut"
    child = await processes.spawn([sys.executable, "-uc", SAYS_TWO_THINGS, str(cut)], log=log)
    try:
        async with asyncio.timeout(20):
            while log.read_bytes() != b"one\n":  # noqa: ASYNC110  # a file wakes nobody
                await asyncio.sleep(0.01)
            process_logs.shorten(log, 3)
            cut.touch()
            await child.wait()
    finally:
        await processes.stop(child, grace_s=0.1)

    assert (process_logs.before(log).read_bytes(), log.read_bytes()) == (b"one\n", b"two\n")


@pytest.mark.parametrize("cut_after", ["the error", "it and more"])
def test_what_a_bus_said_before_its_log_was_cut_is_not_overlooked(tmp_path: Path, cut_after: str) -> None:
    log = tmp_path / "nats-server.log"
    log.write_text("started\n")
    errors = WriteErrors(log)

    with log.open("a") as file:
        file.write("[ERR] Critical write error: no space left on device\n")
    process_logs.shorten(log, 40)
    if cut_after == "it and more":
        with log.open("a") as file:
            file.write("a line that makes the log longer than it was when it was last looked at\n")

    told = "Critical write error: no space left on device"
    assert (errors.found(), errors.found()) == (told, None)
