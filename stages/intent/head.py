"""The trained head: which intent an utterance has, as a probability for each label. numpy only, loads in milliseconds.

Its weights (head.npz) and what they were made from (head.json) lie beside this file and are made together by
stages/intent/training.py; weights that do not match their sidecar are refused. It embeds nothing itself.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import InvalidField
from schemas.intents import IntentLabel
from stages.intent.features import Matrix, lexical

HERE: Final = Path(__file__).parent
WEIGHTS_NAME: Final = "head.npz"
SIDECAR_NAME: Final = "head.json"
TRAIN_AGAIN: Final = "the weights that were trained with it; run `parley intents train` to make both again"

Probabilities = npt.NDArray[np.float32]
"""One row a text, one column a label in the order of the sidecar; each row sums to 1."""


class Sidecar(BaseModel):
    """What a head was made from, and how good it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[IntentLabel, ...]
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    examples_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    examples: int
    embedding_model: str
    cross_validated_accuracy: float
    threshold: float = Field(ge=0, le=1)  # at and above this probability the head decides alone
    accuracy_above_threshold: float  # cross-validated, of the utterances that the head decides alone
    share_above_threshold: float


class HeadMismatch(InvalidField):
    """Weights and sidecar do not belong together, or one is missing."""


@dataclass(frozen=True, slots=True)
class Head:
    """A linear map from embedding and words to labels, and a softmax."""

    about: Sidecar
    weights: Matrix  # (labels, embedding dimension + lexical features)
    bias: Matrix  # (labels,)

    def probabilities(self, texts: Sequence[str], vectors: Matrix) -> Probabilities:
        """For each text (as `plain` gives it) and its embedding, the probability of each label."""
        scores = np.hstack((vectors, lexical(texts))) @ self.weights.T + self.bias
        scores -= scores.max(axis=1, keepdims=True)
        odds = np.exp(scores)
        shares: Probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
        return shares


def load_head(folder: Path = HERE, embedding_model: str | None = None) -> Head:
    """The head of a folder. Raises HeadMismatch when it is missing, changed, or made for another embedding model."""
    try:
        about = Sidecar.model_validate_json((folder / SIDECAR_NAME).read_bytes())
        content = (folder / WEIGHTS_NAME).read_bytes()
    except OSError as error:
        raise HeadMismatch("intent head", str(error.filename), TRAIN_AGAIN) from error
    except ValidationError as error:
        raise HeadMismatch("intent head", SIDECAR_NAME, TRAIN_AGAIN) from error
    found = hashlib.sha256(content).hexdigest()
    if found != about.weights_sha256:
        raise HeadMismatch("intent head", f"{WEIGHTS_NAME} with SHA-256 {found[:16]}…", TRAIN_AGAIN)
    if embedding_model is not None and embedding_model != about.embedding_model:
        raise HeadMismatch("embedding model", embedding_model, f"{about.embedding_model!r}; {TRAIN_AGAIN}")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Head(about, arrays["weights"].astype(np.float32), arrays["bias"].astype(np.float32))


def save_head(head: Head, folder: Path = HERE) -> Sidecar:
    """Write weights (half precision) and sidecar, which gets the weights' hash; returns the sidecar."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, weights=head.weights.astype(np.float16), bias=head.bias.astype(np.float32))
    content = buffer.getvalue()
    about = head.about.model_copy(update={"weights_sha256": hashlib.sha256(content).hexdigest()})
    (folder / WEIGHTS_NAME).write_bytes(content)
    (folder / SIDECAR_NAME).write_text(json.dumps(about.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    return about
