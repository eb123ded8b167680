"""The port through which speech becomes text: what is given, what comes back, what can go wrong.

Implementations stand beside this file, one a file; infra/recognisers/factory.py makes them by name.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from infra.audio import Samples

EmptyBecause = Literal["silence", "noise"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said. Empty text means that nobody spoke; `empty_because` then says what was heard instead."""

    text: str
    confidence: float | None = None  # mean token probability, 0 to 1; None when the model tells none
    empty_because: EmptyBecause | None = None


class Recogniser(Protocol):
    """Turns samples into text. Calls may overlap; they are worked on one after the other."""

    @property
    def backend(self) -> str:
        """The name in the factory, e.g. "whisper"."""

    @property
    def model(self) -> str:
        """The model's name as events and people see it."""

    async def load(self) -> None:
        """Load the model, which else happens with the first call. Raises RecogniserUnavailable."""

    async def transcribe(self, samples: Samples) -> Heard:
        """Text of mono samples at 16 kHz, shape (n,), between -1 and 1. Raises RecogniserUnavailable."""

    async def aclose(self) -> None:
        """Free the model, once the call that is being worked on is done."""


class RecogniserUnavailable(Exception):
    """The model is not there or does not load; the message says what to do."""
