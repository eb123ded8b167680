"""A replay as a test of prompts, with the bundled model: steady when nothing was changed, worse when one is spoilt."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from schemas.intents import IntentLabel
from tests.conftest import PARLEY, outside
from tests.pipeline.replay.conftest import Past, wants

PROMPTS = Path(__file__).parents[3] / "stages" / "chat" / "prompts"
CHATS = (
    "what is a good breakfast for a runner?",
    "who was Albert Einstein?",
    "tell me something about whales",
    "how do I boil an egg?",
)


@pytest.mark.slow
async def test_an_unchanged_replay_is_steady_and_a_sabotaged_prompt_is_found(past: Past, tmp_path: Path) -> None:
    for text in CHATS:
        await past.turn(text, wants(IntentLabel.GENERAL_QUERY, text), reply="That is a good question.")
    await past.write()
    await past.log.aclose()
    (tmp_path / "data").mkdir()
    (tmp_path / "log.duckdb").rename(tmp_path / "data" / "log.duckdb")

    def parley(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [PARLEY, "replay", *arguments], cwd=tmp_path, env=outside(), capture_output=True, text=True, check=False
        )

    for name in ("first", "second"):
        done = parley("--all", "--name", name, "--from", "chat", "--parallel", "1")
        assert done.returncode == 0, done.stderr
    steady = parley("diff", "second", "first", "--json")
    assert (steady.returncode, json.loads(steady.stdout)["regressions"]) == (0, [])

    shutil.copytree(PROMPTS, tmp_path / "own")
    banana = [{"user": asked, "assistant": "Banana."} for asked in ("Hello!", "Who was Newton?", "What is tea?")]
    (tmp_path / "own" / "reply.examples.jsonl").write_text("\n".join(map(json.dumps, banana)))
    done = parley("--all", "--name", "banana", "--from", "chat", "--parallel", "1", "--set", "prompts=own")
    assert done.returncode == 0, done.stderr
    worse = parley("diff", "banana", "--json")
    told = json.loads(worse.stdout)
    assert (worse.returncode, told["base"], len(told["regressions"]) > 0) == (1, "banana-control", True)
    assert json.loads(told["changed"]) == {"prompts": "own", "chat.temperature": "0"}
