"""Moonshine (tiny-en, ONNX) through moonshine-voice 0.1.0, which brings its weights along. English only.

Takes time in proportion to the sound, so short turns cost a fraction of Whisper's time. Tells no probability, so
`confidence` is None and what stands between noise and an invented sentence is infra/recognisers/activity.py alone,
with a limit on how much text a stretch of sound can hold.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from moonshine_voice.errors import MoonshineError
from moonshine_voice.moonshine_api import ModelArch
from moonshine_voice.transcriber import Transcriber

from infra import weights
from infra.audio import RATE_HZ, Samples
from infra.recognisers.activity import find_speech
from infra.recognisers.port import Heard, RecogniserUnavailable
from infra.weights import Bundled, WeightsMissing
from infra.worker_thread import WorkerThread

BUNDLED_NAME = "tiny-en"
_PACKAGE = "moonshine-voice"
ENCODER = Bundled(
    _PACKAGE, "tiny-en/encoder_model.ort", "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"
)
DECODER = Bundled(
    _PACKAGE, "tiny-en/decoder_model_merged.ort", "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0"
)
LONGEST_STRETCH_S = 12.0  # beyond ~15 s the model loses words, and its time grows with the square of the length
WORDS_PER_S_MAX = 7.0  # nobody speaks faster; a decoder that goes round in circles does
_HALF_DAY = re.compile(r"\b([ap])\.? ?m\b\.*", re.IGNORECASE)
_STOPS_TWICE = re.compile(r"([,.!?])(?:\s?[,.])+(?!\.)")
_OPTIONS = {
    "vad_threshold": "0.0",  # the library's own detector cuts inside of sentences; ours has cut already
    "return_audio_data": "false",  # else every answer carries the sound again, as a Python list of floats
}


@dataclass(frozen=True, slots=True)
class MoonshineSettings:
    """Which model: the bundled "tiny-en", or a directory that holds a Moonshine tiny model."""

    model: str = BUNDLED_NAME
    background: bool = False  # whatever else runs goes first


class MoonshineRecogniser:
    """A Recogniser."""

    backend = "moonshine"

    def __init__(self, settings: MoonshineSettings = MoonshineSettings()) -> None:
        self.model = Path(settings.model).name
        self._settings = settings
        self._thread = WorkerThread("moonshine", background=settings.background)
        self._moonshine: Transcriber | None = None

    async def load(self) -> None:
        await self._thread.call(self._loaded)

    async def transcribe(self, samples: Samples) -> Heard:
        return await self._thread.call(lambda: self._transcribe(samples))

    async def aclose(self) -> None:
        await self._thread.aclose()
        if self._moonshine is not None:
            self._moonshine.close()
            self._moonshine = None

    def _loaded(self) -> Transcriber:
        if self._moonshine is None:
            try:
                self._moonshine = Transcriber(_located(self._settings.model), ModelArch.TINY, options=_OPTIONS)
            except WeightsMissing as error:
                raise RecogniserUnavailable(str(error)) from error
            except (MoonshineError, OSError) as error:
                raise RecogniserUnavailable(
                    f"moonshine model {self._settings.model!r} does not load ({error}); name {BUNDLED_NAME!r} or a "
                    "directory with encoder_model.ort, decoder_model_merged.ort and tokenizer.bin"
                ) from error
        return self._moonshine

    def _transcribe(self, samples: Samples) -> Heard:
        activity = find_speech(samples, LONGEST_STRETCH_S)
        if not activity.stretches:
            return Heard("", empty_because=activity.empty_because)
        moonshine = self._loaded()
        texts = [_read(moonshine, stretch) for stretch in activity.stretches]
        text = " ".join(text for text in texts if text)
        return Heard(text) if text else Heard("", empty_because="noise")


def _located(model: str) -> Path:
    """The directory of the model. Raises WeightsMissing."""
    if model != BUNDLED_NAME:
        return Path(model)
    weights.path_of(DECODER)
    return weights.path_of(ENCODER).parent


def _read(moonshine: Transcriber, stretch: Samples) -> str:
    """The text of one stretch of speech; empty when it is more than can have been said in that time."""
    transcript = moonshine.transcribe_without_streaming(stretch.tolist(), RATE_HZ)
    text = _tidied(" ".join(line.text for line in transcript.lines))
    if len(text.split()) > WORDS_PER_S_MAX * len(stretch) / RATE_HZ + 2 or not re.search(r"\w", text):
        return ""
    return text


def _tidied(text: str) -> str:
    """The model writes "three p. M.." and "In short,, the", which misleads whoever reads times in it."""
    text = _HALF_DAY.sub(lambda found: f"{found[1].lower()}.m.", " ".join(text.split()))
    return _STOPS_TWICE.sub(r"\1", text)
