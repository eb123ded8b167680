"""`parley log …`: what happened, as it happens and as it was."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import nanoarrow
import pytest
from nanoarrow.ipc import InputStream
from typer.testing import Result

from schemas.catalogue import decode

if TYPE_CHECKING:
    from tests.conftest import Parley

pytestmark = pytest.mark.slow
Cli = Callable[..., Result]
OneLine = Callable[[Result], str]


def test_events_are_shown_as_they_happen_until_ctrl_c(parley: Cli, running_parley: "Parley") -> None:
    begun = json.loads(parley("say", "hello", "--no-speech", "--json").stdout)
    tail = running_parley.start("log", "tail", "--all", "--json", "--conversation", begun["conversation_id"])
    assert tail.stdout is not None
    shown = []
    for line in tail.stdout:
        shown.append(decode(line.strip()))
        if shown[-1].meta.type == "TurnCompleted":
            if len([event for event in shown if event.meta.type == "TurnCompleted"]) == 2:
                break
            parley("say", "again", "--no-speech", "--conversation", begun["conversation_id"])
    tail.send_signal(signal.SIGINT)

    assert tail.wait(60) == 0
    assert {event.meta.conversation for event in shown} == {begun["conversation_id"]}
    assert [event.meta.number for event in shown if event.meta.type == "TextTurnOpened"] == [1, 2]


def test_for_a_person_an_event_is_one_line(parley: Cli, running_parley: "Parley") -> None:
    parley("say", "note to buy milk", "--no-speech")
    tail = running_parley.start("log", "tail", "--all")
    assert tail.stdout is not None
    first = next(line for line in tail.stdout if b"TextTurnOpened" in line)
    tail.terminate()
    tail.wait(60)

    assert b"keeper" in first
    assert b"text=" in first


@pytest.mark.parametrize("conversation", ["*", "a b", ">", "mine"])
def test_a_conversation_that_is_none_is_refused(parley: Cli, one_line: OneLine, conversation: str) -> None:
    refused = parley("log", "tail", "--conversation", conversation)

    assert refused.exit_code == 2
    assert one_line(refused).startswith(f"--conversation: {conversation!r} is not allowed; expected a UUIDv7")


def test_the_log_answers_questions_with_the_turns_that_were(parley: Cli, running_parley: "Parley") -> None:
    turn = json.loads(parley("say", "note to buy milk", "--no-speech", "--json").stdout)
    question = f"SELECT type FROM events WHERE turn = '{turn['turn_id']}' ORDER BY stream_seq"

    def types() -> list[str]:
        answer = parley("log", "query", question, "--json")
        assert answer.exit_code == 0
        return [json.loads(line)["type"] for line in answer.stdout.splitlines()]

    running_parley.wait_for(lambda: "TurnCompleted" in types())
    found = types()
    assert found[0] == "TextTurnOpened"
    assert sorted(set(found)) == sorted(
        [
            *("TextTurnOpened", "IntentClassified", "TaskCompleted", "ReplyRequested", "SentenceGenerated"),
            *("ReplyGenerated", "SentenceChosen", "ReplyChosen", "TurnCompleted"),
        ]
    )


@pytest.mark.parametrize("sql", ["DROP TABLE events", "SELECT", "SELECT 1; SELECT 2", "COPY events TO 'x'"])
def test_anything_but_one_select_is_refused(parley: Cli, one_line: OneLine, sql: str) -> None:
    refused = parley("log", "query", sql)

    assert refused.exit_code in (2, 3)
    assert one_line(refused)


SELECT = "SELECT i, 'ü' AS s, [i] AS l, NULL AS n, i = 1 AS b FROM range(2) AS r(i)"
AS_JSON = '{"i": 0, "s": "ü", "l": [0], "n": null, "b": false}\n{"i": 1, "s": "ü", "l": [1], "n": null, "b": true}\n'


def test_an_answer_comes_in_the_format_that_was_asked_for(
    parley: Cli, running_parley: "Parley", tmp_path: Path
) -> None:
    def asked(*options: str) -> Result:
        done = parley("log", "query", SELECT, *options)
        assert done.exit_code == 0, done.stderr
        return done

    assert asked("--json").stdout == asked("--format", "json").stdout == AS_JSON
    assert asked("--format", "csv").stdout == "i,s,l,n,b\n0,ü,[0],,false\n1,ü,[1],,true\n"
    assert "ü" in asked("--format", "table").stdout
    for form, name in (("csv", "a.csv"), ("json", "a.jsonl"), ("table", "a.txt"), ("parquet", "a.p"), ("arrow", "a.a")):
        done = asked("--format", form, "--out", str(tmp_path / name))
        assert (done.stdout, done.stderr) == ("", f"2 rows are in {tmp_path / name}\n")
    assert (tmp_path / "a.jsonl").read_text() == AS_JSON
    found = duckdb.connect().execute("SELECT i, l FROM read_parquet($file)", {"file": str(tmp_path / "a.p")})
    assert found.fetchall() == [(0, [0]), (1, [1])]
    with InputStream.from_path(tmp_path / "a.a") as stream:
        assert nanoarrow.ArrayStream(stream).read_all().to_pylist()[1]["s"] == "ü"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--format", "parquet"], "--out: None is not allowed; expected a file for parquet"),
        (["--format", "arrow"], "--out: None is not allowed; expected a file for arrow"),
        (["--format", "csv", "--json"], "--format: 'csv' is not allowed; expected json, or no --json"),
        (["--format", "csv", "--out", "no/such/folder/x"], "--out: 'no/such/folder/x' is not allowed; expected a file"),
    ],
)
def test_a_format_that_cannot_be_had_is_refused(
    parley: Cli, running_parley: "Parley", one_line: OneLine, options: list[str], line: str
) -> None:
    refused = parley("log", "query", "SELECT 1", *options)

    assert refused.exit_code == 2
    assert one_line(refused).startswith(line)


@pytest.mark.parametrize("options", [["--format", "csv"], ["--format", "parquet", "--out", "x"], ["--out", "x"]])
def test_an_answer_that_was_cut_is_not_written_to_a_file(
    parley: Cli, running_parley: "Parley", one_line: OneLine, options: list[str]
) -> None:
    refused = parley("log", "query", "FROM range(10001)", *options)

    assert refused.exit_code == 1
    assert one_line(refused).startswith(
        "the answer was cut at 10000 rows; --all has all of them, --limit N as many as you like"
    )
    assert not (running_parley.folder / "x").exists()


def test_a_hundred_thousand_rows_are_written_as_parquet(parley: Cli, running_parley: "Parley", tmp_path: Path) -> None:
    many = "SELECT range AS i, 'row ' || range AS told, range / 3 AS part FROM range(100000)"

    done = parley("log", "query", many, "--all", "--format", "parquet", "--out", str(tmp_path / "many.parquet"))

    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"100000 rows are in {tmp_path / 'many.parquet'}\n"
    found = duckdb.connect().execute(
        "SELECT count(*), sum(i), max(told), typeof(any_value(part)) FROM read_parquet($file)",
        {"file": str(tmp_path / "many.parquet")},
    )
    assert found.fetchall() == [(100_000, 99_999 * 50_000, "row 99999", "DOUBLE")]


def test_as_many_rows_as_are_asked_for_and_that_there_are_more_is_told(
    parley: Cli, running_parley: "Parley", tmp_path: Path
) -> None:
    some = parley("log", "query", "FROM range(30000)", "--limit", "20000", "--format", "csv", "--out", "some.csv")
    all_there_are = parley("log", "query", "FROM range(7)", "--limit", "7", "--json")

    assert (some.exit_code, len((running_parley.folder / "some.csv").read_text().splitlines())) == (0, 20_001)
    assert some.stderr == "20000 rows are in some.csv\nthese are the first 20000 rows; there are more\n"
    assert (all_there_are.exit_code, all_there_are.stderr) == (0, "")


def test_an_answer_that_is_too_large_for_any_message_is_told_and_not_written(
    parley: Cli, running_parley: "Parley", one_line: OneLine
) -> None:
    wide = "SELECT array_to_string(list_value(" + ", ".join(["hash(range)"] * 50) + "), ' ') FROM range(900000)"

    refused = parley("log", "query", wide, "--all", "--format", "csv", "--out", "wide.csv")

    assert refused.exit_code == 1
    assert "where it grew too large; ask for fewer columns, or use parley log dump" in one_line(refused)
    assert not (running_parley.folder / "wide.csv").exists()


@pytest.mark.parametrize("options", [["--limit", "0"], ["--limit", "-3"], ["--limit", "5", "--all"]])
def test_a_limit_that_is_none_is_refused(parley: Cli, one_line: OneLine, options: list[str]) -> None:
    refused = parley("log", "query", "SELECT 1", *options)

    assert refused.exit_code == 2
    assert one_line(refused).startswith("--limit: ")


def test_several_processes_ask_at_once_while_turns_are_logged(parley: Cli, running_parley: "Parley") -> None:
    """Five processes, one of whose questions has no end in sight: the others and the turn do not wait for it."""
    endless = running_parley.start("log", "query", "SELECT count(*) FROM range(1000000000000) WHERE hash(range) = 3")
    sql = "SELECT count(*) AS events, count(DISTINCT id) AS ids FROM events"
    asking = [running_parley.start("log", "query", sql, "--format", "json") for _ in range(4)]

    turn = json.loads(parley("say", "hello", "--no-speech", "--json").stdout)["turn_id"]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in asking]

    assert [process.returncode for process in asking] == [0, 0, 0, 0]
    assert all(answer["events"] == answer["ids"] > 0 for answer in answers)
    ended = f"SELECT count(*) AS n FROM turns WHERE turn = '{turn}' AND status = 'completed'"
    running_parley.wait_for(lambda: json.loads(parley("log", "query", ended, "--format", "json").stdout)["n"] == 1)
    assert endless.poll() in (None, 2), "it is still being answered, or was stopped at its limit"
    endless.kill()
    endless.wait()
