"""`parley up`, whole and as a real process: workers come back, nothing is left behind, and there are never two."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.processes import alive
from pipeline import topology, wiring

if TYPE_CHECKING:
    from tests.conftest import Parley

    NewParley = Callable[..., Parley]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]
ROOT = Path(__file__).parents[2]
NOTHING_LEFT_WITHIN_S = 3.0


def command_line(pid: int) -> str:
    """Its arguments; empty when it has ended."""
    told = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout


def below(parley: "Parley") -> list[int]:
    """All processes that it has started."""
    pids, found = [parley.process.pid], []
    while pids:
        pid = pids.pop()
        told = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
        pids += map(int, told.stdout.split())
        found.append(pid)
    return found[1:]


def test_a_killed_worker_and_a_killed_bus_come_back_and_turns_go_through(new_parley: "NewParley") -> None:
    parley = new_parley().up().ready()
    first = parley.turn("say", "note to buy milk", "--no-speech")
    assert first["status"] == "completed"

    for name in ("router", "keeper", "bus"):
        killed = parley.pid_of(name)
        os.kill(killed, signal.SIGKILL)
        turn = parley.turn("say", f"note that {name} was killed", "--no-speech")
        assert turn["status"] == "completed", parley.told
        assert turn["tasks"][0]["success"]
        assert f"restart    {name} was ended by SIGKILL" in parley.told
        assert parley.pid_of(name) != killed

    notes = parley.turn("say", "list my notes", "--no-speech")["tasks"][0]["message"]
    assert notes.startswith("You have 4 notes")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_when_it_is_asked_to(new_parley: "NewParley", sign: signal.Signals) -> None:
    parley = new_parley().up().ready()
    children = below(parley)
    assert len(children) >= len(topology.PROCESSES) + 1

    assert parley.end(sign) == 0

    assert not [pid for pid in children if alive(pid)]
    assert "ending: what is in hand is finished" in parley.told
    assert not (parley.data / "run" / "parley.json").exists()
    assert parley.command("say", "anybody there?").returncode == 3
    for name in topology.PROCESSES:
        assert "Traceback" not in (parley.data / "logs" / f"{name}.log").read_text()


HELD_AT_ITS_START = """
import signal, sys
if "tts" in sys.orig_argv:
    signal.pause()
"""


def test_it_can_be_stopped_before_it_is_ready(new_parley: "NewParley", tmp_path: "Path") -> None:
    (tmp_path / "sitecustomize.py").write_text(HELD_AT_ITS_START)
    parley = new_parley(PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}").up()
    parley.wait_for(lambda: "bus        nats-server" in parley.told)
    children = below(parley)

    parley.end(signal.SIGTERM)

    assert "stopped before it was ready" in parley.told
    assert "Traceback" not in parley.told
    assert not [pid for pid in children if alive(pid)]


def test_killed_itself_it_leaves_nothing_running_and_the_next_one_goes_on(new_parley: "NewParley") -> None:
    parley = new_parley(PARLEY_TTS__BACKEND="pyttsx3").up().ready()
    assert parley.turn("say", "note to buy milk")["status"] == "completed"
    children = below(parley)

    parley.end(signal.SIGKILL)
    killed_at = time.monotonic()
    parley.wait_for(lambda: not [pid for pid in children if alive(pid)], within_s=30)
    assert time.monotonic() - killed_at < NOTHING_LEFT_WITHIN_S

    parley.up().ready()
    found = parley.turn("say", "list my notes", "--no-speech")
    assert found["tasks"][0]["message"] == "You have 1 note: 'buy milk'."


def test_a_second_one_on_the_same_folder_is_refused(running_parley: "Parley") -> None:
    second = running_parley.command("up")

    assert second.returncode == 3
    assert f"Parley already runs on data (process {running_parley.process.pid})" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert running_parley.turn("say", "hello", "--no-speech")["status"] == "completed", "the first is not disturbed"


def test_more_workers_join_the_one_that_runs(running_parley: "Parley") -> None:
    def workers() -> dict[str, int]:
        standing = json.loads(running_parley.command("status", "--json").stdout)
        return {worker["name"]: len(worker["processes"]) for worker in standing["workers"]}

    usual = {name: 2 if name == topology.KEEPER else 1 for name in topology.PROCESSES}
    running_parley.wait_for(lambda: workers() == usual)
    more = [running_parley.start("stage", "intent"), running_parley.start("up", "--only", "router, reranker")]
    try:
        expected = usual | {"intent": 2, "router": 2, "reranker": 2}
        running_parley.wait_for(lambda: workers() == expected)
        assert running_parley.turn("say", "note to buy milk", "--no-speech")["status"] == "completed"
    finally:
        for process in more:
            process.terminate()
    assert [process.wait(60) for process in more] == [0, 0]
    running_parley.wait_for(lambda: workers() == usual)


def test_what_can_never_start_is_named_and_nothing_is_left(new_parley: "NewParley") -> None:
    parley = new_parley(PARLEY_STT__MODEL="/nowhere/model").up()

    assert parley.process.wait(150) == 3

    last = parley.told.splitlines()[-1]
    assert last.startswith("parley: stt does not start: ")
    assert "/nowhere/model" in last
    assert "Traceback" not in parley.told
    assert parley.command("say", "hello").returncode == 3


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("up", "--only", "stt,sst"), "parley: worker: 'sst' is not allowed; expected one of keeper, stt, "),
        (("up", "--only", ""), "parley: worker: '' is not allowed; expected one of keeper, stt, "),
        (("stage", "sst"), "parley: worker: 'sst' is not allowed; expected one of keeper, stt, "),
        (("up", "--only", "stt"), "parley: bus.url: no bus is named; expected NATS_URL, or a running `parley up`"),
        (("stage", "stt"), "parley: bus.url: no bus is named; expected NATS_URL, or a running `parley up`"),
    ],
)
def test_a_wrong_call_is_one_line(new_parley: "NewParley", arguments: tuple[str, ...], line: str) -> None:
    parley = new_parley()
    parley.folder.mkdir()

    refused = parley.command(*arguments)

    assert refused.returncode == 2
    assert refused.stderr.startswith(line)
    assert len(refused.stderr.splitlines()) == 1


def test_gpt4all_answers_and_comes_back_when_it_was_killed(new_parley: "NewParley", gpt4all_model: "Path") -> None:
    engine = {"PARLEY_ENGINE__BACKEND": "gpt4all", "PARLEY_ENGINE__MODEL": str(gpt4all_model)}
    parley = new_parley(MINIMAL_MODE="false", **engine).up().ready()
    assert f"engine     gpt4all with {gpt4all_model.stem} answers at http://127.0.0.1:" in parley.told

    def answered_by(question: str = "tell me about the sea") -> tuple[str, bool]:
        turn = parley.turn("say", question, "--no-speech")
        assert turn["status"] == "completed", parley.told
        return turn["engine"]["backend"], turn["engine"]["fallback"]

    assert answered_by() == ("gpt4all", False)
    os.kill(next(pid for pid in below(parley) if "infra.engines.gpt4all" in command_line(pid)), signal.SIGKILL)
    assert answered_by("tell me about mountains") == ("contextual", True)
    parley.wait_for(lambda: answered_by() == ("gpt4all", False))


def test_gpt4all_without_its_model_is_one_line(new_parley: "NewParley") -> None:
    engine = {"PARLEY_ENGINE__BACKEND": "gpt4all", "PARLEY_ENGINE__MODEL": "absent.gguf"}
    done = new_parley(MINIMAL_MODE="false", **engine)
    done.folder.mkdir(parents=True)
    told = done.command("up")
    assert told.returncode == 2
    assert told.stderr.splitlines()[-1] == (
        "parley: engine: model: absent.gguf: No such file or directory; expected the path of a GGUF file"
    )


@pytest.mark.parametrize("content", [b"these are my holiday pictures", bytes(100_000)], ids=["text", "zeros"])
def test_a_state_that_is_no_database_is_one_line_and_nothing_is_started(
    new_parley: "NewParley", content: bytes
) -> None:
    parley = new_parley()
    parley.data.mkdir(parents=True)
    state = parley.data / wiring.STATE_FILE
    state.write_bytes(content)

    refused = parley.command("up")

    assert refused.returncode == 3
    assert refused.stderr == (
        f"parley: {state}: the file is no database, or its beginning is damaged; "
        "restore a backup (all of state.sqlite3*), or move those files away to begin anew\n"
    )
    assert not (parley.data / "logs").exists()
    assert state.read_bytes() == content


def test_a_data_folder_that_cannot_be_one_is_one_line(new_parley: "NewParley") -> None:
    parley = new_parley(PARLEY_DATA_DIR="/dev/null/data")
    parley.folder.mkdir()

    refused = parley.command("up")

    assert refused.returncode == 2
    assert refused.stderr.startswith("parley: data_dir: '/dev/null/data' is not allowed; expected a folder")
