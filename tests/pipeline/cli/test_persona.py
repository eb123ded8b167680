"""`parley persona`: what is recorded and shown, and what is refused before anything is submitted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from infra.clock import new_id

if TYPE_CHECKING:
    from tests.conftest import Parley

pytestmark = pytest.mark.slow
Cli = Callable[..., Result]
OneLine = Callable[[Result], str]


@pytest.fixture
def turn(parley: Cli) -> str:
    """The id of a turn of the user pia that has ended."""
    said = parley("say", "tell me about cats", "--no-speech", "--json", "--user", "pia")
    return str(json.loads(said.stdout)["turn_id"])


def test_what_was_learned_is_shown_and_exported_with_where_it_stood_before(
    parley: Cli, running_parley: "Parley", turn: str, tmp_path: Path
) -> None:
    def stands() -> dict[str, float]:
        return dict(json.loads(parley("persona", "show", "--user", "pia", "--json").stdout))

    first = parley("persona", "learn", turn, "concise=0.7", "patient=0.5", "--user", "pia")
    running_parley.wait_for(lambda: stands() == {"concise": 0.7, "patient": 0.5})
    second = parley("persona", "learn", turn, "concise=0.6", "--because", "too brief", "--user", "pia")
    running_parley.wait_for(lambda: stands() == {"concise": 0.6, "patient": 0.5})

    assert (first.exit_code, first.stdout) == (0, "recorded: concise 0.7, patient 0.5\n")
    assert second.stdout == "recorded: concise 0.7 to 0.6, because too brief\n"
    assert parley("export", "persona", "--out", str(tmp_path / "out"), "--no-mask").exit_code == 0
    lines = [(tmp_path / "out" / f"{split}.jsonl").read_text() for split in ("train", "test")]
    told = [json.loads(line)["facets"] for line in "".join(lines).splitlines()]
    assert [{"facet": "concise", "before": 0.7, "update": -0.1, "value": 0.6}] in told


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["concise"], "FACET=VALUE: 'concise' is not allowed; expected FACET=VALUE, e.g. concise=0.7"),
        (["concise=much"], "FACET=VALUE: 'concise=much' is not allowed; expected FACET=VALUE"),
        (["concise=7"], "FACET=VALUE: 'concise=7.0' is not allowed; expected FACET=VALUE"),
        (["concise=nan"], "FACET=VALUE: 'concise=nan' is not allowed; expected FACET=VALUE"),
        (["two words=0.5"], "FACET=VALUE: 'two words=0.5' is not allowed; expected FACET=VALUE"),
        (["a=0.1", "a=0.2"], "FACET=VALUE: 'a=0.2' is not allowed; expected each facet once"),
        ([f"f{number}=0.5" for number in range(13)], "FACET=VALUE: '13 facets' is not allowed; expected "),
        (["a=0.1", "--because", "x" * 2001], "--because: 'xxx"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(parley: Cli, one_line: OneLine, arguments: list[str], line: str) -> None:
    refused = parley("persona", "learn", new_id(), *arguments)

    assert refused.exit_code == 2
    assert one_line(refused).startswith(line)


def test_a_turn_that_is_not_there_or_not_the_users_is_refused(parley: Cli, one_line: OneLine, turn: str) -> None:
    absent = parley("persona", "learn", new_id(), "concise=0.7")
    others = parley("persona", "learn", turn, "concise=0.7", "--user", "bob")

    assert (absent.exit_code, others.exit_code) == (2, 2)
    assert "a turn that the log has" in one_line(absent)
    assert "a turn of the user 'bob'" in one_line(others)


def test_without_training_data_it_is_told_that_nothing_of_it_is_kept(
    parley: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENABLE_TRAINING_DATA_COLLECTION", "false")
    turn = json.loads(parley("say", "hello", "--no-speech", "--json", "--user", "rosa").stdout)["turn_id"]

    told = parley("persona", "learn", turn, "brisk=0.7", "--because", "too slow", "--user", "rosa").stdout

    assert told == "recorded: that something was learned; training_data is off, so neither facets nor why are kept\n"


def test_of_somebody_unknown_nothing_was_learned(parley: Cli) -> None:
    assert parley("persona", "show", "--user", "stranger").stdout.startswith("nothing was learned of stranger; ")
