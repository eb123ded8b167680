"""The disk with all of Parley's data is full for a while: what was accepted ends, and it all goes on without a restart.

A disk of its own is a memory file system in a namespace of its own, which needs no rights where it is allowed at all.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra import instance
from infra.blobs.files import FileBlobs
from infra.bus.connection import Bus
from infra.bus.server import BusAddress
from infra.bus.streams import why_closed
from infra.clock import SystemClock, new_id
from infra.recognisers.scripted import recording_of
from infra.settings import Settings
from scripts.bench.ordeal import evidence
from scripts.bench.ordeal.evidence import Evidence
from scripts.bench.ordeal.script import Line, lines
from scripts.bench.ordeal.verdict import judge
from scripts.bench.ordeal.visitors import Visitors
from tests.conftest import PARLEY, Parley, descendants

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Until = Callable[..., Awaitable[Any]]

ON_A_DISK_OF_ITS_OWN = ("unshare", "--user", "--map-root-user", "--mount")
MOUNTED = 'mount -t tmpfs -o size=300m tmpfs "$1" && "$2" up; cp -a "$1/." "$3"'
ROOM_MIN_MB = 60
TALK = "tell me something about dogs"
CHUNK_BYTES = 64 * 1024
FULL_S = 5.0
MENDED_WITHIN_S = 60.0


def is_allowed() -> bool:
    """Whether this user may mount a file system in a namespace of its own."""
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        return False
    mount = [*ON_A_DISK_OF_ITS_OWN, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_allowed(), reason="no file system may be mounted here without rights (unshare)"),
]


@dataclass
class OnItsDisk(Parley):
    """A `parley up` whose data folder is a disk of its own; the data is copied to `kept` when it has ended."""

    @property
    def kept(self) -> Path:
        return self.folder / "kept"

    @property
    def disk(self) -> Path:
        """The data folder as it is seen from outside."""
        return Path(f"/proc/{self.process.pid}/root{self.data}")

    def up(self, *arguments: str) -> "OnItsDisk":
        self.data.mkdir(parents=True)
        self.kept.mkdir()
        command = [*ON_A_DISK_OF_ITS_OWN, "sh", "-c", MOUNTED, "sh", str(self.data), PARLEY, str(self.kept)]
        with (self.folder / "up.log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        return self

    def end(self, sign: signal.Signals = signal.SIGTERM, within_s: float = 60.0) -> int:
        if self.process.poll() is None:
            os.kill(descendants(self.process.pid)[0], sign)
        return self.process.wait(within_s)

    def free_mb(self) -> int:
        return shutil.disk_usage(self.disk).free >> 20

    def eat(self, leaving_mb: int) -> None:
        """Fill the disk up; with 0 nothing at all can be written any more."""
        with (self.disk / "eaten").open("ab", buffering=0) as eaten:
            while leaving_mb == 0 or self.free_mb() > leaving_mb:
                try:
                    eaten.write(b"x" * CHUNK_BYTES)
                except OSError:
                    return

    def give_back(self) -> None:
        (self.disk / "eaten").unlink()


@pytest.fixture
def parley(tmp_path: Path, environment: dict[str, str]) -> Iterator[OnItsDisk]:
    variables = {"TTS__BACKEND": "scripted", "STT__BACKEND": "scripted", "TURN__TIMEOUT_S": "20"}
    variables["LIMITS__ROOM_MIN_MB"] = str(ROOM_MIN_MB)
    own = {f"PARLEY_{name}": value for name, value in variables.items()}
    made = OnItsDisk(tmp_path / "parley", {**environment, **own, "MINIMAL_MODE": "true"}).up()
    try:
        made.ready()
        yield made
    finally:
        made.end()


async def test_what_was_accepted_before_the_disk_was_full_ends_and_then_all_goes_on(
    parley: OnItsDisk, monkeypatch: pytest.MonkeyPatch, until: "Until"
) -> None:
    monkeypatch.setattr("scripts.bench.ordeal.visitors.GIVE_UP_S", 8.0)
    running = instance.find(parley.disk)
    assert running is not None
    found, said = Evidence(), lines(1, 40, 6, marks_in_speech=False)
    async with Bus(BusAddress(running.bus_url, running.bus_token), name="front-end") as bus:
        people = Visitors(bus, FileBlobs(parley.disk / "blobs"), SystemClock(), recorded)
        talking = asyncio.create_task(people.talk([line for line in said if not line.spoken], 3.0))
        await until(lambda: len(people.accepted) >= 6)
        await asyncio.to_thread(parley.eat, 0)
        await asyncio.sleep(FULL_S)  # with no room at all
        with pytest.raises(OSError, match="No space left"):
            (parley.disk / "one more").write_bytes(bytes(CHUNK_BYTES))
        parley.give_back()
        await talking

        monkeypatch.setattr("scripts.bench.ordeal.visitors.GIVE_UP_S", MENDED_WITHIN_S)
        assert await people.submit(line("note to buy Zorbun", "Zorbun"), new_id()), parley.told
        assert await evidence.all_ended(bus, [turn.meta.turn for turn in people.accepted], MENDED_WITHIN_S)
        assert "had no room to write its streams and is started anew" in parley.told

        await asyncio.to_thread(parley.eat, ROOM_MIN_MB // 2)
        monkeypatch.setattr("scripts.bench.ordeal.visitors.GIVE_UP_S", 1.0)

        async def told_busy() -> bool:
            return await people.submit(line(TALK), new_id()) is None and people.refused > 0

        await until(told_busy)
        assert "the disk is almost full" in ((await why_closed(bus.js)) or "")
        parley.give_back()
        monkeypatch.setattr("scripts.bench.ordeal.visitors.GIVE_UP_S", MENDED_WITHIN_S)
        assert await people.submit(line("note to buy Quilbax", "Quilbax"), new_id())
        assert await evidence.all_ended(bus, [turn.meta.turn for turn in people.accepted], MENDED_WITHIN_S)
        found.unread = await evidence.quiet(bus, MENDED_WITHIN_S)
        await evidence.of_stream(bus, found)

    await asyncio.to_thread(parley.end)
    await evidence.of_disk(Settings(data_dir=parley.kept), found)
    broken = {name: cases for name, cases in judge(people.accepted, found).broken.items() if cases}
    assert not broken, broken
    assert found.unread == 0


def line(text: str, *marks: str) -> Line:
    return Line(0, 99, text, marks, spoken=False, speech=False, interrupts=False)


async def recorded(text: str) -> bytes:
    return recording_of(text)
