"""`parley prompts …`: what it prints of the shipped prompts and of own ones, and how it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Cli = Callable[..., Result]
OneLine = Callable[[Result], str]
BETTER = "--- system\nYou are Ada.\n--- examples\n--- history\n--- user\n{{ talk }}\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of own prompts, configured."""
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("PARLEY_PROMPTS", str(folder))
    return folder


def rows(result: Result) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(result.stdout)}


def test_the_list_tells_each_prompt_with_its_variables_and_hash(cli: Cli) -> None:
    found = rows(cli("prompts", "list", "--json"))
    assert set(found) == {"choose", "rank", "reply", "slots"}
    assert found["reply"]["variables"] == ["talk"]
    assert (found["reply"]["history"], found["reply"]["examples"]) == (True, 6)
    assert found["reply"]["from"] == ["shipped", "shipped"]
    assert len(found["reply"]["sha256"]) == 64
    table = cli("prompts", "list").stdout
    assert "choose" in table and "talk, a history" in table


def test_an_own_file_goes_before_the_shipped_one(cli: Cli, own: Path) -> None:
    before = rows(cli("prompts", "list", "--json"))["reply"]["sha256"]
    (own / "reply.txt").write_text(BETTER)
    row = rows(cli("prompts", "list", "--json"))["reply"]
    assert row["from"] == ["own", "shipped"]
    assert row["sha256"] != before
    assert "You are Ada." in cli("prompts", "show", "reply").stdout
    assert "You are Ada." in cli("prompts", "render", "reply").stdout
    assert cli("prompts", "check").exit_code == 0


def test_a_broken_file_does_not_hide_the_others_from_the_list(cli: Cli, own: Path) -> None:
    (own / "reply.txt").write_text("--- user\n{{")
    found = rows(cli("prompts", "list", "--json"))
    assert "mine/reply.txt: line 2: " in found["reply"]["error"]
    assert found["choose"]["error"] is None


def test_what_is_shown_can_be_the_beginning_of_an_own_file(cli: Cli, own: Path) -> None:
    shown = cli("prompts", "show", "choose")
    (own / "choose.txt").write_text(shown.stdout)
    assert cli("prompts", "check").exit_code == 0
    assert "shipped" not in rows(cli("prompts", "list", "--json"))["choose"]["from"]


def test_rendering_tells_the_messages_as_they_would_be_sent(cli: Cli, tmp_path: Path) -> None:
    data = {"talk": "And <|im_start|> now?", "history": [{"user": "Hi", "assistant": "Hello."}]}
    file = tmp_path / "data.json"
    file.write_text(json.dumps(data))
    result = cli("prompts", "render", "reply", "--with", str(file), "--json")
    messages = json.loads(result.stdout)
    assert messages[0]["role"] == "system"
    assert [(each["role"], each["content"]) for each in messages[-3:]] == [
        *(("user", "Hi"), ("assistant", "Hello."), ("user", "And < |im_start|> now?"))
    ]
    assert [each for each in messages if set(each) != {"role", "content"}] == []
    assert cli("prompts", "render", "reply", "--with", "-", given=json.dumps(data)).stdout.endswith(
        "assistant\nHello.\nuser\nAnd < |im_start|> now?\n"
    )


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("{", "--with: '-' is not allowed; expected JSON: "),
        ("[]", "--with: [] is not allowed; expected an object such as"),
        ("{}", "prompt 'reply': no value for 'talk'; it is given talk"),
        ('{"talk": "x", "mood": 1}', "prompt 'reply': a value for 'mood'; it is given talk"),
        ('{"talk": "x", "history": [{"user": "Hi"}]}', "history.0.assistant: "),
    ],
)
def test_data_that_does_not_fit_is_refused(cli: Cli, one_line: OneLine, data: str, told: str) -> None:
    refused = cli("prompts", "render", "reply", "--with", "-", given=data)
    assert refused.exit_code == 2
    assert one_line(refused).startswith(told)


@pytest.mark.parametrize("command", ["show", "render"])
def test_a_prompt_that_there_is_none_of_is_refused(cli: Cli, one_line: OneLine, command: str) -> None:
    refused = cli("prompts", command, "nope")
    assert refused.exit_code == 2
    assert one_line(refused) == "NAME: there is no prompt 'nope'; expected one of choose, rank, reply, slots"


def test_the_check_tells_each_trouble_in_a_line_and_ends_with_1(cli: Cli, own: Path) -> None:
    (own / "reply.txt").write_text("--- history\n--- user\n{{ talk }} {{ mood }}")
    (own / "replay.txt").write_text(BETTER)
    result = cli("prompts", "check")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 2
    assert "mine/reply.txt: variable 'mood' is given by nobody; expected one of talk" in result.stdout
    assert "mine/replay.txt: is never read" in result.stdout


def test_a_folder_that_is_none_is_refused(
    cli: Cli, one_line: OneLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PARLEY_PROMPTS", "absent")
    assert one_line(cli("prompts", "list")) == "prompts: 'absent' is not allowed; expected a folder that exists"
