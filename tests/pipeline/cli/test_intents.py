"""`parley classify`: one utterance a line in, one object a line out, and nothing acted on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

pytestmark = pytest.mark.slow
Cli = Callable[..., Result]
OneLine = Callable[[Result], str]


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_line_is_classified_without_a_parley_that_runs(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "said.txt"
    file.write_text("remind me at five to call mom\nSarah owes me $50\r\nlist my notes", encoding="utf-8")

    result = cli("classify", str(file), "--time-zone", "Europe/Berlin")

    assert result.exit_code == 0
    found = lines(result)
    assert [line["text"] for line in found] == ["remind me at five to call mom", "Sarah owes me $50", "list my notes"]
    labels = [[intent["label"] for intent in line["intents"]] for line in found]
    assert labels == [["create_reminder"], ["create_ledger"], ["list_notes"]]
    assert found[1]["intents"][0]["slots"]["direction"] == "owes_me"
    assert set(found[0]["intents"][0]) == {"label", "confidence", "text", "slots", "decided_by"}


def test_standard_input_is_read_and_bad_lines_are_told_in_their_place(cli: Cli) -> None:
    given = b"list my notes\n" + b"\xff\xfe broken\n" + b"bell \x07\n" + b"x" * 100_000 + b"\n\n" + b"hello there\n"

    result = cli("classify", "-", given=given)

    assert result.exit_code == 2
    found = lines(result)
    assert ["error" in line for line in found] == [False, True, True, True, True, False]
    assert all(set(line["error"]) == {"field", "value", "expected"} for line in found if "error" in line)
    assert len(found[3]["text"]) == 200
    assert found[3]["error"]["expected"] == "at most 4000 characters"


def test_nothing_is_nothing(cli: Cli) -> None:
    result = cli("classify", "-", given="")

    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize("name", ["absent.txt", "."])
def test_a_file_that_is_none_is_refused(cli: Cli, one_line: OneLine, name: str) -> None:
    refused = cli("classify", name)

    assert refused.exit_code == 2
    assert one_line(refused).startswith("FILE: ")


def test_a_time_zone_that_is_none_is_refused(cli: Cli, one_line: OneLine) -> None:
    refused = cli("classify", "-", "--time-zone", "Mars/Base", given="remind me at five\n")

    assert refused.exit_code == 2
    assert "--time-zone: 'Mars/Base' is not allowed" in one_line(refused)


def test_nothing_is_acted_on(parley: Cli) -> None:
    before = parley("say", "list my reminders", "--no-speech", "--user", "classified").stdout

    assert parley("classify", "-", given="remind me at five to call mom\n").exit_code == 0

    assert parley("say", "list my reminders", "--no-speech", "--user", "classified").stdout == before
