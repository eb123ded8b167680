"""`parley log archive` and `parley log files`, while Parley runs and when it does not."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from infra.clock import SetClock
from infra.event_log.log import open_log
from infra.event_log.port import Batch, Row, StreamIdentity
from schemas.turns import TextTurnOpened

if TYPE_CHECKING:
    from tests.conftest import NewEvent, Parley

Cli = Callable[..., Result]
OneLine = Callable[[Result], str]
TODAY = datetime.now(UTC)


@pytest.fixture
def logged(tmp_path: Path, new_event: "NewEvent") -> None:
    """A log with an event of today and of each of the two days before, beside which no Parley runs."""

    async def write() -> None:
        clock = SetClock(TODAY - timedelta(days=2))
        async with await open_log(tmp_path / "data" / "log.duckdb", clock=clock) as log:
            for number in range(1, 4):
                event = new_event(TextTurnOpened(text=f"number {number}"))
                row = Row(number, event.subject, {}, event.encoded())
                await log.append(Batch(StreamIdentity("S", TODAY), (row,)))
                clock.at += timedelta(days=1)

    asyncio.run(write())


def days(cli: Cli) -> list[tuple[str, int]]:
    """Places and rows, the newest day first."""
    return [(each["place"], each["rows"]) for each in json.loads(cli("log", "files", "--json").stdout)]


@pytest.mark.usefixtures("logged")
def test_without_a_parley_days_that_are_over_move_once_and_are_seen_as_before(cli: Cli) -> None:
    before = cli("log", "dump").stdout
    yesterday = (TODAY - timedelta(days=1)).date().isoformat()

    first, second, third = (cli("log", "archive", *rest) for rest in (["--before", yesterday], [], []))

    assert (first.exit_code, first.stdout.split(",")[:2]) == (0, ["archived: 1 day", " 1 events"])
    assert second.stdout.startswith("archived: 1 day, 1 events, ")
    assert second.stderr.startswith(f"{yesterday}: 1 events, ")
    assert third.stdout == f"nothing to archive from before {TODAY.date()}\n"
    assert days(cli) == [("recent", 1), ("archived", 1), ("archived", 1)]
    assert cli("log", "dump").stdout == before
    shown = cli("log", "files").stdout
    assert "archived" in shown
    assert f"{Path('data') / 'log.duckdb'}: " in shown


@pytest.mark.usefixtures("logged")
def test_a_check_tells_what_is_damaged_until_it_is_back(cli: Cli, tmp_path: Path) -> None:
    cli("log", "archive")
    assert cli("log", "archive", "--check").stdout == "the archive is whole\n"
    file = min((tmp_path / "data" / "log").rglob("*.parquet"))
    whole = bytearray(file.read_bytes())
    file.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])

    damaged = cli("log", "archive", "--check")

    assert damaged.exit_code == 1
    assert f"{file}: its bytes have changed; 1 events of" in damaged.stderr
    assert "1 file of the archive cannot be read; put them back from a copy and check again" in damaged.stderr
    assert days(cli)[-1] == ("unreadable", 1)
    file.write_bytes(whole)
    assert cli("log", "archive", "--check").stdout == "the archive is whole\n"
    assert days(cli)[-1] == ("archived", 1)


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--before", "tomorrow"], "--before: 'tomorrow' is not allowed; expected a day such as 2026-11-14"),
        (["--before", "2999-01-01"], "--before: '2999-01-01' is not allowed; expected a day such as 2026-11-14"),
        (
            ["--check", "--before", "2026-01-01"],
            "--before: '2026-01-01' is not allowed; expected nothing beside --check",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, one_line: OneLine, arguments: list[str], told: str) -> None:
    refused = cli("log", "archive", *arguments)

    assert refused.exit_code == 2
    assert one_line(refused).startswith(told)


def test_where_there_is_no_log_none_is_made(cli: Cli, one_line: OneLine, tmp_path: Path) -> None:
    for command in ("archive", "files"):
        refused = cli("log", command)

        assert refused.exit_code == 3
        assert "there is no event log" in one_line(refused)
    assert not (tmp_path / "data" / "log.duckdb").exists()


@pytest.mark.slow
def test_while_parley_runs_its_logger_moves_them(parley: Cli, running_parley: "Parley", tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "schemas" / "golden" / "v1" / "TextTurnOpened.json"
    moment = "2026-10-03T09:30:00Z"
    event = json.loads(golden.read_bytes())
    event["meta"]["id"] = "archived-by-a-test"
    told = {"dump": 1, "stream": "OLD", "created": moment, "seq": 1, "recorded_at": moment, "event": event}
    (tmp_path / "old.jsonl").write_text(json.dumps(told))
    assert parley("log", "import", str(tmp_path / "old.jsonl")).stdout.startswith("taken in: 1 events")

    moved = parley("log", "archive", "--before", "2026-10-04")

    # The logger itself may have been quicker: it is older than archive_after_days.
    assert moved.stdout.startswith(("archived: 1 day, 1 events, ", "nothing to archive from before 2026-10-04"))
    assert ("archived", 1) in days(parley)
    found = parley("log", "query", "SELECT stage FROM events WHERE id = 'archived-by-a-test'", "--json")
    assert event["meta"]["stage"] in found.stdout
    assert parley("log", "archive", "--check").stdout == "the archive is whole\n"
