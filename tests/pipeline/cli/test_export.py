"""`parley export …`: training data of a Parley that runs, and of one that does not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

if TYPE_CHECKING:
    from tests.conftest import Parley

pytestmark = pytest.mark.slow
Cli = Callable[..., Result]
OneLine = Callable[[Result], str]


@pytest.fixture
def conversation(parley: Cli, running_parley: "Parley") -> str:
    """A conversation of three turns that the log has."""
    first = json.loads(parley("say", "note to buy milk for Zelda", "--no-speech", "--json").stdout)
    told = first["conversation_id"]
    parley("say", "add Zelda Quill to my friends", "--no-speech", "--conversation", told)
    last = json.loads(parley("say", "hello there", "--no-speech", "--json", "--conversation", told).stdout)

    def ended() -> bool:
        sql = f"SELECT count(*) AS c FROM events WHERE turn = '{last['turn_id']}' AND type = 'TurnCompleted'"
        return bool(json.loads(parley("log", "query", sql, "--json").stdout)["c"])

    running_parley.wait_for(ended)
    return str(told)


def test_a_running_parley_is_exported_with_names_masked(parley: Cli, conversation: str, tmp_path: Path) -> None:
    out = tmp_path / "sft"

    done = parley("export", "sft", "--out", str(out), "--conversation", conversation, "--format", "both")

    assert done.exit_code == 0
    text = (out / "train.jsonl").read_text() + (out / "test.jsonl").read_text()
    contents = [json.loads(line)["messages"] for line in text.splitlines()]
    assert [message["content"] for message in contents[0] if message["role"] == "user"] == [
        "note to buy milk for [NAME_1]"
    ]
    assert "Zelda" not in text
    assert "masked" in done.stdout
    assert json.loads((out / "card.json").read_text())["turns_read"] == 3


def test_stats_have_the_seeds_names(parley: Cli, conversation: str) -> None:
    counts = json.loads(parley("export", "stats", "--json", "--conversation", conversation).stdout)

    assert counts["turns"] == 3
    assert counts["intent"] >= 1
    assert {"hypotheses_count", "persona_updates_count", "ranking_samples_count", "feedback_count"} <= counts.keys()


def test_a_run_that_the_log_does_not_have_is_refused(
    parley: Cli, one_line: OneLine, conversation: str, tmp_path: Path
) -> None:
    for command in (["sft", "--out", str(tmp_path / "new")], ["stats"]):
        refused = parley("export", *command, "--run", "replay-of-nothing")

        assert refused.exit_code == 2
        assert one_line(refused) == "--run: 'replay-of-nothing' is not allowed; expected a run in the log: live"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (["--since", "yesterday"], "--since"),
        (["--conversation", "mine"], "--conversation"),
        (["--format", "csv"], "--format"),
        (["--out", "."], "--out"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    parley: Cli, one_line: OneLine, tmp_path: Path, wrong: list[str], field: str
) -> None:
    refused = parley("export", "sft", "--out", str(tmp_path / "new"), *wrong)

    assert refused.exit_code == 2
    assert one_line(refused).startswith(f"{field}: ")
    assert not (tmp_path / "new").exists()


def test_without_a_log_nothing_is_written(cli: Cli, one_line: OneLine, tmp_path: Path) -> None:
    refused = cli("export", "sft", "--out", str(tmp_path / "new"))

    assert refused.exit_code == 3
    assert "there is no event log" in one_line(refused)
    assert not (tmp_path / "new").exists()


def test_the_seeds_names_are_on_with_the_environments_folder_and_what_there_is_none_of_is_told(
    parley: Cli, conversation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINING_DATA_DIR", str(tmp_path / "training"))

    done = parley("export", "feedback", "--out", str(tmp_path / "out"), "--conversation", conversation)

    assert done.exit_code == 0
    assert "not written, since the log holds nothing for them: ranking_data.jsonl, user_feedback.jsonl" in done.stderr
    assert "persona_updates.jsonl" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("README.md", "card.json", "sources", "test.jsonl", "train.jsonl")
    ]
