"""Where utterances begin, pause and end in one microphone's stream: rules alone, no model, no clock, no waiting.

Is told of each window how probably it holds speech, and, when it asks, how probably the speaker is finished. Time is
counted in samples, so that the same sound gives the same results however fast and in whatever pieces it comes.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from infra.audio import RATE_HZ
from infra.listening.voice_activity import WINDOW

SPEECH_FROM: Final = 0.5  # noise, hum, tones, clicks and breath stay below it (infra/recognisers/activity.py)
QUIET_BELOW: Final = 0.35  # Silero's own hysteresis: between the two, what was goes on
VOICED_MIN: Final = 3  # windows, 96 ms: the shortest "no" lasts longer, a click or a struck string does not
CONFIRMED_AFTER: Final = 8  # windows, 256 ms: so much is no cough and no door, and may interrupt an answer
PAUSE_AFTER_MS: Final = 200  # shorter gaps are inside a phrase
# Of a pause, when it is asked whether the speaker is finished. At 200 ms 5 of 24 sentences with commas were cut in two
# (a voice falls before a comma too), at 300 none. Asked again, since silence changes the answer; each costs 45 ms.
ASKED_AT_MS: Final = (300, 600, 1_000)
ENDED_AT_MS: Final = 1_500  # of a pause: nobody wants to wait longer for an answer, finished or not
FINISHED_FROM: Final = 0.5  # Smart Turn's own threshold: it was trained as a classifier of two equal classes
PRE_ROLL_MS: Final = 300  # before the first voiced window: soft consonants, and what the detector needed to notice
TAIL_MS: Final = 300  # after the last voiced one: consonants again; the rest of the silence says nothing
BYTES_PER_SAMPLE: Final = 2
WINDOW_BYTES: Final = WINDOW * BYTES_PER_SAMPLE
_PRE_ROLL_WINDOWS: Final = round(PRE_ROLL_MS * RATE_HZ / 1000 / WINDOW)

Reason = Literal["end-of-turn", "silence", "longest", "closed"]


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody seems to speak: good for a light on the page, not for interrupting."""

    at_sample: int  # of the stream, at RATE_HZ


@dataclass(frozen=True, slots=True)
class SpeechConfirmed:
    """It has lasted for CONFIRMED_AFTER windows: somebody speaks. Said at most once an utterance."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Nobody has spoken since `at_sample`, for PAUSE_AFTER_MS."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """The pause was inside of the utterance."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class SpeechDropped:
    """What had started was no speech: too short, and then nothing. There will be no utterance of it."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """An utterance, whole. Utterances of a stream follow each other and share no sample.

    `reason`: the speaker was finished ("end-of-turn"), or has been silent for ENDED_AT_MS ("silence"), has spoken as
    long as is allowed ("longest": what follows is another utterance), or who owns the stream ended it ("closed").
    """

    from_sample: int
    to_sample: int
    pcm: bytes  # s16le mono at RATE_HZ
    reason: Reason
    voiced_ms: int  # 0: nobody spoke, which only an utterance that is ended by hand can be
    decided_at: int  # the sample up to which the stream had been heard when this was decided


Result = SpeechStarted | SpeechConfirmed | SpeechPaused | SpeechResumed | SpeechDropped | UtteranceEnded


@dataclass(frozen=True, slots=True)
class SoFar:
    """An utterance in progress, or the end of it: `pcm` ends at `to_sample`."""

    from_sample: int  # where the utterance begins
    to_sample: int
    pcm: bytes  # s16le mono at RATE_HZ


class Utterances:
    """One stream. By hand: an utterance begins with the first sample and only `end` (or its length) ends it."""

    def __init__(self, *, longest_s: float, by_hand: bool = False) -> None:
        self._longest_bytes = max(1, int(longest_s * RATE_HZ) // WINDOW) * WINDOW_BYTES  # all that is ever kept
        self._by_hand = by_hand
        self._heard = 0  # samples of the stream
        self._before: deque[bytes] = deque(maxlen=_PRE_ROLL_WINDOWS)  # the windows before an utterance
        self._pcm = bytearray()  # of the utterance in progress
        self._begin()

    def _begin(self) -> None:
        self._pcm = bytearray()
        self._speaks = False
        self._voiced = 0  # windows of the utterance
        self._quiet_from: int | None = None  # sample
        self._paused = False
        self._asked = 0  # questions in this pause
        self._asking = False

    @property
    def asks(self) -> bool:
        """Whether `answer` is to be called, with what `so_far` sounds like, before anything else."""
        return self._asking

    @property
    def in_progress(self) -> bool:
        """Whether there is an utterance that has not ended."""
        return self._speaks or bool(self._pcm)

    @property
    def begun_at(self) -> int:
        """The sample with which the utterance in progress begins, pre-roll included."""
        return self._heard - len(self._pcm) // BYTES_PER_SAMPLE

    def so_far(self, last: int) -> SoFar:
        """The last so many samples of the utterance in progress, or all when they are fewer."""
        pcm = bytes(self._pcm[-last * BYTES_PER_SAMPLE :])
        return SoFar(self.begun_at, self._heard, pcm)

    def hear(self, window: bytes, probability: float) -> list[Result]:
        """The next WINDOW samples, PCM s16le, and how probably they hold speech."""
        begins, self._heard = self._heard, self._heard + WINDOW
        results: list[Result] = []
        voiced = probability >= SPEECH_FROM
        if not self._speaks and voiced:
            self._speaks = True
            results.append(SpeechStarted(begins))
            if not self._by_hand:
                self._pcm.extend(b"".join(self._before))
                self._before.clear()
        if self._speaks or self._by_hand:
            self._pcm.extend(window)
        else:
            self._before.append(window)
        if self._speaks:
            results += self._voice(begins) if voiced else self._no_voice(begins, probability)
        if len(self._pcm) >= self._longest_bytes:
            results += self._ended("longest")
        return results

    def answer(self, finished: float | None) -> list[Result]:
        """How probably the speaker is finished; None when nobody could tell in time: then silence decides."""
        self._asking = False
        if finished is None:
            self._asked = len(ASKED_AT_MS)  # to wait for each question in vain would make the stream late
            return []
        return self._ended("end-of-turn") if finished >= FINISHED_FROM else []

    @property
    def may_end_unheard(self) -> bool:
        """By hand, and somebody has spoken: what is left, up to a second, need not be listened to before `end`."""
        left = self._longest_bytes - len(self._pcm)
        return self._by_hand and self._voiced >= VOICED_MIN and left > 2 * RATE_HZ * BYTES_PER_SAMPLE

    def end(self, rest: bytes = b"") -> list[Result]:
        """End the utterance in progress; `rest`: what is left, less than a window unless `may_end_unheard`.

        What is too short to be speech is dropped, unless it was recorded by hand.
        """
        self._heard += len(rest) // BYTES_PER_SAMPLE
        if not self._by_hand and not self._speaks:
            if rest:
                self._before.clear()  # it would not join what comes next
            return []
        self._pcm.extend(rest)
        if not self._by_hand and self._voiced < VOICED_MIN:
            return self._dropped()
        return self._ended("closed") if self._pcm else []

    def _voice(self, begins: int) -> list[Result]:
        results: list[Result] = [SpeechResumed(begins)] if self._paused else []
        self._quiet_from, self._paused, self._asked = None, False, 0
        self._voiced += 1
        if self._voiced == CONFIRMED_AFTER:
            results.append(SpeechConfirmed(begins + WINDOW))
        return results

    def _no_voice(self, begins: int, probability: float) -> list[Result]:
        if self._quiet_from is None:
            if probability >= QUIET_BELOW:
                return []
            self._quiet_from = begins
        quiet_ms = (self._heard - self._quiet_from) * 1000 // RATE_HZ
        if quiet_ms < PAUSE_AFTER_MS:
            return []
        if self._voiced < VOICED_MIN:
            return self._dropped()
        results: list[Result] = [] if self._paused else [SpeechPaused(self._quiet_from)]
        self._paused = True
        if self._by_hand:
            return results
        if quiet_ms >= ENDED_AT_MS:
            return results + self._ended("silence")
        if self._asked < len(ASKED_AT_MS) and quiet_ms >= ASKED_AT_MS[self._asked]:
            self._asked += 1
            self._asking = True
        return results

    def _dropped(self) -> list[Result]:
        """No utterance after all; the sound may still be the beginning of one."""
        dropped = SpeechDropped(self._heard)
        if self._by_hand:
            self._speaks, self._voiced, self._quiet_from = False, 0, None
            return [dropped]
        last = bytes(self._pcm)
        self._begin()
        self._keep_before(last)
        return [dropped]

    def _ended(self, reason: Reason) -> list[Result]:
        """The utterance without the silence after it, of which the next one gets its pre-roll."""
        whole, begun, voiced = bytes(self._pcm), self.begun_at, self._voiced
        kept = len(whole)
        if self._quiet_from is not None and not self._by_hand:
            tail = self._quiet_from - begun + TAIL_MS * RATE_HZ // 1000
            kept = min(kept, tail * BYTES_PER_SAMPLE)
        self._begin()
        self._keep_before(whole[kept:])
        ended = begun + kept // BYTES_PER_SAMPLE
        voiced_ms = voiced * WINDOW * 1000 // RATE_HZ
        return [UtteranceEnded(begun, ended, whole[:kept], reason, voiced_ms, decided_at=self._heard)]

    def _keep_before(self, pcm: bytes) -> None:
        """The last whole windows of it, as pre-roll."""
        self._before.clear()
        first = len(pcm) % WINDOW_BYTES
        self._before.extend(pcm[at : at + WINDOW_BYTES] for at in range(first, len(pcm), WINDOW_BYTES))
