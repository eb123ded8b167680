"""The embedded engine's process: how it refuses to start. That it serves is in tests/contracts/test_generators.py."""

import signal
import socket
from pathlib import Path

import pytest

from infra.engines.llama_cpp import API_KEY_VARIABLE, EngineProcess, main, usual_threads


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, "secret-key")


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it says on stderr: one line, with exit status 1."""
    assert main(arguments) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_missing_model_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = tmp_path / "absent.gguf"
    assert f"model: {missing}: No such file" in refusal(capsys, "--port", "0", "--model", str(missing))


def test_a_file_that_is_no_gguf_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = tmp_path / "model.bin"
    other.write_bytes(b"PK\x03\x04")
    assert "is no GGUF file" in refusal(capsys, "--port", "0", "--model", str(other))


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port: 127.0.0.1:{port}: Address already in use" in refusal(capsys, "--port", str(port))


def test_without_a_key_it_does_not_start(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, " ")
    assert API_KEY_VARIABLE in refusal(capsys, "--port", "0")


def test_a_key_file_that_cannot_be_read_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "api-key-file" in refusal(capsys, "--port", "0", "--api-key-file", str(tmp_path / "absent"))


def test_the_command_line_holds_no_key() -> None:
    line = " ".join(EngineProcess(8081, Path("m.gguf"), threads=3).command())
    assert "secret-key" not in line
    assert line.endswith("--port 8081 --slots 4 --slot-tokens 2048 --model m.gguf --threads 3")


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (8, 7)])
def test_one_core_is_left_to_the_rest(cores: int, threads: int) -> None:
    assert usual_threads(cores) == threads


def test_a_refused_start_leaves_the_signals_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, "key")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(64))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    assert main(["--port", "0", "--model", str(broken)]) == 1

    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
