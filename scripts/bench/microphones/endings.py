"""How soon a finished sentence is known to be finished, and how often one that is not is cut."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import soxr

from infra.audio import RATE_HZ, Samples, pcm_of
from infra.listening.listener import ANSWER_WITHIN_S, Listener
from infra.listening.utterances import Reason, Result, SpeechPaused, UtteranceEnded
from infra.voices.factory import make_voice
from scripts.bench.microphones.playing import listened, recording

SENTENCES: Final = (
    "Set a reminder for one a.m. to sleep, and note to buy chocolate.",
    "Remind me to call the dentist tomorrow, and then tell me what I owe to Sarah.",
    "If it rains on Sunday, cancel the picnic, but keep the table.",
    "I spent twelve euros on lunch, and forty on the train.",
    "Please note the following: milk, bread, butter, and two apples.",
    "What are my reminders?",
    "Yes.",
    "Cancel it.",
    "Add eggs, flour and sugar to my list, and remind me at five.",
)
VOICES: Final = ("hibari", "pyttsx3")
HUMAN: Final = ("beckett.wav", ((0.3, 1.25), (1.85, 2.85), (3.48, 4.22), (4.85, 5.65), (6.6, 7.42), (8.1, 8.93)))
"""A recording, and from and to which second of it one sentence is said; the reader then breathes in."""
AT_ONCE: Final = 4
SILENCE_S: Final = 2.5
_PATIENCE_S: Final = 60.0
_HEARD_DB: Final = -25.0  # below the loudest: what is weaker is a room's echo or a breath


@dataclass(slots=True)
class Endings:
    """What became of sentences that were played in real time."""

    sentences: int = 0
    late_ms: list[float] = field(default_factory=list)  # from the last sound to the result
    heard_ms: list[float] = field(default_factory=list)  # of sound after the last sound, when it was decided
    reasons: list[Reason] = field(default_factory=list)
    pauses: int = 0  # inside of a sentence
    cuts: int = 0  # of those, where an utterance ended
    missed: int = 0  # sentences of which no utterance came


async def endings(sentences: Sequence[Samples], *, paced: bool) -> Endings:
    """Play them, a few at once, each with silence after it; not paced: no answer comes too late."""
    found, places = Endings(), asyncio.Semaphore(AT_ONCE)
    within_s = ANSWER_WITHIN_S if paced else _PATIENCE_S

    async def one(listener: Listener, sentence: Samples) -> None:
        async with places:
            await _one(listener, sentence, found, paced=paced)

    async with Listener(longest_s=120, answer_within_s=within_s) as listener, asyncio.TaskGroup() as all_of_them:
        for sentence in sentences:
            all_of_them.create_task(one(listener, sentence))
    return found


async def _one(listener: Listener, sentence: Samples, found: Endings, *, paced: bool) -> None:
    loop = asyncio.get_running_loop()
    last_s = _last_sound(sentence) / RATE_HZ
    heard: list[tuple[float, Result]] = []
    silence = np.zeros(round(SILENCE_S * RATE_HZ), np.float32)
    began = loop.time()
    await listened(
        listener.stream(RATE_HZ),
        pcm_of(np.concatenate((sentence, silence))),
        lambda result: heard.append((loop.time() - began, result)),
        paced=paced,
    )
    ended = [(at_s, result) for at_s, result in heard if isinstance(result, UtteranceEnded)]
    found.sentences += 1
    found.pauses += sum(isinstance(result, SpeechPaused) for _, result in heard) - 1
    found.cuts += len(ended) - 1
    if not ended or ended[-1][1].decided_at < last_s * RATE_HZ:
        found.missed += 1
        return
    found.late_ms.append((ended[-1][0] - last_s) * 1000)
    found.heard_ms.append((ended[-1][1].decided_at / RATE_HZ - last_s) * 1000)
    found.reasons.append(ended[-1][1].reason)


def _last_sound(samples: Samples) -> int:
    """The end of the last 10 ms that are not much weaker than the loudest."""
    size = RATE_HZ // 100
    level = np.square(samples[: len(samples) // size * size].reshape(-1, size)).mean(axis=1)
    return (int(np.flatnonzero(level > level.max() * 10 ** (_HEARD_DB / 10))[-1]) + 1) * size


def human() -> list[Samples]:
    """Sentences of real speech, one each."""
    name, said = HUMAN
    samples = recording(name)
    return [samples[round(from_s * RATE_HZ) : round(to_s * RATE_HZ)] for from_s, to_s in said]


async def synthesised() -> list[Samples]:
    """SENTENCES in each voice."""
    spoken: list[Samples] = []
    for name in VOICES:
        voice = make_voice(name)
        for text in SENTENCES:
            sound = await voice.speak(text)
            samples = np.frombuffer(sound.pcm, "<i2").astype(np.float32) / 32768
            spoken.append(soxr.resample(samples, sound.rate_hz, RATE_HZ))
        await voice.aclose()
    return spoken


def clauses() -> list[Samples]:
    """Part of a sentence that is read aloud with a pause at each comma: eight clauses that all sound finished."""
    return [recording("two_cities.wav")[round(1.0 * RATE_HZ) : round(20.8 * RATE_HZ)]]
