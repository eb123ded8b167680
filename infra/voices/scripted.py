"""A voice that is silent for as long as a text would take to say: for tests and benchmarks.

It speaks nothing. The same text gives the same sound.
"""

from typing import Final

from infra.voices.port import Sound, silence

RATE_HZ: Final = 8_000
CHAR_S: Final = 0.02  # three times as fast as a person, for small files


class ScriptedVoice:
    """Follows the port; needs no model."""

    backend = "scripted"
    model = "silence"
    rate_hz = RATE_HZ

    async def load(self) -> None:
        return None

    async def speak(self, text: str) -> Sound:
        """Silence, CHAR_S for each character that is not white space."""
        return silence(CHAR_S * sum(not char.isspace() for char in text), RATE_HZ)

    async def aclose(self) -> None:
        return None
