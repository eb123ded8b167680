"""The example of a front-end that knows nothing of Parley's code, against a real Parley."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import moonshine_voice
import pytest

from schemas import ids, subjects
from schemas.ids import ConversationId, TurnId
from scripts.examples import plain_client

if TYPE_CHECKING:
    from tests.conftest import Parley

CLIENT = Path(plain_client.__file__)
SPEECH = Path(moonshine_voice.__file__).parent / "assets" / "beckett.wav"
slow = pytest.mark.slow


def run(parley: "Parley", *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The example as a person starts it; without the checkout on the path."""
    environment = {name: value for name, value in parley.environment.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-P", str(CLIENT), *arguments]
    return subprocess.run(
        command, cwd=parley.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def said(done: "subprocess.CompletedProcess[str]", wrong: str = "") -> list[str]:
    """The types of the events that it has printed, in order; nothing else was, but for what was wrong."""
    assert done.stderr.partition(" is not allowed")[0].strip() == wrong
    return [line.split()[3] for line in done.stdout.splitlines() if " s  " in line]


def test_it_imports_nothing_of_parley() -> None:
    found = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else name.name
        for node in ast.walk(ast.parse(CLIENT.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    tops = {name.split(".")[0] for name in found}
    assert tops - set(sys.stdlib_module_names) == {"nats"}


def test_its_ids_and_subjects_are_parleys() -> None:
    for _ in range(100):
        conversation, turn = plain_client.uuid7(), plain_client.uuid7()
        ids.checked_uuid7("conversation", conversation)
        ours = subjects.subject_of(ids.DEFAULT_TENANT, ids.LIVE_RUN, ConversationId(conversation), TurnId(turn), "X")
        assert plain_client.subject_of("local", conversation, turn, "X") == ours


@slow
def test_text_is_answered(running_parley: "Parley") -> None:
    done = run(running_parley, "note to buy milk")

    assert done.returncode == 0
    assert done.stdout.startswith("accepted by PARLEY_INTAKE: turn 0")
    told = said(done)
    assert (told[0], told[-1]) == ("TextTurnOpened", "TurnCompleted")
    assert "TaskCompleted" in told
    assert "milk" in done.stdout.splitlines()[-1]


@slow
def test_sound_is_heard_and_answered_with_sound(running_parley: "Parley") -> None:
    done = run(running_parley, "--audio", str(SPEECH), "--speech")

    assert done.returncode == 0
    told = said(done)
    assert (told[0], told[-1]) == ("SpeechTurnOpened", "TurnCompleted")
    assert "SpeechReady" in told
    assert "Fail better" in done.stdout


@slow
@pytest.mark.parametrize(
    ("arguments", "told", "wrong"),
    [
        ((" ",), "nothing in it", "fact.text: ' '"),
        (("hello", "--time-zone", "Mars/Olympus"), "time zone", "meta.time_zone: 'Mars/Olympus'"),
    ],
)
def test_what_parley_cannot_take_ends_as_a_failed_turn(
    running_parley: "Parley", arguments: tuple[str, ...], told: str, wrong: str
) -> None:
    done = run(running_parley, *arguments)

    assert done.returncode == 1
    assert said(done, wrong) == ["TurnFailed"]
    assert told in done.stdout.splitlines()[-1]


def test_without_a_parley_it_says_what_to_start(tmp_path: Path) -> None:
    command = [sys.executable, str(CLIENT), "hello", "--data-dir", str(tmp_path)]

    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 3
    assert done.stderr == f"no Parley runs on {tmp_path}: start one with `parley up`, or set NATS_URL\n"


def test_without_a_bus_it_says_so_and_does_not_wait(tmp_path: Path) -> None:
    command = [sys.executable, str(CLIENT), "hello"]
    nowhere = {"NATS_URL": "nats://127.0.0.1:1"}

    done = subprocess.run(command, env=nowhere, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    assert line.startswith("no bus at nats://127.0.0.1:1: ")


def test_a_recording_that_is_not_there_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(CLIENT), "--audio", str(tmp_path / "none.wav")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "none.wav is no file" in done.stderr
