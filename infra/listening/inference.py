"""Opens small ONNX models so that many of their calls fit on a few cores: one thread a call, no memory kept.

Knows neither what the models are for nor what they are given.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray


class Model:
    """An ONNX model. `run` blocks for as long as it computes: call it in a thread of your own."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # a window takes 0.2 ms: handing parts of it to other threads takes longer
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # the arena keeps the peak of the largest batch for ever
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, fed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """All outputs, in the model's order."""
        outputs: list[NDArray[Any]] = self._session.run(None, dict(fed))
        return outputs
