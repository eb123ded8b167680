"""`parley log dump` and `parley log import`, while Parley runs and when it does not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

if TYPE_CHECKING:
    from tests.conftest import Parley

GOLDEN = Path(__file__).parents[2] / "schemas" / "golden" / "v1"
Cli = Callable[..., Result]
OneLine = Callable[[Result], str]


def line(name: str, seq: int, version: str = "1.0") -> str:
    """A line of a dump with a golden event."""
    event = json.loads((GOLDEN / f"{name}.json").read_bytes())
    event["meta"]["schema_version"] = version
    moment = "2026-11-20T09:30:00Z"
    told = {"dump": 1, "stream": "PARLEY_EVENTS", "created": moment, "seq": seq, "recorded_at": moment, "event": event}
    return json.dumps(told)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.jsonl"
    file.write_text(f"{line('TextTurnOpened', 1)}\n\n{line('IntentClassified', 2)}")
    return file


def test_without_a_parley_the_file_is_taken_in_once_and_dumped_as_it_was(cli: Cli, good: Path, tmp_path: Path) -> None:
    first, second = cli("log", "import", str(good)), cli("log", "import", str(good))

    assert (first.exit_code, first.stdout) == (0, "taken in: 2 events; 0 were in the log already\n")
    assert (second.exit_code, second.stdout) == (0, "taken in: 0 events; 2 were in the log already\n")
    out = tmp_path / "out.jsonl"
    assert cli("log", "dump", "--out", str(out)).exit_code == 0
    dumped = cli("log", "dump")
    assert dumped.stdout == out.read_text()
    told = [json.loads(text) for text in dumped.stdout.splitlines()]
    assert [(each["seq"], each["event"]["meta"]["type"]) for each in told] == [
        (1, "TextTurnOpened"),
        (2, "IntentClassified"),
    ]
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out.jsonl"]


def test_one_bad_line_keeps_all_others_out_and_is_told_with_its_place(cli: Cli, good: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(f"{line('TextTurnOpened', 1)}\ngarbage\n{line('IntentClassified', 2, '2.0')}\n")

    refused = cli("log", "import", str(bad))

    assert (refused.exit_code, refused.stdout) == (2, "")
    told = refused.stderr.splitlines()
    assert told[0].startswith(f"{bad}:2: event: b'garbage' is not allowed; expected an event as JSON")
    assert told[1] == f"{bad}:3: schema_version: '2.0' is newer than this Parley reads; expected 1.x"
    assert told[2] == f"parley: nothing of {bad} was taken in: 2 bad lines (--keep-going leaves them out)"
    assert not (tmp_path / "data" / "log.duckdb").exists()

    rest = cli("log", "import", str(bad), "--keep-going")
    assert (rest.exit_code, rest.stdout) == (1, "taken in: 1 events; 0 were in the log already\n")
    assert "2 bad lines were left out" in rest.stderr


def test_a_line_without_end_takes_no_memory_and_hides_no_other(cli: Cli, tmp_path: Path) -> None:
    bad = tmp_path / "long.jsonl"
    with bad.open("w") as file:
        for _ in range(40):
            file.write("x" * 1_000_000)
        file.write(f"\n{line('TextTurnOpened', 1)}\n" + "y" * 900_001 + f"\n{line('IntentClassified', 2)}\n")

    done = cli("log", "import", str(bad), "--keep-going")

    assert done.stdout == "taken in: 2 events; 0 were in the log already\n"
    assert f"{bad}:1: line: " in done.stderr
    assert f"{bad}:3: line: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["import", "no-such-file"], "FILE: 'no-such-file' is not allowed; expected a file that exists"),
        (["dump", "--since", "yesterday"], "--since: 'yesterday' is not allowed; expected an ISO 8601 time"),
        (["dump", "--until", "soon"], "--until: 'soon' is not allowed; expected an ISO 8601 time"),
        (["dump", "--conversation", "mine"], "--conversation: 'mine' is not allowed; expected a UUIDv7"),
        (["dump", "--run", "a b"], "--run: 'a b' is not allowed"),
        (["dump", "--out", "no/such/folder/out.jsonl"], "--out: 'no/such/folder/out.jsonl' is not allowed"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, one_line: OneLine, arguments: list[str], line: str) -> None:
    refused = cli("log", *arguments)

    assert refused.exit_code == 2
    assert one_line(refused).startswith(line)


@pytest.mark.slow
def test_while_parley_runs_its_logger_dumps_and_takes_in(parley: Cli, running_parley: "Parley", good: Path) -> None:
    turn = json.loads(parley("say", "hello", "--no-speech", "--json").stdout)
    conversation = turn["conversation_id"]

    def lines() -> list[dict[str, dict[str, dict[str, str]]]]:
        return [json.loads(text) for text in parley("log", "dump", "-c", conversation).stdout.splitlines()]

    running_parley.wait_for(lambda: any(each["event"]["meta"]["type"] == "TurnCompleted" for each in lines()))
    assert {each["event"]["meta"]["turn"] for each in lines()} == {turn["turn_id"]}
    assert all("Parley-Hop" in each["headers"] for each in lines())

    assert parley("log", "import", str(good)).stdout == "taken in: 2 events; 0 were in the log already\n"
    assert parley("log", "import", str(good)).stdout == "taken in: 0 events; 2 were in the log already\n"
    own = good.with_name("own.jsonl")
    parley("log", "dump", "-c", conversation, "--out", str(own))
    assert parley("log", "import", str(own)).stdout.startswith("taken in: 0 events; ")

    after = json.loads(parley("say", "and again", "--no-speech", "--json").stdout)
    sql = f"SELECT status FROM turns WHERE turn = '{after['turn_id']}'"
    running_parley.wait_for(lambda: "completed" in parley("log", "query", sql, "--json").stdout)
