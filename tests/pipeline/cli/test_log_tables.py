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


COMMENTED = "-- how many turns = all of them, 'live' or not\nSELECT count(*) AS turns FROM turns"


@pytest.mark.parametrize("sql", [COMMENTED, COMMENTED.replace("-- ", "--"), COMMENTED.replace("-- how", "--json how")])
def test_sql_may_begin_with_a_comment(cli: Cli, sql: str) -> None:
    assert cli("log", "query", sql, "--json").stdout == '{"turns": 6}\n'
    assert cli("log", "query", "--json", sql, "--limit", "1").stdout == '{"turns": 6}\n'
    assert cli("log", "query", "--json", "--", sql).stdout == '{"turns": 6}\n'


def test_an_option_with_a_space_in_its_value_stays_one(cli: Cli, tmp_path: Path) -> None:
    done = cli("log", "query", COMMENTED, "--json", f"--out={tmp_path / 'a file'}")

    assert done.exit_code == 0
    assert (tmp_path / "a file").read_text() == '{"turns": 6}\n'


def test_an_option_that_there_is_not_is_refused(cli: Cli) -> None:
    assert cli("log", "query", "SELECT 1", "--jsonl").exit_code == 2


def test_sql_is_read_from_standard_input(cli: Cli, one_line: OneLine) -> None:
    assert cli("log", "query", "-", "--json", given=COMMENTED).stdout == '{"turns": 6}\n'

    refused = cli("log", "query", "-", given=" \n")

    assert refused.exit_code == 2
    assert one_line(refused) == "standard input: ' \\n' is not allowed; expected exactly one SELECT"
