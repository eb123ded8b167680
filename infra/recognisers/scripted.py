"""A recogniser that hears what was written into the recording: for tests and benchmarks.

It recognises no speech. `recording_of` writes a text into the samples of a WAV file, one byte a sample; the recogniser
reads it back, and every other recording is noise to it.
"""

from typing import Final

import numpy as np

from infra.audio import RATE_HZ, Samples, wav_of
from infra.recognisers.port import Heard

MARK: Final = b"parley scripted recording\0"
SHORTEST_S: Final = 0.5  # the rest is silence: what is shorter than a word is refused before it is heard
_ZERO: Final = 128  # the byte that is written as silence
_STEP: Final = 256  # of a 16-bit sample: one byte
_SIZE_BYTES: Final = 4


def recording_of(text: str) -> bytes:
    """A WAV file in which the scripted recogniser hears `text`."""
    said = text.encode()
    written = np.frombuffer(MARK + len(said).to_bytes(_SIZE_BYTES, "big") + said, np.uint8)
    samples = np.zeros(max(len(written), round(SHORTEST_S * RATE_HZ)), np.int16)
    samples[: len(written)] = (written.astype(np.int16) - _ZERO) * _STEP
    return wav_of(samples.tobytes(), RATE_HZ)


class ScriptedRecogniser:
    """Follows the port; needs no model."""

    backend = "scripted"
    model = "scripted"

    async def load(self) -> None:
        return None

    async def transcribe(self, samples: Samples) -> Heard:
        """The text that was written into the recording; noise, or silence, where there is none."""
        if not samples.any():
            return Heard("", empty_because="silence")
        read = (np.rint(samples * _ZERO) + _ZERO).clip(0, 255).astype(np.uint8).tobytes()
        if not read.startswith(MARK):
            return Heard("", empty_because="noise")
        begin = len(MARK) + _SIZE_BYTES
        size = int.from_bytes(read[len(MARK) : begin], "big")
        return Heard(read[begin : begin + size].decode(errors="replace"), confidence=1.0)

    async def aclose(self) -> None:
        return None
