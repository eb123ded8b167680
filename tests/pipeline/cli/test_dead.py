"""`parley dead`: which letters are meant is said in one way, never by accident of all."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

if TYPE_CHECKING:
    from tests.pipeline.cli.conftest import Cli

EITHER = "expected either a number, or --stage or --error with what the letters have"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.parametrize("options", [(), ("--error", ""), ("3", "--stage", "chat")])
def test_letters_are_named_by_number_or_by_what_they_have(
    command: str, options: tuple[str, ...], parley: "Cli", one_line: Callable[[Result], str]
) -> None:
    refused = parley("dead", command, *options)

    assert refused.exit_code == 2
    assert EITHER in one_line(refused)


@pytest.mark.slow
def test_where_no_letter_is_of_a_stage_that_is_told(parley: "Cli") -> None:
    assert parley("dead", "retry", "--stage", "nobody").output == "no dead letters\n"
    assert parley("dead", "drop", "--stage", "nobody").output == "dropped 0\n"
