"""`datasets` loads every kind of export as it is, and TRL's own functions take its rows for what they are."""

import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra import weights
from infra.clock import new_id
from infra.embeddings import MINILM_TOKENIZER
from pipeline.export.catalogue import KINDS
from pipeline.export.splitting import split_of
from schemas.intents import IntentLabel, Slots
from schemas.tasks import TaskOutcome
from tests.pipeline.export import trl_environment
from tests.pipeline.texts.test_preparing import story

if TYPE_CHECKING:
    from pipeline.export.exporting import Done
    from tests.pipeline.export.conftest import Talks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Exported = Callable[..., Awaitable["Done"]]
READER = Path(__file__).with_name("trl_reader.py")
SKILLS = (
    (IntentLabel.ADD_FRIEND, Slots(person="Zoe"), "I've added Zoe, friend number {number}."),
    (IntentLabel.CREATE_NOTE, Slots(title="milk"), "I've noted milk and {number} more."),
)


def conversation_in(split: str) -> str:
    while split_of(told := new_id()) != split:
        pass
    return told


def talk(talks: "Talks") -> None:
    """In both splits: small talk with candidates and a judgement, skills with tool calls, questions asked back."""
    for number in range(12):
        told: dict[str, Any] = {"conversation": conversation_in(("train", "train", "test")[number % 3])}
        first, second = f"It is fact {number * 7919}. Ask on.", f"Nobody knows number {number * 104729}."
        asked = f"what about the number {number * 15485863} of all numbers?"
        judged = talks.say(asked, "", candidates=(first, second), totals=(0.9, 0.5), **told)
        talks.judge(judged, rating="up" if number % 2 else "down", comment=f"remark {number * 31337}")
        talks.learn(judged, facets={("concise", "patient")[number % 2]: number / 12}, reason=f"seen {number * 31337}")
        label, slots, message = SKILLS[number % 2]
        outcome = TaskOutcome(skill=label, success=True, message=message.format(number=number * 7907))
        did = f"please do thing {number * 1299709} for me"
        talks.say(did, outcome.message, number=2, label=label, slots=slots, task=outcome, **told)
        question = f"Shall I note {number * 86028121}?"
        guess: dict[str, Any] = {"label": IntentLabel.CREATE_NOTE, "decided_by": "fallback", "confidence": 0.45}
        talks.say(f"{number * 86028121}", question, number=3, clarification=question, **guess, **told)
        talks.say("yes", "Done.", number=4, **told)


@pytest.fixture
async def found(talks: "Talks", exported: Exported, tmp_path: Path) -> dict[str, Any]:
    """What the reader says of each kind, from JSON lines and from Parquet, and of prepared texts."""
    from scripts import text_preparation

    talk(talks)
    exports: dict[str, Any] = {}
    for kind in KINDS:
        done = await exported(kind, tmp_path / kind, format="both")
        assert all(done.rows.values()), (kind, done.rows)
        exports[kind] = {"folder": str(tmp_path / kind)}
        files = {split: str(tmp_path / kind / f"{split}.parquet") for split in done.rows}
        exports[f"{kind} as parquet"] = {"files": files}
    (tmp_path / "stories").mkdir()
    for number in range(3):
        (tmp_path / "stories" / f"{number}.txt").write_text(story(number, 60))
    tokenizer = str(weights.path_of(MINILM_TOKENIZER))
    prepared = ["--out", str(tmp_path / "texts"), "--tokenizer", tokenizer, "--validation", "2.txt"]
    assert text_preparation.main([str(tmp_path / "stories"), *prepared]) == 0
    exports["texts"] = {"folder": str(tmp_path / "texts")}
    told = read(exports, tokenizer, tmp_path)
    assert told["trl"] == "1.16.0"
    return dict(told["found"])


def read(exports: dict[str, Any], tokenizer: str, home: Path) -> dict[str, Any]:
    """What the reader says, offline and with a home of its own."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [str(trl_environment.python()), "-I", str(READER)],
        input=json.dumps({"exports": exports, "tokenizer": tokenizer}),
        env={**offline, "HF_HOME": str(home / "cache"), "HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


async def test_datasets_and_trl_read_every_kind(found: dict[str, Any], tmp_path: Path) -> None:
    for name, told in found.items():
        kind = name.removesuffix(" as parquet")
        card = json.loads((tmp_path / kind / "card.json").read_text())
        assert told["splits"] == card["rows"], f"{name}: `datasets` finds all rows of both splits"
        if kind in KINDS:
            assert told["columns"] == sorted(KINDS[kind].columns), name
        rows = sum(told["splits"].values())
        chat = kind in ("sft", "dpo", "feedback", "texts")
        assert told["conversational"] == (rows if chat else 0), name

    said = [each["text"] for each in found["sft"]["texts"]]
    assert all(text.startswith("<|im_start|>system\n") and text.rstrip().endswith("<|im_end|>") for text in said)
    calls = [text for text in said if '<tool_call>\n{"name": "add_friend"' in text]
    assert calls and all('"person": "[NAME_1]"' in text and '"type": "function"' in text for text in calls)
    assert all(set(each) == {"prompt", "chosen", "rejected"} for each in found["dpo"]["texts"])
    assert all(each["prompt"].endswith("<|im_start|>assistant\n") for each in found["dpo"]["texts"])
    assert all(found["dpo"]["prompts"])
    assert found["dpo"]["unpaired"] == 2 * sum(found["dpo"]["splits"].values())
    assert {each["label"] for each in found["feedback"]["texts"]} == {True, False}
    assert all("Write " in each["text"] for each in found["texts"]["texts"])
