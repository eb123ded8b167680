"""`parley replay …`, while Parley runs and when it does not, with rules and with the bundled model."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import Result

from infra.clock import new_id

if TYPE_CHECKING:
    from tests.conftest import Parley

Cli = Callable[..., Result]
OneLine = Callable[[Result], str]
TALK = (
    "remind me tomorrow at three to call the dentist",
    "what are my reminders",
    "remind me in ten minutes to check the oven",
    "Tom owes me 12 euros for lunch",
    "cancel all reminders",
    "yes",
    "what are my reminders",
)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "the turns: None is not allowed; expected one of --conversation, --since"),
        (["--all", "--from", "ears"], "--from: 'ears' is not allowed; expected one of stt, intent, router"),
        (["--all", "--speed", "warp"], "--speed: 'warp' is not allowed; expected max, realtime, or a number above 0"),
        (["--all", "--speed", "-1"], "--speed: '-1' is not allowed"),
        (["--all", "--speed", "nan"], "--speed: 'nan' is not allowed"),
        (["--all", "--name", "live"], "--name: 'live' is not allowed; expected another name than live"),
        (["--all", "--name", "a b"], "--name: 'a b' is not allowed"),
        (["--all", "--name", "x" * 60, "--set", "chat.candidates=2"], "--name: "),
        (["--all", "--resume"], "--name: None is not allowed; expected the name of the run to go on with"),
        (
            ["--all", "--set", "chat.temperature"],
            "--set: 'chat.temperature' is not allowed; expected a key and a value",
        ),
        (
            ["--all", "--set", "data_dir=/tmp"],
            "--set: 'data_dir=/tmp' is not allowed; expected a setting of the stages",
        ),
        (["--all", "--set", "chat.speed=3"], "chat.speed: "),
        (["--all", "--set", "stt.backend=ears"], "stt.backend: 'ears' is not allowed"),
        (["--all", "--set", "prompts=nowhere"], "prompts: 'nowhere' is not allowed; expected a folder that exists"),
        (["--since", "soon"], "--since: 'soon' is not allowed; expected an ISO 8601 time"),
        (["-c", "mine"], "--conversation: 'mine' is not allowed; expected a UUIDv7"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, one_line: OneLine, arguments: list[str], line: str) -> None:
    refused = cli("replay", *arguments)

    assert refused.exit_code == 2
    assert one_line(refused).startswith(line)


def test_a_spoilt_prompt_is_refused_before_anything_is_run(cli: Cli, one_line: OneLine, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "reply.txt").write_text("--- system\nSay nothing.\n--- user\nHello.\n")

    refused = cli("replay", "--all", "--set", "prompts=own")

    assert refused.exit_code == 2
    assert one_line(refused) == "prompts: own/reply.txt: variable 'talk' is given and not used"


def test_without_a_log_there_is_nothing_to_replay(cli: Cli, one_line: OneLine) -> None:
    refused = cli("replay", "--all")

    assert refused.exit_code == 3
    assert "there is no event log" in one_line(refused)
    assert not Path("data/run/parley.json").exists()


def _say(parley: Cli, texts: tuple[str, ...], user: str) -> str:
    conversation = ""
    for text in texts:
        to = ("-c", conversation) if conversation else ()
        told = parley("say", text, "--no-speech", "--json", "--user", user, *to)
        conversation = json.loads(told.stdout)["conversation_id"]
    return conversation


def _table(cli: Cli, sql: str) -> list[dict[str, Any]]:
    answer = cli("log", "query", sql, "--format", "json")
    return [json.loads(line) for line in answer.stdout.splitlines()]


def _user(cli: Cli, conversation: str) -> str:
    [row] = _table(cli, f"SELECT any_value(\"user\") AS name FROM turns WHERE conversation = '{conversation}'")
    return str(row["name"])


@pytest.fixture
def talked(parley: Cli, running_parley: "Parley") -> str:
    """A conversation that is in the log, of somebody who has said nothing else."""
    conversation = _say(parley, TALK, f"rita-{new_id()[-12:]}")
    sql = f"SELECT count(*) AS n FROM turns WHERE conversation = '{conversation}' AND status = 'completed'"
    running_parley.wait_for(lambda: _table(parley, sql)[0]["n"] == len(TALK))
    return conversation


@pytest.mark.slow
def test_beside_a_running_parley_a_conversation_comes_out_the_same_and_nothing_live_is_touched(
    parley: Cli, running_parley: "Parley", talked: str
) -> None:
    live = "SELECT md5(string_agg(e::VARCHAR, '|' ORDER BY log_seq)) AS all FROM events e WHERE run = 'live'"
    before = _table(parley, live)

    done = parley("replay", "-c", talked, "--name", "beside", "--json")

    told = json.loads(done.stdout)
    assert (told["turns"], told["completed"], told["left_out"], told["troubles"]) == (len(TALK), len(TALK), {}, [])
    assert _table(parley, live) == before
    same = parley("replay", "diff", "beside", "--json")
    found = json.loads(same.stdout)
    assert (same.exit_code, found["turns"], found["same"], found["changes"]) == (0, len(TALK), len(TALK), [])
    again = parley("replay", "-c", talked, "--name", "beside")
    assert again.exit_code == 2
    assert "a name that no run in the log has yet" in again.stderr
    assert "beside" in parley("replay", "list").stdout
    owed = parley("say", "what are my reminders", "--no-speech", "-c", talked, "--user", _user(parley, talked))
    assert "You have no reminders." in owed.stdout, "what was replayed was remembered"


@pytest.mark.slow
def test_three_days_later_elsewhere_and_without_a_parley_it_still_is_that_day(
    parley: Cli, cli: Cli, talked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is moved into the past, which is the same as the replay being made later."""
    dumped = parley("log", "dump", "-c", talked).stdout.splitlines()
    moved = [json.dumps(_earlier(json.loads(line), timedelta(days=3))) for line in dumped]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.jsonl").write_text("\n".join(moved))
    assert cli("log", "import", "log.jsonl").exit_code == 0

    assert cli("replay", "--all", "--name", "later").exit_code == 0

    compared = cli("replay", "diff", "later", "--json")
    assert (compared.exit_code, json.loads(compared.stdout)["same"]) == (0, len(TALK))
    assert not (tmp_path / "data" / "state.sqlite3").exists(), "the live state is none of a replay's business"
    [oven] = _table(cli, "SELECT reply FROM turns WHERE run = 'later' AND text LIKE '%oven%'")
    assert "today at " in oven["reply"]


def _earlier(line: dict[str, Any], by: timedelta) -> dict[str, Any]:
    """A line of a dump with all its times moved."""

    def moved(value: Any) -> Any:
        match value:
            case dict():
                return {name: moved(each) for name, each in value.items()}
            case list():
                return [moved(each) for each in value]
            case str() if len(value) > 18 and value[4:5] == "-" and value[10:11] == "T":
                return (datetime.fromisoformat(value) - by).isoformat()
        return value

    return {name: moved(value) for name, value in line.items()}


@pytest.mark.slow
def test_a_run_goes_on_only_as_it_was_begun(parley: Cli, talked: str) -> None:
    name = f"resumed-{talked[-8:]}"
    assert parley("replay", "-c", talked, "--name", name, "--from", "router").exit_code == 0

    other = parley("replay", "-c", talked, "--name", name, "--resume")
    assert other.exit_code == 2
    assert "expected the terms with which it was begun: live from router on" in other.stderr
    unknown = parley("replay", "-c", talked, "--name", f"{name}x", "--resume")
    assert unknown.exit_code == 2
    assert "expected a run that was begun" in unknown.stderr
    again = parley("replay", "-c", talked, "--name", name, "--from", "router", "--resume", "--json")
    assert (again.exit_code, json.loads(again.stdout)["turns"]) == (0, 0)
