"""`scripts/prepare_texts` as a person runs it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra import weights
from infra.embeddings import MINILM_TOKENIZER
from pipeline.texts.writing import NAMES
from tests.pipeline.export.formats import wrong_with
from tests.pipeline.texts.test_preparing import story

MINILM = ["--tokenizer", str(weights.path_of(MINILM_TOKENIZER))]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text(story(number, 30))
    return folder


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "scripts.text_preparation", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def rows(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_folder_becomes_chat_examples_with_a_card_and_twice_the_same_bytes(texts: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        done = run(texts, "--out", str(tmp_path / out), "--validation", "3.txt")
        assert (done.returncode, done.stderr) == (0, "")
    one, two = ({name: (tmp_path / out / name).read_bytes() for name in NAMES} for out in ("one", "two"))

    assert one == two
    told = json.loads(one["card.json"])
    train, validation = rows(tmp_path / "one" / "train.jsonl"), rows(tmp_path / "one" / "validation.jsonl")
    assert told["rows"] == {"train": len(train), "validation": len(validation)}
    assert len(train) > len(validation) > 0
    assert [found for row in train + validation for found in wrong_with("sft", row)] == []
    assert told["chunks"]["tokenizer"] == "smollm2-135m-instruct"
    assert 500 <= told["chunks"]["shortest"] <= told["chunks"]["longest"] <= 2000
    assert told["command"] == "scripts/prepare_texts FOLDER --out DIR --validation '3.txt'"
    sources = rows(tmp_path / "one" / "sources" / "validation.jsonl")
    assert {row["file"] for row in sources} == {"3.txt"}
    assert str(tmp_path) not in (one["card.json"] + one["README.md"]).decode()


def test_a_split_without_rows_is_told_with_what_to_do(texts: Path, tmp_path: Path) -> None:
    done = run(texts, "--out", str(tmp_path / "out"), *MINILM, "--validation", "none.txt")

    assert done.returncode == 0
    assert "validation has no rows: no other file matches none.txt; name files for it" in done.stderr


def test_no_row_at_all_is_exit_1(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "short.md").write_text("Hello there.")

    done = run(tmp_path / "texts", "--out", str(tmp_path / "out"), *MINILM)

    assert done.returncode == 1
    assert "no text has 500 tokens in whole sentences" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "{texts}/out"], "--out: .* expected a folder that is not within"),
        (["--out", "{out}", "--min-tokens", "3"], "--min-tokens: 3 is not allowed; expected 16 or more"),
        (["--out", "{out}", "--max-tokens", "600"], "--max-tokens: 600 is not allowed; expected 1000 or more"),
        (["--out", "{out}", "--tokenizer", "nothing.json"], "--tokenizer: 'nothing.json' is not allowed"),
    ],
)
def test_what_cannot_be_is_exit_2_with_a_line(texts: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    done = run(texts, *(each.format(texts=texts, out=tmp_path / "out") for each in arguments))

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert re.match(f"prepare_texts: {said}", done.stderr)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_none_is_exit_2(tmp_path: Path) -> None:
    done = run(tmp_path / "absent", "--out", str(tmp_path / "out"))

    assert (done.returncode, "FOLDER" in done.stderr) == (2, True)
