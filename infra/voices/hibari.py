"""The neural voice: hibari (ONNX, 24 kHz, English), whose voice "heart" comes inside its package.

The same text always gives the same sound.
"""

import numpy as np
from hibari import Hibari

from infra import weights
from infra.audio import pcm_of
from infra.voices.port import Sound, VoiceUnavailable
from infra.weights import Bundled, WeightsMissing
from infra.worker_thread import WorkerThread

BUNDLED_NAME = "heart"
BUNDLED = Bundled(
    "hibari-tts", "hibari/assets/hibari.onnx", "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8"
)
SEED = 0  # of the noise in unvoiced sounds
_WARM_UP = "Hello."  # the first call builds tables and the pronunciation lexicon


class HibariVoice:
    """A Voice. A name other than the bundled one is fetched from the model hub by the library, once."""

    backend = "hibari"
    rate_hz = 24_000

    def __init__(self, model: str = BUNDLED_NAME, threads: int = 2) -> None:
        self.model = model
        self._threads = threads
        self._thread = WorkerThread("hibari")
        self._hibari: Hibari | None = None

    async def load(self) -> None:
        await self._thread.call(self._loaded)

    async def speak(self, text: str) -> Sound:
        return await self._thread.call(lambda: self._speak(text))

    async def aclose(self) -> None:
        await self._thread.aclose()
        self._hibari = None

    def _loaded(self) -> Hibari:
        if self._hibari is None:
            try:
                if self.model == BUNDLED_NAME:
                    weights.path_of(BUNDLED)
                hibari = Hibari(voice=self.model, threads=self._threads)
                hibari(_WARM_UP, seed=SEED)
            except WeightsMissing as error:
                raise VoiceUnavailable(str(error)) from error
            except (RuntimeError, ValueError, OSError) as error:  # no such voice; not fetched; the file is broken
                raise VoiceUnavailable(f"voice {self.model!r} does not load: {error}") from error
            self._hibari = hibari
        return self._hibari

    def _speak(self, text: str) -> Sound:
        samples = np.asarray(self._loaded()(text, seed=SEED), np.float32)
        return Sound(pcm_of(samples), self.rate_hz)
