"""What is configured reaches the stages: own prompts do."""

from pathlib import Path
from typing import Any, cast

import pytest

from infra.clock import SystemClock
from infra.prompts import PromptBroken
from infra.settings import EngineSettings, Settings
from pipeline import wiring
from stages.intent import doubt_with

BUS = cast(Any, None)  # chat is given none


def configured(own: Path) -> Settings:
    return Settings(prompts=own, engine=EngineSettings(backend="contextual"))


async def test_chat_asks_with_the_own_prompt_also_when_it_comes_later(tmp_path: Path) -> None:
    async with wiring.given_to("chat", configured(tmp_path), BUS, SystemClock()) as given:
        before = given.prompts.render("reply", {"talk": "Hello"})
        (tmp_path / "reply.txt").write_text("--- system\nYou are Ada.\n--- history\n--- user\n{{ talk }}")
        after = given.prompts.render("reply", {"talk": "Hello"})
    assert after.messages[0].content == "You are Ada."
    assert after.use.sha256 != before.use.sha256


async def test_an_own_prompt_that_is_broken_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "reply.txt").write_text("--- user\n{{ mood }}")
    with pytest.raises(PromptBroken, match=r"reply\.txt: variable 'mood' is given by nobody"):
        async with wiring.given_to("chat", configured(tmp_path), BUS, SystemClock()):
            pass


def test_the_intent_stage_asks_with_the_own_prompt(tmp_path: Path) -> None:
    (tmp_path / "choose.txt").write_text("--- user\n{{ utterance }}: {{ candidates }}?")
    doubt = doubt_with(cast(Any, None), "some-8b-instruct", tmp_path)
    assert doubt.prompts is not None
    [message] = doubt.prompts.render("choose", {"utterance": "a", "candidates": "b"}).messages
    assert message.content == "a: b?"
