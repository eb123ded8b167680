"""The port through which a sentence becomes sound: what is given, what comes back, what can go wrong.

Implementations stand beside this file, one a file; infra/voices/factory.py makes them by name.
"""

from dataclasses import dataclass
from typing import Protocol

_BYTES_PER_SAMPLE = 2


@dataclass(frozen=True, slots=True)
class Sound:
    """PCM s16le mono."""

    pcm: bytes
    rate_hz: int

    @property
    def audio_s(self) -> float:
        return len(self.pcm) / _BYTES_PER_SAMPLE / self.rate_hz


class Voice(Protocol):
    """Turns words into sound. Calls may overlap; they are worked on one after the other."""

    @property
    def backend(self) -> str:
        """The name in the factory, e.g. "hibari"."""

    @property
    def model(self) -> str:
        """The voice's name as events and people see it."""

    @property
    def rate_hz(self) -> int:
        """The rate of everything that it says."""

    async def load(self) -> None:
        """Load what is needed, which else happens with the first call. Raises VoiceUnavailable."""

    async def speak(self, text: str) -> Sound:
        """The sound of a text in its spoken form (words only: see infra/voices/spoken_form.py).

        A text that holds nothing to say gives a sound of length 0. Raises VoiceUnavailable or VoiceFailed.
        """

    async def aclose(self) -> None:
        """Free what it holds; a call that is being worked on is finished or fails."""


class VoiceUnavailable(Exception):
    """The voice is not there or does not load; the message says what to do."""


class VoiceFailed(Exception):
    """The voice broke off or took too long with this text; trying again may do."""


def silence(audio_s: float, rate_hz: int) -> Sound:
    """Nothing, for so long."""
    return Sound(bytes(_BYTES_PER_SAMPLE * round(audio_s * rate_hz)), rate_hz)
