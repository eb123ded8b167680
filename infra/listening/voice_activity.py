"""How probably somebody speaks, window by window: Silero VAD 6.2, for many streams in one call.

The file inside faster-whisper (infra/recognisers/activity.py) reads the windows of one recording in order and cannot
take those of several streams; Silero's own file takes a batch. It comes in the wheel that also brings the model of
infra/listening/end_of_turn.py, byte for byte as in silero-vad 6.2.1. Decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from infra import weights
from infra.audio import RATE_HZ, Samples
from infra.listening.inference import Model
from infra.weights import Bundled

SILERO: Final = Bundled(
    "pipecat-ai",
    "pipecat/audio/vad/data/silero_vad.onnx",
    "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
)
WINDOW: Final = 512  # samples at RATE_HZ (32 ms): the only length that the model takes
_CONTEXT: Final = 64  # samples of the window before, which the model also sees
_STATE: Final = (2, 128)


@dataclass(slots=True)
class Memory:
    """What the model remembers of one stream between two windows; some 1.5 kB."""

    state: NDArray[np.float32] = field(default_factory=lambda: np.zeros(_STATE, np.float32))
    context: Samples = field(default_factory=lambda: np.zeros(_CONTEXT, np.float32))


class VoiceActivity:
    """The model, shared by all streams. Blocks: call it in a thread, one call at a time for a stream."""

    def __init__(self) -> None:
        """Load the model (about 0.1 s). Raises infra.weights.WeightsMissing."""
        self._model = Model(weights.path_of(SILERO))
        self._rate = np.array(RATE_HZ, np.int64)

    def probabilities(self, streams: Sequence[tuple[Memory, Samples]]) -> list[NDArray[np.float32]]:
        """For each stream the probability of speech in each of its windows, 0 to 1, shape (windows,).

        Each stream's samples hold whole windows, shape (windows * WINDOW,), at RATE_HZ and between -1 and 1, that
        follow those of the call before. What a stream gets does not depend on the others beside it.
        """
        windows = [samples.reshape(-1, WINDOW) for _, samples in streams]
        found = [np.zeros(len(each), np.float32) for each in windows]
        for at in range(max(map(len, windows), default=0)):
            those = [number for number, each in enumerate(windows) if len(each) > at]
            spoken = self._next([streams[number][0] for number in those], [windows[number][at] for number in those])
            for number, probability in zip(those, spoken, strict=True):
                found[number][at] = probability
        return found

    def _next(self, memories: Sequence[Memory], windows: Sequence[Samples]) -> NDArray[np.float32]:
        """The next window of each stream, shape (streams,)."""
        fed = np.stack(
            [np.concatenate((memory.context, window)) for memory, window in zip(memories, windows, strict=True)]
        )
        state = np.stack([memory.state for memory in memories], axis=1)
        spoken, states = self._model.run({"input": fed, "state": state, "sr": self._rate})
        for number, memory in enumerate(memories):
            memory.state = states[:, number].copy()
            memory.context = windows[number][-_CONTEXT:].copy()
        probabilities: NDArray[np.float32] = spoken[:, 0]
        return probabilities
