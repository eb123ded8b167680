"""Servers beside a data folder: found by what they do and where, each with a key that stays."""

import os
from pathlib import Path

import pytest

from infra.engines.vllm import running
from infra.engines.vllm.running import Running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


def there(data: Path, port: int, *, pooling: bool = False, since: int | None = None) -> Running:
    """Write down a server, this process, as start() does."""
    place = running.place_of(data, port)
    place.mkdir(parents=True)
    server = Running(
        pid=os.getpid(),
        since=since if since is not None else (running.started_at(os.getpid()) or 0),
        base_url=f"http://127.0.0.1:{port}",
        model="m",
        key_file=place / "key",
        log=place / "vllm.log",
        pooling=pooling,
    )
    (place / "server.json").write_text(server.model_dump_json())
    return server


def test_the_server_at_the_port_is_preferred_and_one_that_ranks_is_none(data: Path) -> None:
    assert running.generating(data, 8000) is None
    there(data, 8001, pooling=True)
    assert running.generating(data, 8001) is None
    there(data, 9000)
    there(data, 10000)
    for port, expected in ((9000, 9000), (10000, 10000), (8001, 9000), (8000, 9000)):
        found = running.generating(data, port)
        assert found is not None
        assert found.base_url == f"http://127.0.0.1:{expected}"


def test_a_record_of_another_process_is_no_server(data: Path) -> None:
    there(data, 8000, since=1)

    assert running.find(running.place_of(data, 8000)) is None
    assert running.generating(data, 8000) is None


def test_places_are_told_by_port_and_hold_nothing_else(data: Path) -> None:
    for port in (8000, 10000, 900):
        there(data, port)
    (running.folder_of(data) / "group-of-parley").write_text("1")

    assert [place.name for place in running.places(data)] == ["900", "8000", "10000"]


def test_a_key_stays_and_one_that_others_could_read_is_made_anew(data: Path) -> None:
    file = data / "key"
    key = running.key_in(file)
    assert len(key) > 20
    assert file.stat().st_mode & 0o777 == 0o600
    assert running.key_in(file) == key

    file.chmod(0o644)
    other = running.key_in(file)
    assert other != key
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("")
    assert running.key_in(file) != ""
