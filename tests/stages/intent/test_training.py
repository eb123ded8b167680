"""Training: what it writes can be loaded and knows what it was taught; bad examples are refused by name."""

from pathlib import Path

import pytest

from infra.embeddings import MiniLm
from schemas.errors import InvalidField
from schemas.intents import IntentLabel
from stages.intent import IntentGiven, load_head
from stages.intent.classify import shares_of
from stages.intent.examples import EXAMPLES, read_examples
from stages.intent.training import train

KEPT = 25  # examples a label: enough to learn something, few enough to be quick


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    folder = tmp_path / "examples"
    folder.mkdir()
    for label in IntentLabel:
        lines = (EXAMPLES / f"{label.value}.txt").read_text().splitlines()
        (folder / f"{label.value}.txt").write_text("\n".join(lines[:KEPT]))
    return folder


@pytest.mark.slow
def test_a_trained_head_can_be_loaded_and_knows_its_examples(embedder: MiniLm, examples: Path, tmp_path: Path) -> None:
    told: list[str] = []
    about = train(embedder, examples, tmp_path, told.append)

    head = load_head(tmp_path, embedder.model)
    assert head.about == about
    assert about.examples_sha256 == read_examples(examples).sha256
    assert about.cross_validated_accuracy > 0.5
    assert about.accuracy_above_threshold >= about.cross_validated_accuracy
    given = read_examples(examples)
    shares = shares_of(given.texts, IntentGiven(embedder, head))
    right = [max(s, key=lambda label: s[label]) is wanted for s, wanted in zip(shares, given.labels, strict=True)]
    assert sum(right) / len(right) > 0.95
    assert told


def test_a_missing_file_of_examples_is_refused_by_name(embedder: MiniLm, examples: Path, tmp_path: Path) -> None:
    (examples / "create_note.txt").unlink()
    with pytest.raises(InvalidField, match="create_note"):
        train(embedder, examples, tmp_path)


def test_too_few_examples_are_refused(embedder: MiniLm, examples: Path, tmp_path: Path) -> None:
    (examples / "chit_chat.txt").write_text("hello\n# a remark\n\n")
    with pytest.raises(InvalidField, match="at least 10 examples"):
        train(embedder, examples, tmp_path)


def test_one_text_under_two_labels_is_refused(examples: Path) -> None:
    with (examples / "unknown.txt").open("a") as file:
        file.write("\nWhat is this line?\n")
    with (examples / "chit_chat.txt").open("a") as file:
        file.write("\nwhat is this line\n")
    with pytest.raises(InvalidField, match="one label, not chit_chat and unknown"):
        read_examples(examples)
