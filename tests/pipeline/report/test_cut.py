"""A report of answers that the log has cut says so, wherever it is read."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from infra.event_log.log import open_read_only
from infra.event_log.port import Parameter, Table
from pipeline.cli.report_tables import show
from pipeline.report.asking import Scope, Told, told
from pipeline.report.page import page
from pipeline.report.programs import tree
from tests import counted_log

CUT = "The first 2 rows: the log has more than the 2 that fit into its answer."


async def answered(folder: Path, limit_rows: int | None) -> Told:
    await counted_log.write(folder / "log.duckdb")
    async with await open_read_only(folder / "log.duckdb") as log:

        async def ask(sql: str, parameters: Mapping[str, Parameter]) -> Table:
            whole = "FROM events WHERE turn" in sql
            return await log.ask(sql, parameters, limit_rows=None if whole else limit_rows)

        return await told(ask, Scope(zone="UTC"), {}, "EUR")


async def test_cut_tables_say_so_on_the_terminal_on_the_page_and_to_programs(tmp_path: Path) -> None:
    cut = await answered(tmp_path, 2)
    names = ["days", "latency", "intents", "confidence", "slow_turns"]

    assert tree(cut)["truncated"] == names
    assert page(cut).count(CUT) == len(names)
    assert shown(cut).count(CUT) == len(names)


async def test_whole_tables_do_not(tmp_path: Path) -> None:
    whole = await answered(tmp_path, None)

    assert tree(whole)["truncated"] == []
    assert "more than" not in page(whole)
    assert "more than" not in shown(whole)


@pytest.mark.parametrize(("limit_rows", "line"), [(5, "The first 3 rows: the log has more than the 5"), (None, "of 7")])
async def test_a_terminal_that_shows_only_some_of_them_tells_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit_rows: int | None, line: str
) -> None:
    monkeypatch.setattr("pipeline.cli.report_tables.ROWS_MAX", 3)

    assert line in shown(await answered(tmp_path, limit_rows))


def shown(answers: Told) -> str:
    """As a wide terminal shows it."""
    console = Console(file=io.StringIO(), width=200)
    show(console, answers)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
