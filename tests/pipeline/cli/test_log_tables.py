"""`parley log query`: tables as they look on a terminal of 80 columns; no Parley runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests import counted_log
from tests.counted_log import CONVERSATIONS, TURNS

Cli = Callable[..., Result]
OneLine = Callable[[Result], str]


@pytest.fixture(autouse=True)
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """The log that is counted by hand, on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    asyncio.run(counted_log.write(tmp_path / "data" / "log.duckdb"))


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("0.004", "0.004"),
        ("0.3291", "0.3291"),
        ("1.0", "1"),
        ("1 / 3", "0.333333"),
        ("1234567.8", "1234568"),
        ("-0.00000012", "-1.2e-07"),
        ("1e300", "1e+300"),
    ],
)
def test_a_number_has_six_significant_digits(cli: Cli, number: str, shown: str) -> None:
    told = cli("log", "query", f"SELECT ({number})::DOUBLE AS x").stdout

    assert told.splitlines()[3].split() == ["│", shown, "│"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("log", "query", "SELECT turn, conversation FROM turns"),
        ("log", "query", "SELECT turn, user, opened_at, text, reply FROM turns"),
        ("log", "query", "SELECT * FROM turns"),
        ("log", "query", "SELECT * FROM turns LIMIT 1"),
        ("log", "stats", "slow_turns"),
        ("log", "stats", "turns"),
        ("report",),
    ],
)
def test_no_id_is_folded(cli: Cli, arguments: tuple[str, ...]) -> None:
    told = cli(*arguments).stdout

    started = [line for line in told.splitlines() if TURNS["a"][:14] in line]
    whole = (*TURNS.values(), *CONVERSATIONS.values())
    assert all(any(each in line for each in whole) for line in started)
    assert started or arguments[-1] == "turns"  # which has no room for them


def test_no_name_of_a_run_is_folded(cli: Cli) -> None:
    name = "2026-11-20-with-a-model-that-has-a-name"

    told = cli("log", "query", f"SELECT '{name}' AS run, text, reply FROM turns").stdout

    assert told.count(name) == 6


def test_one_row_that_is_too_wide_is_a_list(cli: Cli) -> None:
    wide = cli("log", "query", f"SELECT * FROM turns WHERE turn = '{TURNS['a']}' AND run = 'live'").stdout
    narrow = cli("log", "query", f"SELECT text, reply FROM turns WHERE turn = '{TURNS['a']}' AND run = 'live'").stdout

    assert ["turn", TURNS["a"]] in [line.split() for line in wide.splitlines()]
    assert "━" in narrow
    assert "━" not in wide


def test_several_rows_that_are_too_wide_are_lists(cli: Cli) -> None:
    told = [line.split() for line in cli("log", "query", "SELECT * FROM turns ORDER BY turn, run").stdout.splitlines()]

    assert [line for line in told if line[:1] == ["row"]] == [["row", str(number)] for number in range(1, 7)]
    assert ["turn", TURNS["e"]] in told
