"""The trained head: that it belongs to its examples, that a changed one is refused, that it is good enough."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from infra.embeddings import MiniLm
from schemas.intents import IntentLabel
from stages.intent import IntentGiven, load_head
from stages.intent.classify import shares_of
from stages.intent.evaluation import evaluate, read_utterances
from stages.intent.examples import read_examples
from stages.intent.head import HERE, SIDECAR_NAME, WEIGHTS_NAME, HeadMismatch

HELD_OUT = Path(__file__).parent / "held_out.jsonl"
DEVELOPMENT = Path(__file__).parent / "development.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the committed head."""
    for name in (WEIGHTS_NAME, SIDECAR_NAME):
        shutil.copy(HERE / name, tmp_path / name)
    return tmp_path


def test_the_committed_head_belongs_to_the_committed_examples(given: IntentGiven) -> None:
    examples = read_examples()
    assert given.head.about.examples_sha256 == examples.sha256, "run `parley intents train` and commit head.*"
    assert given.head.about.examples == len(examples.texts)
    assert set(given.head.about.labels) == set(IntentLabel)


def test_it_loads_in_well_under_a_second() -> None:
    started = time.process_time()
    load_head()
    assert time.process_time() - started < 0.5


def test_its_shares_of_the_labels_sum_to_one(given: IntentGiven) -> None:
    for shares in shares_of(["remind me to call ann", "", "zxcv qwer"], given):
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-5)
        assert set(shares) == set(IntentLabel)


def test_a_text_alone_gets_what_it_gets_among_others(given: IntentGiven) -> None:
    alone = shares_of(["remind me to call ann"], given)[0]
    among = shares_of(["hello there my friend, how are you doing", "remind me to call ann"], given)[1]
    assert np.allclose(list(alone.values()), list(among.values()), atol=0.02)


def test_changed_weights_are_refused_with_what_to_do(folder: Path) -> None:
    with (folder / WEIGHTS_NAME).open("ab") as file:
        file.write(b"!")
    with pytest.raises(HeadMismatch, match="parley intents train"):
        load_head(folder)


def test_a_missing_head_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HeadMismatch, match="parley intents train"):
        load_head(tmp_path)


def test_a_sidecar_that_is_not_one_is_refused(folder: Path) -> None:
    (folder / SIDECAR_NAME).write_text(json.dumps({"labels": []}))
    with pytest.raises(HeadMismatch, match=SIDECAR_NAME):
        load_head(folder)


def test_a_head_for_another_embedding_model_is_refused() -> None:
    with pytest.raises(HeadMismatch) as refused:
        load_head(embedding_model="some-other-model")
    assert refused.value.field == "embedding model"


@pytest.mark.slow
@pytest.mark.parametrize(("file", "single", "several"), [(HELD_OUT, 0.92, 0.6), (DEVELOPMENT, 0.92, 0.6)])
async def test_it_understands_phrasings_that_it_was_not_trained_on(
    given: IntentGiven, file: Path, single: float, several: float
) -> None:
    report = await evaluate(read_utterances(file), given)
    for wanted, kind in ((single, False), (several, True)):
        right, count = report.accuracy(kind)
        assert right / count >= wanted, report.as_text()
    right, count = report.accuracy()
    assert right / count >= 0.90, report.as_text()


def test_no_example_stands_in_the_held_out_file() -> None:
    def folded(text: str) -> str:
        return text.casefold().strip(" .!?")

    trained = {folded(text) for text in read_examples().texts}
    for file in (HELD_OUT, DEVELOPMENT):
        same = sum(folded(utterance.text) in trained for utterance in read_utterances(file))
        assert same == 0, f"{same} lines of {file.name} are examples too"


def test_the_embedder_of_the_committed_head_is_the_bundled_one(embedder: MiniLm, given: IntentGiven) -> None:
    assert given.head.about.embedding_model == embedder.model
    assert given.head.weights.shape[0] == len(given.head.about.labels)
