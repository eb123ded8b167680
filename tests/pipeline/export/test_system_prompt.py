"""The system prompt that a turn is exported with."""

from datetime import UTC, datetime
from pathlib import Path

from infra.prompts import Prompts
from pipeline.export.system_prompt import SystemPrompts
from pipeline.export.turns import LoggedTurn
from stages.chat.prompting import REPLY, SHELF


def turn(name: str, sha256: str) -> LoggedTurn:
    found = LoggedTurn(name, "conversation", "anna", datetime(2026, 11, 20, tzinfo=UTC), text="how are you?")
    found.generated = {"prompt": {"name": REPLY, "sha256": sha256}}
    return found


def test_it_is_the_text_of_the_prompt_and_turns_with_another_one_are_counted() -> None:
    prompts = SystemPrompts(None)
    today = Prompts(SHELF).version(REPLY).sha256

    said = prompts.of(turn("one", today))
    prompts.of(turn("two", "0" * 64))
    prompts.of(turn("two", "0" * 64))

    assert said.startswith("You are Parley")
    assert "spider" not in said  # an example of the prompt
    assert prompts.older == 1


def test_a_prompt_of_ones_own_that_tells_what_is_talked_about_is_filled_in_for_each_turn(tmp_path: Path) -> None:
    (tmp_path / "reply.txt").write_text("--- system\nAnswer this: {{ talk }}\n--- history\n--- user\n{{ talk }}\n")

    assert SystemPrompts(tmp_path).of(turn("one", "")) == "Answer this: how are you?"
