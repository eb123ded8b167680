"""`parley feedback`: what is recorded, and what is refused before anything is submitted."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from infra.clock import new_id

if TYPE_CHECKING:
    from tests.conftest import Parley

pytestmark = pytest.mark.slow
Cli = Callable[..., Result]
OneLine = Callable[[Result], str]


def said(parley: Cli, text: str, *options: str) -> str:
    """The id of a turn that has ended."""
    return str(json.loads(parley("say", text, "--no-speech", "--json", *options).stdout)["turn_id"])


def test_everything_that_is_said_at_once_is_shown_by_the_log(parley: Cli, running_parley: "Parley") -> None:
    worse, turn = said(parley, "hello"), said(parley, "how are you")
    options = ["--down", "--correct-intent", "chit_chat", "--correct-text", "Fine, thanks."]
    options += ["--reward", "-0.25", "--over", worse, "--comment", "too long"]

    done = parley("feedback", turn, *options)

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("recorded: rating down, correction Fine, thanks., comment too long, intent chit_chat")
    columns = "rating, correction, comment, intent, preferred, reward, compared_with"

    def rows() -> list[str]:
        sql = f"SELECT {columns} FROM feedback WHERE turn = '{turn}'"
        return parley("log", "query", sql, "--json").stdout.splitlines()

    running_parley.wait_for(lambda: bool(rows()))
    [row] = rows()
    assert tuple(json.loads(row).values()) == ("down", "Fine, thanks.", "too long", "chit_chat", None, -0.25, worse)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "feedback: 'nothing' is not allowed; expected one of --up, --down, "),
        (["--up", "--down"], "--up and --down: 'both' is not allowed; expected one of them"),
        (
            ["--correct-intent", "make_coffee"],
            "--correct-intent: 'make_coffee' is not allowed; expected one of create_",
        ),
        (["--reward", "2"], "--reward: 2.0 is not allowed; expected less than or equal to 1"),
        (["--reward", "nan"], "--reward: nan is not allowed; expected "),
        (["--prefer", "0"], "--prefer: 0 is not allowed; expected a turn with several candidates; this one had no"),
        (["--prefer", "1"], "--prefer: 1 is not allowed; expected a turn with several candidates; this one had no"),
        (["--correct-text", ""], "--correct-text: '' is not allowed; expected words, or the option left out"),
        (["--correct-text", " \n"], "--correct-text: ' \\n' is not allowed; expected words"),
        (["--up", "--comment", ""], "--comment: '' is not allowed; expected words"),
        (["--prefer", "-1"], "--prefer: -1 is not allowed; expected greater than or equal to 0"),
        (["--over", "TURN"], "--over: 'TURN' is not allowed; expected --reward with it"),
        (["--over", "TURN", "--reward", "1"], "--over: 'TURN' is not allowed; expected a UUIDv7"),
        (["--over", new_id(), "--reward", "1"], "--over: '0"),
        (["--up", "--user", "bob"], "TURN: '0"),
        (["--up", "--run", "a.b"], "--run: 'a.b' is not allowed"),
        (["--up", "--run", "other"], "TURN: '0"),
        (["--correct-text", "x" * 2_001], "--correct-text: 'xxx"),
    ],
)
def test_what_makes_no_sense_is_refused(parley: Cli, one_line: OneLine, options: list[str], line: str) -> None:
    refused = parley("feedback", said(parley, "hello"), *options)

    assert refused.exit_code == 2
    assert one_line(refused).startswith(line)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["--down", "--correct-text", "Fine.", "--comment", "too long"],
            "recorded: rating down; training_data is off, so the words of correction and comment are not kept\n",
        ),
        (
            ["--correct-text", "Fine."],
            "recorded: that something was said; training_data is off, so the words of correction are not kept\n",
        ),
        (["--up"], "recorded: rating up\n"),
    ],
)
def test_without_training_data_it_is_told_that_words_are_not_kept(
    parley: Cli, monkeypatch: pytest.MonkeyPatch, options: list[str], line: str
) -> None:
    monkeypatch.setenv("ENABLE_TRAINING_DATA_COLLECTION", "false")

    assert parley("feedback", said(parley, "hello"), *options).stdout == line


def test_a_turn_that_never_was_is_refused(parley: Cli, one_line: OneLine) -> None:
    turn = new_id()

    refused = parley("feedback", turn, "--up")

    assert refused.exit_code == 2
    assert one_line(refused).startswith(f"TURN: '{turn}' is not allowed; expected a turn that the log has")


def test_without_a_parley_feedback_says_what_to_start(cli: Cli, one_line: OneLine) -> None:
    refused = cli("feedback", new_id(), "--up")

    assert refused.exit_code == 3
    assert "parley up" in one_line(refused)
    assert "--here" not in one_line(refused)
