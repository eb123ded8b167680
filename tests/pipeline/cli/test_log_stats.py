"""`parley log stats`: the ready questions, from the command line."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import Result

from infra.event_log.log import open_log
from infra.event_log.port import Batch, Row, StreamIdentity
from schemas.catalogue import decode

Cli = Callable[..., Result]
OneLine = Callable[[Result], str]
GOLDEN = Path(__file__).parents[2] / "schemas" / "golden"
STREAM = StreamIdentity("PARLEY_EVENTS", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def logged(tmp_path: Path) -> None:
    """A log of one turn, made of golden events, beside which no Parley runs."""
    names = (
        "v1/TextTurnOpened",
        "v1/IntentClassified",
        "v1/ReplyGenerated",
        "v1/TurnCompleted",
        "v1.1/FeedbackRecorded",
    )
    events = [json.loads((GOLDEN / f"{name}.json").read_bytes()) for name in names]
    turn = events[0]["meta"]["turn"]
    for place, event in enumerate(events):
        event["meta"] |= {"id": f"event-{place}", "turn": turn}
    events[-1]["fact"] |= {"about": turn, "rating": "up"}
    payloads = [json.dumps(event).encode() for event in events]
    hop = {"Parley-Hop": "5.0 100.0 1"}
    rows = tuple(Row(place, decode(each).subject, hop, each) for place, each in enumerate(payloads, start=1))

    async def write() -> None:
        async with await open_log(tmp_path / "data" / "log.duckdb") as log:
            await log.append(Batch(STREAM, rows))

    asyncio.run(write())


@pytest.mark.usefixtures("logged")
def test_the_overview_counts_turns_and_what_people_thought(cli: Cli) -> None:
    told = json.loads(cli("log", "stats", "overview", "--json").stdout)

    (row,) = told["overview"]
    assert (row["turns"], row["completed"], row["failed"], row["users"]) == (1, 1, 0, 1)
    assert (row["up"], row["down"]) == (1, 0)
    assert row["p50_ms"] == row["p95_ms"] > 0


@pytest.mark.usefixtures("logged")
def test_slow_stages_are_told_with_user_and_day(cli: Cli) -> None:
    told = json.loads(cli("log", "stats", "slow_stages", "--json").stdout)["slow_stages"]

    assert {row["stage"] for row in told} >= {"intent", "chat"}
    assert all((row["queue_p95_ms"], row["work_p95_ms"]) == (5.0, 100.0) for row in told)
    assert all((row["first_day"], row["p50_ms"]) == (None, 105.0) for row in told)
    assert all(row["user"] for row in told)


@pytest.mark.usefixtures("logged")
def test_without_names_all_the_usual_ones_are_drawn(cli: Cli) -> None:
    shown = cli("log", "stats")

    assert shown.exit_code == 0
    for title in ("Overview", "Latency by stage", "Slow stages", "Intents", "Engines", "Failures: nothing", "Slowest"):
        assert title in shown.stdout


@pytest.mark.usefixtures("logged")
def test_since_later_than_all_there_is_leaves_nothing(cli: Cli) -> None:
    told = json.loads(cli("log", "stats", "overview", "slow_turns", "--since", "2999-01-01", "--json").stdout)

    assert told == {"overview": [], "slow_turns": []}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "report: 'nothing' is not allowed; expected one of confidence, counts, "),
        (("overview", "--since", "yesterday"), "--since: 'yesterday' is not allowed; expected an ISO 8601 time"),
        (("--conversation", "7"), "--conversation: '7' is not allowed"),
    ],
)
def test_what_cannot_be_asked_is_one_line(cli: Cli, one_line: OneLine, arguments: tuple[str, ...], words: str) -> None:
    refused = cli("log", "stats", *arguments)

    assert refused.exit_code == 2
    assert one_line(refused).startswith(words)
