"""`parley topology`, `parley status`, `parley doctor`."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import Result

from infra import troubles
from infra.bus import server
from infra.troubles import Trouble
from pipeline import topology

Cli = Callable[..., Result]
OneLine = Callable[[Result], str]


def test_the_topology_is_told_as_a_table_and_as_json(cli: Cli) -> None:
    table, told = cli("topology"), cli("topology", "--json")

    assert (table.exit_code, told.exit_code) == (0, 0)
    parts = json.loads(told.stdout)
    assert [part["name"] for part in parts] == [part.name for part in topology.parts()]
    assert all(set(part) == {"name", "hears", "says"} for part in parts)
    assert all(part["name"] in table.stdout for part in parts)


@pytest.mark.slow
def test_the_status_tells_bus_workers_backlog_and_engine(parley: Cli) -> None:
    parley("say", "hello", "--no-speech")

    result = parley("status", "--json")

    assert result.exit_code == 0
    standing = json.loads(result.stdout)
    assert set(standing) >= {"bus_url", "bus_version", "engine", "workers", "wrong"}
    assert standing["bus_url"].startswith("nats://127.0.0.1:")
    assert standing["engine"].startswith("contextual")
    assert standing["wrong"] == []
    workers = {worker["name"]: worker for worker in standing["workers"]}
    assert list(workers) == list(topology.PROCESSES)
    assert all(worker["processes"][0]["ready"] for worker in workers.values())
    assert workers["intent"]["counts"]["handled"] >= 1
    assert all(isinstance(worker["behind"], int) for worker in workers.values())


@pytest.mark.slow
def test_the_status_is_a_table_for_a_person(parley: Cli) -> None:
    result = parley("status")

    assert result.exit_code == 0
    assert all(name in result.stdout for name in topology.PROCESSES)


@pytest.mark.slow
def test_a_bus_without_workers_is_told_as_wrong(cli: Cli, bus_address: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", bus_address.url)  # type: ignore[attr-defined]  # a BusAddress
    monkeypatch.setenv("PARLEY_BUS__TOKEN", bus_address.token)  # type: ignore[attr-defined]  # as above

    result = cli("status", "--json")

    assert result.exit_code == 1
    wrong = json.loads(result.stdout)["wrong"]
    assert "no keeper is running; start one with `parley stage keeper`" in wrong
    assert len([line for line in wrong if "is running" in line]) == len(topology.PROCESSES)


def test_a_bus_that_does_not_come_back_is_told_with_its_reason(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cli.joining.JOIN_WITHIN_S", 0.0)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("NATS_URL", f"nats://{server.HOST}:{server.free_port()}")
    words = "the bus has lost its folder"
    troubles.note(tmp_path, Trouble(name="bus", at=datetime.now(UTC), words=words))

    result = cli("status")

    assert result.exit_code == 3
    assert result.stderr.startswith("parley: no bus at nats://127.0.0.1:")
    assert result.stderr.endswith(f"; {words}\n")


@pytest.fixture
def without_jetstream(tmp_path: Path) -> Iterator[str]:
    """A NATS server as somebody may have one: it passes messages on and stores none."""
    port = server.free_port()
    log = tmp_path / "nats.log"
    with log.open("wb") as told:
        process = subprocess.Popen([server.binary(), "-a", server.HOST, "-p", str(port)], stdout=told, stderr=told)
    try:
        while b"Server is ready" not in log.read_bytes():
            assert process.poll() is None
            time.sleep(0.01)
        yield f"nats://{server.HOST}:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("command", [("say", "hello"), ("log", "tail"), ("dead", "list"), ("status",)])
def test_a_bus_that_stores_nothing_is_one_line(
    command: tuple[str, ...], cli: Cli, one_line: OneLine, without_jetstream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATS_URL", without_jetstream)

    refused = cli(*command)

    assert refused.exit_code == 3
    assert "JetStream does not answer; it is starting, or off (nats-server -js)" in one_line(refused)


def test_a_bus_that_is_not_there_is_one_line(cli: Cli, one_line: OneLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:9")
    monkeypatch.setattr("pipeline.cli.joining.JOIN_WITHIN_S", 0.1)

    refused = cli("status")

    assert refused.exit_code == 3
    assert one_line(refused).startswith("no bus at nats://127.0.0.1:9: ")


@pytest.mark.slow
def test_the_doctor_finds_everything_here_and_says_where(cli: Cli) -> None:
    result = cli("doctor", "--json")

    found = json.loads(result.stdout)
    assert result.exit_code == 0, [each for each in found if not each["ok"]]
    assert all(set(each) == {"what", "ok", "found", "to_do"} for each in found)
    told = {each["what"]: each for each in found}
    assert {"python", "nats-server", "package duckdb", "engine smollm2-135m-instruct", "room on disk"} <= set(told)
    assert told["engine smollm2-135m-instruct"]["found"].endswith(".gguf")


@pytest.mark.slow
def test_the_doctor_says_what_to_do_where_something_is_missing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_ENGINE__BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("pipeline.checkup.NEEDED", ("duckdb", "no-such-package"))

    result = cli("doctor", "--json")

    wrong = {each["what"]: each for each in json.loads(result.stdout) if not each["ok"]}
    assert result.exit_code == 1
    assert set(wrong) == {"package no-such-package", "engine.base_url"}
    assert all(each["to_do"] for each in wrong.values())


def test_a_mistake_in_the_configuration_is_one_line_everywhere(
    cli: Cli, one_line: OneLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_STT__BEAM", "many")

    for command in (["up"], ["stage", "stt"], ["say", "x"], ["classify", "-"], ["status"], ["doctor"], ["log", "tail"]):
        refused = cli(*command)

        assert refused.exit_code == 2
        assert one_line(refused).startswith("stt.beam: 'many' is not allowed; expected a valid integer")


@pytest.mark.parametrize(
    "command", ["up", "stage", "say", "hear", "classify", "topology", "status", "doctor", "log", "prompts"]
)
def test_every_command_teaches(cli: Cli, command: str) -> None:
    result = cli(command, "--help")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) >= 5


def test_a_command_that_is_none_is_refused(cli: Cli) -> None:
    assert cli("sya", "hello").exit_code == 2
    assert cli("say").exit_code == 2
