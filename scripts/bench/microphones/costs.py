"""What listening costs: processor for each second of sound, beside the detector of a library on the same sound."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps

from infra.audio import RATE_HZ, Samples, pcm_of
from infra.listening.batches import Batches
from infra.listening.listener import Listener, ListeningStream
from infra.listening.utterances import Result, Utterances
from infra.listening.voice_activity import WINDOW, Memory, VoiceActivity
from scripts.bench.microphones.playing import listened, recording

PLAYED_S: Final = 4.0
LONGEST_S: Final = 120.0
APART_S: Final = 0.7  # the streams say different parts of the same recording


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of processor for a second of one stream."""

    what: str
    streams: int
    ms: float


def bare(samples: Samples) -> list[Cost]:
    """The models alone: the library's over the whole recording, ours window by window, alone and fifty at once."""
    activity, windows = VoiceActivity(), samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)[:300]
    seconds = windows.size / RATE_HZ
    alone = Memory()

    def one_by_one() -> None:
        for window in windows:
            activity.probabilities([(alone, window)])

    def together(streams: int) -> Callable[[], None]:
        memories = [Memory() for _ in range(streams)]

        def run() -> None:
            for window in windows:
                activity.probabilities([(memory, window) for memory in memories])

        return run

    whole_s = len(samples) / RATE_HZ
    return [
        Cost(
            "faster_whisper's get_speech_timestamps, the whole recording in one call",
            1,
            _ms(lambda: get_speech_timestamps(samples, VadOptions()), whole_s),
        ),
        Cost("voice activity alone, a call for each window", 1, _ms(one_by_one, seconds)),
        Cost("voice activity alone, a call for each window of all", 10, _ms(together(10), 10 * seconds)),
        Cost("voice activity alone, a call for each window of all", 50, _ms(together(50), 50 * seconds)),
    ]


def _ms(work: Callable[[], object], seconds: float) -> float:
    """The best of three: what the machine's other work adds is not of interest."""
    found = []
    for _ in range(3):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) / seconds * 1000)
    return min(found)


async def listening(streams: int, *, with_end_of_turn: bool) -> Cost:
    """A listener with so many microphones at once, in real time: everything that the process does for them."""
    samples = recording("two_cities.wav")[round(1.2 * RATE_HZ) :]
    shift, size = round(APART_S * RATE_HZ), round(PLAYED_S * RATE_HZ)

    async with Listener(longest_s=LONGEST_S) as listener, Batches() as batches:

        def microphone() -> ListeningStream:
            if with_end_of_turn:
                return listener.stream(RATE_HZ)
            return ListeningStream(RATE_HZ, Utterances(longest_s=LONGEST_S), batches.probabilities, _not_asked)

        began = time.process_time()
        async with asyncio.TaskGroup() as all_of_them:
            for number in range(streams):
                said = np.roll(samples, -number * shift)[:size]
                all_of_them.create_task(listened(microphone(), pcm_of(said), _nothing))
        took_s = time.process_time() - began
    what = "a listener in real time" + ("" if with_end_of_turn else ", without end of turn")
    return Cost(what, streams, took_s / (streams * PLAYED_S) * 1000)


async def _not_asked(_: bytes) -> float | None:
    return None


def _nothing(_: Result) -> None:
    return None
