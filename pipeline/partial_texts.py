"""Decides when to ask what one microphone has heard so far, and puts the answers together.

Asks after 0.5 s of new sound and at each pause, one question at a time. After an answer it rests for as long as that
took, and longer each time that nobody had the time: among many microphones partial texts are rarer, never late in a
row. A recogniser is only ever given the last seconds; what is older keeps the text that it had at a pause. Knows
neither the bus nor a recogniser.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from infra.audio import RATE_HZ
from infra.listening.utterances import (
    Result,
    SoFar,
    SpeechDropped,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
)
from infra.tasks import cancelled
from pipeline.partials import SOUND_MAX_S

NEW_SOUND: Final = RATE_HZ // 2  # samples: a word or two
SOUND_MAX: Final = int(SOUND_MAX_S * RATE_HZ)
REFUSED_REST_S: Final = 0.5  # after the first time that nobody had the time; doubled each time
REFUSED_REST_MAX_S: Final = 8.0
LEFT_OUT: Final = "…"  # stands for sound that nobody had the time to read before it was too old

Asked = Callable[[bytes], Awaitable[str | None]]
"""PartialTranscripts.text_of, or what stands for it."""


@dataclass(frozen=True, slots=True)
class PartialText:
    """What an utterance in progress sounds like so far; a later one of the same utterance replaces it."""

    text: str
    from_sample: int  # of the utterance
    to_sample: int  # what was said after it is not in the text


@dataclass(slots=True)
class _Utterance:
    """What is known of the one in progress."""

    from_sample: int
    read_to: int  # sample: the sound up to here has been asked about
    kept_to: int  # sample: the sound up to here will not be asked about again
    kept: str = ""  # its text
    latest: str = ""  # the text after it, and
    latest_to: int = 0  # how far that goes
    at_pause: str = ""  # such a text that ended in a pause
    at_pause_to: int = 0
    told: str = ""


class PartialTexts:
    """One microphone's. Call `look` after each frame and `note` with each result; partial texts go to `tell`."""

    def __init__(self, ask: Asked, tell: Callable[[PartialText], Awaitable[None]], now: Callable[[], float]) -> None:
        """`now`: seconds on any clock that does not go back, such as the event loop's."""
        self._ask = ask
        self._tell = tell
        self._now = now
        self._utterance: _Utterance | None = None
        self._asking: asyncio.Task[None] | None = None
        self._paused = False
        self._rests_until = 0.0
        self._refused_rest_s = REFUSED_REST_S

    def note(self, result: Result) -> None:
        """What the stream told."""
        if isinstance(result, UtteranceEnded | SpeechDropped):
            self._utterance = None  # an answer that is still on its way is dropped
            self._paused = False
        elif isinstance(result, SpeechPaused | SpeechResumed):
            self._paused = isinstance(result, SpeechPaused)

    def look(self, so_far: SoFar | None) -> None:
        """Ask about the stream's `so_far(SOUND_MAX_S)` if it is time; returns at once. Raises what `tell` raised."""
        if self._asking is not None:
            if not self._asking.done():
                return
            self._asking.result()
        if so_far is None or self._now() < self._rests_until:
            return
        utterance = self._utterance
        if utterance is None or utterance.from_sample != so_far.from_sample:
            begins = so_far.from_sample
            utterance = self._utterance = _Utterance(begins, read_to=begins, kept_to=begins)
        new = so_far.to_sample - utterance.read_to
        if new >= NEW_SOUND or (self._paused and new > 0 and utterance.at_pause_to < utterance.read_to):
            self._asking = asyncio.create_task(self._asked(utterance, so_far))

    async def aclose(self) -> None:
        """Ask no more, and drop the answer that is on its way."""
        if self._asking is not None:
            await cancelled(self._asking)

    async def _asked(self, utterance: _Utterance, so_far: SoFar) -> None:
        _keep_within(utterance, so_far.to_sample)
        pcm = so_far.pcm[-2 * (so_far.to_sample - utterance.kept_to) :]
        paused, utterance.read_to = self._paused, so_far.to_sample
        began = self._now()
        text = await self._ask(pcm)
        ended = self._now()
        if text is None:
            self._rests_until = ended + self._refused_rest_s
            self._refused_rest_s = min(2 * self._refused_rest_s, REFUSED_REST_MAX_S)
            return
        self._rests_until = ended + (ended - began)
        self._refused_rest_s = REFUSED_REST_S
        utterance.latest, utterance.latest_to = text, so_far.to_sample
        if paused:
            utterance.at_pause, utterance.at_pause_to = text, so_far.to_sample
        whole = f"{utterance.kept} {text}".strip()
        if self._utterance is utterance and whole and whole != utterance.told:
            utterance.told = whole
            await self._tell(PartialText(whole, utterance.from_sample, so_far.to_sample))


def _keep_within(utterance: _Utterance, to_sample: int) -> None:
    """Keep the text of the oldest sound, so that what is left to be read is at most SOUND_MAX."""
    if to_sample - utterance.kept_to <= SOUND_MAX:
        return
    for text, up_to in ((utterance.at_pause, utterance.at_pause_to), (utterance.latest, utterance.latest_to)):
        if up_to > utterance.kept_to and to_sample - up_to <= SOUND_MAX:
            utterance.kept = f"{utterance.kept} {text}".strip()
            utterance.kept_to = up_to
            return
    utterance.kept = f"{utterance.kept.removesuffix(LEFT_OUT).strip()} {LEFT_OUT}".strip()
    utterance.kept_to = to_sample - SOUND_MAX
