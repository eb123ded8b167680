"""The command line called in this process, against the Parley that runs for all tests or against none."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

if TYPE_CHECKING:
    from tests.conftest import Parley

Cli = Callable[..., Result]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Calls `parley` in an empty folder, without a Parley that runs."""
    for name in tuple(os.environ):
        if name.startswith(("PARLEY_", "NATS_", "OTEL_", "MINIMAL_MODE", "SLM_", "VLLM_", "CHAT_", "HF_TOKEN")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MINIMAL_MODE", "true")
    monkeypatch.chdir(tmp_path)
    return _called


@pytest.fixture
def parley(cli: Cli, monkeypatch: pytest.MonkeyPatch, running_parley: "Parley") -> Cli:
    """Calls `parley` where one runs."""
    monkeypatch.chdir(running_parley.folder)
    return cli


def _called(*arguments: str, given: str | bytes | None = None) -> Result:
    from pipeline.cli.app import app

    result = CliRunner().invoke(app, arguments, input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def one_line() -> Callable[[Result], str]:
    """The one line on standard error with which a command has refused."""

    def line(refused: Result) -> str:
        assert refused.stdout == ""
        [told] = refused.stderr.strip().splitlines()
        assert told.startswith("parley: ")
        return told.removeprefix("parley: ")

    return line
