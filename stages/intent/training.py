"""Trains the head from the written examples. The only file that needs scikit-learn; nothing at run time imports it.

Cross-validation gives every example a probability from a head that has not seen it; accuracy and threshold are
measured on those, never on what the head was trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from infra.embeddings import Embedder
from schemas.intents import IntentLabel
from stages.intent.examples import EXAMPLES, read_examples
from stages.intent.features import Matrix, lexical, plain
from stages.intent.head import HERE, Head, Sidecar, save_head

FOLDS: Final = 5
INVERSE_REGULARISATION: Final = 20.0  # 5 to 60 tried by cross-validation and on the development set; flat from 10 on
MAX_ITERATIONS: Final = 300
SEED: Final = 0
WANTED_ACCURACY: Final = 0.96  # of what the head decides alone; the threshold is the lowest that reaches it
_STEPS: Final = tuple(step / 100 for step in range(20, 96))


@dataclass(frozen=True, slots=True)
class Measured:
    """Cross-validated: `probabilities` (examples, labels) and the true label's column for each example."""

    probabilities: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        return float((self.probabilities.argmax(axis=1) == self.truth).mean())

    def above(self, threshold: float) -> tuple[float, float]:
        """(accuracy, share) of the examples whose best label reaches the threshold."""
        sure = self.probabilities.max(axis=1) >= threshold
        right = self.probabilities.argmax(axis=1) == self.truth
        return (float(right[sure].mean()) if sure.any() else 1.0), float(sure.mean())

    def threshold(self) -> float:
        """The lowest threshold above which WANTED_ACCURACY is reached."""
        return next((step for step in _STEPS if self.above(step)[0] >= WANTED_ACCURACY), _STEPS[-1])


def train(
    embedder: Embedder, examples: Path = EXAMPLES, folder: Path = HERE, say: Callable[[str], None] = lambda _: None
) -> Sidecar:
    """Train on all examples, write head.npz and head.json into `folder` and return what the sidecar says.

    Takes about half a minute. Raises InvalidField for examples that cannot be read.
    """
    given = read_examples(examples)
    labels = tuple(IntentLabel)
    texts = [plain(text) for text in given.texts]
    say(f"embedding {len(texts)} examples of {len(labels)} intents")
    features = np.hstack((embedder.embed(texts), lexical(texts)))
    truth = np.array([labels.index(label) for label in given.labels], dtype=np.int64)
    say(f"cross-validating in {FOLDS} parts")
    measured = cross_validated(features, truth)
    threshold = measured.threshold()
    accuracy, share = measured.above(threshold)
    say("training on all of them")
    weights, bias = _fitted(features, truth)
    about = Sidecar(
        labels=labels,
        weights_sha256="0" * 64,  # save_head puts the real one in
        examples_sha256=given.sha256,
        examples=len(texts),
        embedding_model=embedder.model,
        cross_validated_accuracy=round(measured.accuracy, 4),
        threshold=threshold,
        accuracy_above_threshold=round(accuracy, 4),
        share_above_threshold=round(share, 4),
    )
    return save_head(Head(about, weights, bias), folder)


def cross_validated(features: Matrix, truth: npt.NDArray[np.int64]) -> Measured:
    """Probabilities for every example from heads that were trained on the others."""
    from sklearn.model_selection import StratifiedKFold

    probabilities = np.zeros((len(truth), int(truth.max()) + 1))
    for rest, part in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(features, truth):
        weights, bias = _fitted(features[rest], truth[rest])
        scores = (features[part] @ weights.T + bias).astype(np.float64)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities[part] = odds / odds.sum(axis=1, keepdims=True)
    return Measured(probabilities, truth)


def _fitted(features: Matrix, truth: npt.NDArray[np.int64]) -> tuple[Matrix, Matrix]:
    """Weights (labels, features) and bias (labels,) of a multinomial logistic regression."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    # Most lexical features are zero: as a sparse matrix this takes a tenth of the time.
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MAX_ITERATIONS, tol=1e-3)
    model.fit(csr_matrix(features), truth)
    return model.coef_.astype(np.float32), model.intercept_.astype(np.float32)
