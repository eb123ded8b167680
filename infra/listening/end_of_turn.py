"""How probably a speaker who has paused is finished: Smart Turn 3.2, which hears the melody and not the words.

Looks at the last 8 s of an utterance, its pause included. What it is fed are Whisper's features of a signal of zero
mean and unit variance, as pipecat prepares them. Decides nothing: see infra/listening/utterances.py.
"""

from typing import Final

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from infra import weights
from infra.audio import RATE_HZ, Samples
from infra.listening.inference import Model
from infra.weights import Bundled

SMART_TURN: Final = Bundled(
    "pipecat-ai",
    "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
    "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
)
SEEN_S: Final = 8
SEEN: Final = SEEN_S * RATE_HZ  # samples that the model sees; a shorter utterance has silence before it
_VARIANCE_MIN: Final = np.float32(1e-7)  # of digital silence


class EndOfTurn:
    """The model, shared by all streams. A question blocks for some 45 ms: call it in a thread of its own."""

    def __init__(self) -> None:
        """Load the model (about 0.2 s, 30 MB). Raises infra.weights.WeightsMissing."""
        self._model = Model(weights.path_of(SMART_TURN))
        self._log_mel = FeatureExtractor(sampling_rate=RATE_HZ, chunk_length=SEEN_S)
        self.probability(np.zeros(SEEN, np.float32))  # the first call takes several times as long as the others

    def probability(self, samples: Samples) -> float:
        """That the speaker is finished, 0 to 1. Samples: mono at RATE_HZ, shape (n,); the last SEEN are looked at."""
        (finished,) = self._model.run({"input_features": self.features(samples)[None]})
        return float(finished.ravel()[0])

    def features(self, samples: Samples) -> NDArray[np.float32]:
        """The log-mel spectrogram of the last SEEN samples, shape (80, 800): a frame each 10 ms."""
        last = samples[-SEEN:]
        seen = np.concatenate((np.zeros(SEEN - len(last), np.float32), last))
        seen = (seen - seen.mean()) / np.sqrt(seen.var() + _VARIANCE_MIN)
        features: NDArray[np.float32] = self._log_mel(seen, padding=0)
        return features.astype(np.float32, copy=False)
