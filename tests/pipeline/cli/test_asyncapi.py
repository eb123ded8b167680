"""`parley asyncapi`."""

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

Cli = Callable[..., Result]


def test_the_document_is_printed_or_written(cli: Cli, tmp_path: Path) -> None:
    printed = cli("asyncapi")
    written = cli("asyncapi", "--out", str(tmp_path / "asyncapi.json"))

    assert json.loads(printed.stdout)["asyncapi"] == "3.0.0"
    assert (written.exit_code, written.stdout) == (0, "")
    assert (tmp_path / "asyncapi.json").read_text() == printed.stdout


def test_a_file_that_cannot_be_written_is_told(cli: Cli, one_line: Callable[[Result], str]) -> None:
    refused = cli("asyncapi", "--out", "no/such/folder/x.json")

    assert refused.exit_code == 2
    assert one_line(refused).startswith("--out: 'no/such/folder/x.json' is not allowed; expected a file")
