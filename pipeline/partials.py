"""What is being said, while it is being said: sound so far to text, asked for over core NATS and answered beside stt.

Fleeting: nothing is kept, and whoever gets no answer goes without. The process that answers makes final transcripts
too, which come first: while it has one in hand, or is busy with another partial one, it says so at once.
"""

import json
import logging
from collections.abc import Callable
from typing import Final

from infra.audio import RATE_HZ, samples_of
from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.recognisers.port import Recogniser, RecogniserUnavailable
from schemas.errors import InvalidField

ASK_SUBJECT: Final = "parley.ask.partial"
SOUND_MAX_S: Final = 12.0  # 384 kB, of the bus's megabyte; a recogniser takes half a second for it
SOUND_MAX_BYTES: Final = int(SOUND_MAX_S * RATE_HZ) * 2
ANSWER_TIMEOUT_S: Final = 3.0  # the first answer also loads a model; a partial text that comes later is of no use
_AT_ONCE: Final = 16  # requests in hand: one is worked on, the others are told that it is

log = logging.getLogger("parley.partials")


class PartialAnswers:
    """The side that answers. The recogniser is made and loaded by the first request, since many never come."""

    def __init__(self, make: Callable[[], Recogniser], is_needed: Callable[[], bool]) -> None:
        """`is_needed`: whether the process has final transcripts in hand."""
        self._make = make
        self._is_needed = is_needed
        self._recogniser: Recogniser | None = None
        self._at_work = False

    async def answer_on(self, bus: Bus) -> None:
        """Answer from now on."""
        bus.answer(ASK_SUBJECT, self.answer, at_once=_AT_ONCE)
        await bus.start_answering()

    async def answer(self, pcm: bytes) -> bytes:
        """JSON: {text}, {busy: true}, or {error}. `pcm`: s16le mono at RATE_HZ, at most SOUND_MAX_S."""
        try:
            _check(pcm)
            if self._at_work or self._is_needed():
                return json.dumps({"busy": True}).encode()
            return json.dumps({"text": await self._text(pcm)}).encode()
        except (InvalidField, RecogniserUnavailable) as error:
            return json.dumps({"error": str(error)}).encode()

    async def aclose(self) -> None:
        """Free the model."""
        if self._recogniser is not None:
            await self._recogniser.aclose()

    async def _text(self, pcm: bytes) -> str:
        self._at_work = True
        try:
            if self._recogniser is None:
                self._recogniser = self._make()
                await self._recogniser.load()  # also for silence, with which an opened microphone makes it ready
            return (await self._recogniser.transcribe(samples_of(pcm))).text
        finally:
            self._at_work = False


class PartialTranscripts:
    """The side that asks; one a process."""

    def __init__(self, bus: Bus, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._bus = bus
        self._timeout_s = timeout_s
        self._told = ""  # the trouble that was logged last: a line a second would say nothing more

    async def text_of(self, pcm: bytes) -> str | None:
        """The text of sound as PartialAnswers.answer takes it; None when nobody has the time. Never raises for that."""
        try:
            answer = json.loads(await self._bus.ask(ASK_SUBJECT, pcm, timeout_s=self._timeout_s))
        except BusUnavailable as error:
            answer = {"error": str(error)}
        if "error" in answer:
            self._log(str(answer["error"]))
        return str(answer["text"]) if "text" in answer else None

    def _log(self, trouble: str) -> None:
        if trouble != self._told:
            log.warning("no partial transcripts: %s", trouble)
        self._told = trouble


def _check(pcm: bytes) -> None:
    if len(pcm) % 2 or len(pcm) > SOUND_MAX_BYTES:
        expected = f"an even number up to {SOUND_MAX_BYTES}: PCM s16le, {SOUND_MAX_S:.0f} s at most"
        raise InvalidField("sound.size_bytes", len(pcm), expected)
