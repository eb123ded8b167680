"""`parley log query`: tables as they look on a terminal of 80 columns; no Parley runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests import counted_log

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
