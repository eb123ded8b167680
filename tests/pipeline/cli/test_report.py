"""`parley report`: the figures of a log that is counted by hand (tests/counted_log.py)."""

import asyncio
import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import Result

from infra.event_log import duck
from infra.event_log.log import open_log
from infra.event_log.port import LogLimits
from pipeline.report.asking import USED
from tests import counted_log
from tests.counted_log import CONVERSATIONS, SCRIPT, TURNS

if TYPE_CHECKING:
    from tests.conftest import Parley

Cli = Callable[..., Result]
OneLine = Callable[[Result], str]


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """The log, read in Berlin, with a price for qwen; no Parley runs."""
    asyncio.run(counted_log.write(tmp_path / "data" / "log.duckdb"))
    (tmp_path / "config.yaml").write_text(
        "time_zone: Europe/Berlin\ncurrency: EUR\nprices:\n  qwen: {prompt: 2, completion: 5}\n"
    )


def figures(cli: Cli, *arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(cli("report", "--json", *arguments).stdout)
    return told


@pytest.mark.usefixtures("logged")
def test_the_overview_and_the_days_are_those_of_the_users_time_zone(cli: Cli) -> None:
    told = figures(cli)

    assert told["time_zone"] == "Europe/Berlin"
    assert told["overview"] == {
        "turns": 5,
        "conversations": len(set(CONVERSATIONS.values())),
        "users": 2,
        "spoken": 1,
        "completed": 2,
        "failed": 1,
        "refused": 0,
        "interrupted": 1,
        "open": 1,
        "p50_ms": 500.0,  # between 100 and 900 of 60, 100, 900, 5,000
        "p95_ms": 4385.0,
        "up": 1,
        "down": 1,
    }
    of_turns = ("day", "turns", "completed", "failed", "interrupted", "open", "clarified", "fallbacks")
    assert [tuple(day[name] for name in of_turns) for day in told["days"]] == [
        ("2026-11-21", 2, 0, 0, 1, 1, 0, 0),
        ("2026-11-20", 3, 2, 1, 0, 0, 1, 1),  # the first was asked at 00:30 in Berlin
    ]


@pytest.mark.usefixtures("logged")
def test_latency_tells_queue_and_work_apart_and_who_is_slow_since_when(cli: Cli) -> None:
    told = figures(cli)
    latency = {row["stage"]: row for row in told["latency"]}

    assert {stage: row["handled"] for stage, row in latency.items()} == {
        "keeper": 9,  # five openings, four ends
        "intent": 4,
        "router": 3,  # what the task and the reply to it were is one handling
        "chat": 3,
        "reranker": 2,
        "stt": 1,
        "tts": 1,
    }
    chat = latency["chat"]
    assert (chat["queue_p50_ms"], chat["queue_p95_ms"], chat["queue_p99_ms"]) == (5.0, 36.5, 39.3)
    assert (chat["work_p50_ms"], chat["work_p95_ms"], chat["work_p99_ms"]) == (20.0, 632.0, 686.4)
    assert told["slow_stages"][0] == {
        "stage": "chat",
        "user": "anna",
        "first_day": None,  # no day before was otherwise
        "last_day": None,
        "before_ms": None,
        "p50_ms": 203.8,  # of 382.5 and 25
        "worst_day": "2026-11-20",
        "queue_p95_ms": 38.3,  # 38.25
        "work_p95_ms": 666.0,
        "handled": 3,
    }
    assert len(told["slow_stages"]) == 1  # the others take 25 ms


@pytest.mark.usefixtures("logged")
def test_intents_confidence_and_decisions_are_counted(cli: Cli) -> None:
    told = figures(cli)

    assert {row["label"]: row["intents"] for row in told["intents"]} == dict.fromkeys(
        ("create_note", "chit_chat", "unknown", "create_reminder", "list_notes"), 1
    )
    assert [(row["from_confidence"], row["intents"], row["by_head"]) for row in told["confidence"]] == [
        (0.2, 1, 0),
        (0.5, 1, 0),
        (0.8, 2, 2),
        (0.9, 1, 1),
    ]
    assert told["decisions"] == {
        "turns": 3,
        "automatic": 2,
        "clarified": 1,
        "nothing_heard": 0,
        "clarified_percent": 33.3,
    }


@pytest.mark.usefixtures("logged")
def test_fallbacks_failures_and_feedback_are_counted(cli: Cli) -> None:
    told = figures(cli)

    assert told["fallbacks"] == [
        {"what": "intent", "asked": 5, "fallbacks": 1, "percent": 20.0, "reason": None},
        {"what": "reply", "asked": 3, "fallbacks": 1, "percent": 33.3, "reason": "vllm: no answer in 20 s"},
    ]
    [failure] = told["failures"]
    assert (failure["type"], failure["stage"], failure["code"], failure["times"]) == (
        "TurnFailed",
        "chat",
        "deadline",
        1,
    )
    counted = {row["label"]: (row["given"], row["up"], row["down"], row["relabelled"]) for row in told["feedback"]}
    assert counted == {"chit_chat": (2, 0, 1, 1), "create_note": (1, 1, 0, 0)}


@pytest.mark.usefixtures("logged")
def test_tokens_cost_what_their_price_says(cli: Cli) -> None:
    told = figures(cli)

    assert told["tokens"] == [
        {
            "model": "qwen",
            "backend": "vllm",
            "replies": 2,
            "prompt_tokens": 150,
            "completion_tokens": 50,
            "cost": "0.00055",  # 150 at 2 and 50 at 5 a million
            "currency": "EUR",
        }
    ]
    assert told["cost"] == {"known": {"EUR": "0.00055"}, "unknown_models": [], "uncounted_models": []}
    assert "Cost: 0.00055 EUR." in cli("report").stdout


@pytest.mark.usefixtures("logged")
def test_a_price_that_nobody_told_is_unknown_and_not_nothing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("prices: {other: {prompt: 1, completion: 1}}\n")

    told = figures(cli)
    [tokens] = told["tokens"]

    assert (tokens["cost"], tokens["currency"]) == (None, None)
    assert told["cost"] == {"known": {}, "unknown_models": ["qwen"], "uncounted_models": []}
    assert "Cost: unknown for qwen: `prices` has none." in cli("report").stdout


@pytest.mark.usefixtures("logged")
def test_the_slowest_turns_come_with_their_waterfall(cli: Cli) -> None:
    slowest = figures(cli)["slow_turns"]

    assert [(row["turn"], row["total_ms"]) for row in slowest] == [
        (TURNS["c"], 5000.0),
        (TURNS["b"], 900.0),
        (TURNS["a"], 100.0),
        (TURNS["e"], 60.0),
    ]
    assert slowest[0]["text"] == SCRIPT
    [chat] = [span for span in slowest[1]["waterfall"] if span["stage"] == "chat"]
    assert (chat["queued_ms"], chat["began_ms"], chat["ended_ms"]) == (
        115.0,
        155.0,
        855.0,
    )  # 25 from submission to opening
    assert chat["note"] == "contextual rules, fallback: vllm: no answer in 20 s"


@pytest.mark.usefixtures("logged")
def test_since_until_and_run_choose_what_is_told(cli: Cli) -> None:
    def turns(*arguments: str) -> int:
        overview = figures(cli, *arguments)["overview"]
        return overview["turns"] if overview else 0

    assert turns("--since", "2026-11-21") == 2
    assert turns("--until", "2026-11-21") == 3
    assert turns("--since", "2026-11-20T12:00", "--until", "2026-11-21T10:15") == 1
    assert turns("--since", "2026-11-20T00:30:00.000001") == 4  # in Berlin; the first was opened at 00:30
    assert turns("--until", "2026-11-20T00:30") == 0  # which is left out
    assert turns("--run", "again") == 1
    assert turns("--run", "no-such-run") == 0


@pytest.mark.usefixtures("logged")
def test_a_log_without_what_was_said_has_the_same_figures(cli: Cli, tmp_path: Path) -> None:
    whole = figures(cli)
    (tmp_path / "data" / "log.duckdb").unlink()
    asyncio.run(counted_log.write(tmp_path / "data" / "log.duckdb", keeps_content=False))
    bare = figures(cli)

    same = (
        "overview",
        "days",
        "latency",
        "slow_stages",
        "intents",
        "confidence",
        "decisions",
        "tokens",
        "feedback",
        "cost",
    )
    assert {name: bare[name] for name in same} == {name: whole[name] for name in same}
    assert [row["text"] for row in bare["slow_turns"]] == ["", "", "", ""]


@pytest.mark.usefixtures("logged")
def test_the_shape_of_the_json_is_what_programs_may_rely_on(cli: Cli) -> None:
    told = figures(cli, "--since", "2026-11-20")

    assert list(told) == ["run", "since", "until", "time_zone", *USED, "cost", "truncated"]
    assert (told["run"], told["since"], told["until"]) == ("live", "2026-11-20T00:00:00+01:00", None)


@pytest.mark.usefixtures("logged")
def test_the_terminal_tells_every_part(cli: Cli) -> None:
    shown = cli("report")

    assert shown.exit_code == 0
    for words in ("turns: 5", "Days: ", "Latency by stage: ", "Decisions: ", "Tokens: ", "Feedback: ", "5,000 ms · "):
        assert words in shown.stdout
    assert "Traceback" not in shown.stdout


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_terminal_has_room_for_it_and_obeys_nothing_that_was_said(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))

    shown = cli("report").stdout

    assert max(map(len, shown.splitlines())) <= width
    assert "\x1b" not in shown
    assert "\ufffd[31m" in shown
    [qwen] = [line for line in shown.splitlines() if line.startswith((" qwen", " vllm     qwen")) and "150" in line]
    assert width < 80 or "0.00055 EUR" in qwen


@pytest.mark.usefixtures("logged")
def test_the_page_is_written_whole_for_its_owner_only(cli: Cli, tmp_path: Path) -> None:
    done = cli("report", "--html", "out.html")

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "the report is in out.html\n")
    assert stat.S_IMODE((tmp_path / "out.html").stat().st_mode) == 0o600
    html = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    assert html.endswith("</html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "data", "out.html"]


def test_while_parley_runs_its_owner_is_asked(parley: Cli, running_parley: "Parley", tmp_path: Path) -> None:
    began = datetime.now(UTC).isoformat()
    turn = json.loads(parley("say", "note to buy <b>milk</b>", "--no-speech", "--json").stdout)["turn_id"]

    def slowest() -> dict[str, Any]:
        return {row["turn"]: row for row in figures(parley, "--since", began)["slow_turns"]}

    running_parley.wait_for(lambda: turn in slowest())
    assert {"intent", "router", "chat"} <= {span["stage"] for span in slowest()[turn]["waterfall"]}
    assert parley("report", "--since", began, "--html", str(tmp_path / "out.html")).exit_code == 0
    assert "note to buy &lt;b&gt;milk&lt;/b&gt;" in (tmp_path / "out.html").read_text(encoding="utf-8")


def test_an_empty_log_has_nothing_to_tell(cli: Cli, tmp_path: Path) -> None:
    async def make() -> None:
        async with await open_log(tmp_path / "data" / "log.duckdb"):
            pass

    asyncio.run(make())

    assert "nothing to tell yet" in cli("report").stdout
    assert figures(cli)["overview"] is None


@pytest.mark.usefixtures("logged")
def test_a_log_of_an_older_parley_is_told_as_such(cli: Cli, one_line: OneLine, tmp_path: Path) -> None:
    connection = duck.connect(tmp_path / "data" / "log.duckdb", LogLimits(), read_only=False)
    connection.run("DROP VIEW decisions")
    connection.close()

    refused = cli("report")

    assert refused.exit_code == 3
    assert one_line(refused).startswith("the log lacks a view that the report asks for; start this Parley once")


def test_without_a_log_it_says_what_makes_one(cli: Cli, one_line: OneLine) -> None:
    refused = cli("report")

    assert refused.exit_code == 3
    assert "there is no event log; it is made when Parley first runs" in one_line(refused)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), "--since: 'yesterday' is not allowed; expected an ISO 8601 time"),
        (("--until", "soon"), "--until: 'soon' is not allowed; expected an ISO 8601 time"),
        (
            ("--since", "2026-11-21", "--until", "2026-11-20"),
            "--until: '2026-11-20' is not allowed; expected a time after",
        ),
        (("--run", "a.b"), "--run: 'a.b' is not allowed"),
        (
            ("--html", "no/such/folder.html"),
            "--html: 'no/such/folder.html' is not allowed; expected a file in a folder",
        ),
    ],
)
def test_what_cannot_be_told_is_one_line(cli: Cli, one_line: OneLine, arguments: tuple[str, ...], words: str) -> None:
    refused = cli("report", *arguments)

    assert refused.exit_code == 2
    assert one_line(refused).startswith(words)
