"""A server that cannot write its streams is started anew for its true reason, and when that helps."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.bus.server import NO_ROOM_BYTES, ROOM_TO_WRITE_BYTES, STREAMS
from infra.bus.store_watch import NO_ROOM, StoreWatch

GAVE_UP = "[1] 2026/11/20 [ERR] Filestore [PARLEY_INTAKE] Critical write error: {}\n"
Room = Callable[[int], None]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "nats" / STREAMS).mkdir(parents=True)
    return tmp_path / "nats"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "nats-server.log"
    path.write_text("[1] 2026/11/20 [INF] Server is ready\n")
    return path


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    """Sets how many bytes are free on the disk."""

    def set_free(free: int) -> None:
        monkeypatch.setattr("infra.bus.store_watch.shutil.disk_usage", lambda _: SimpleNamespace(free=free))

    return set_free


def said(log: Path, words: str) -> None:
    with log.open("a") as file:
        file.write(GAVE_UP.format(words))


def test_a_server_that_writes_is_left_alone(store: Path, log: Path) -> None:
    assert StoreWatch(store, log).look() is None


def test_a_folder_that_is_gone_is_named_as_it_is(store: Path, log: Path) -> None:
    watch = StoreWatch(store, log)
    said(log, "lmb missing")
    shutil.rmtree(store)

    why = watch.look()

    assert why is not None
    assert why.startswith(f"has lost its folder {store}, which was removed or moved while it ran")


@pytest.mark.parametrize("words", ["write 8.blk: no space left on device", "write 8.blk: disk quota exceeded"])
def test_a_disk_that_refused_is_told_once_it_has_room(store: Path, log: Path, room: Room, words: str) -> None:
    watch = StoreWatch(store, log)
    said(log, words)
    room(ROOM_TO_WRITE_BYTES - 1)
    assert watch.look() is None

    room(ROOM_TO_WRITE_BYTES)

    assert (watch.look(), watch.look()) == (NO_ROOM, None)


def test_a_disk_that_was_full_may_have_refused_without_a_word(store: Path, log: Path, room: Room) -> None:
    watch = StoreWatch(store, log)
    room(NO_ROOM_BYTES - 1)
    assert watch.look() is None

    room(ROOM_TO_WRITE_BYTES)

    assert watch.look() == NO_ROOM


def test_what_the_server_says_of_anything_else_is_told_in_its_words(store: Path, log: Path) -> None:
    watch = StoreWatch(store, log)

    said(log, "lmb missing")

    assert watch.look() == "could not write its streams (Filestore [PARLEY_INTAKE] Critical write error: lmb missing)"
