"""How far partial transcripts are behind what is being said, and what they cost the process that makes them."""

import asyncio
import time
from asyncio.subprocess import Process
from dataclasses import dataclass, field
from typing import Final

from infra.audio import RATE_HZ, pcm_of
from infra.bus.connection import Bus
from infra.listening.listener import Listener
from pipeline.partial_texts import PartialText, PartialTexts
from pipeline.partials import SOUND_MAX_S, PartialTranscripts
from scripts.bench.microphones.playing import play, recording
from scripts.bench.recording.ground import processor_s

PLAYED_S: Final = 9.0
FROM_S: Final = 32.6  # of two_cities.wav: nine seconds that are said without a pause
READY_WITHIN_S: Final = 60.0


@dataclass(slots=True)
class Told:
    """What so many microphones were told at once."""

    microphones: int
    lag_ms: list[float] = field(default_factory=list)  # from the last sound in a text to its arrival
    texts: list[int] = field(default_factory=list)  # of each microphone
    last: str = ""
    processor_ms: float = 0.0  # of the process that answers, for each second of real time


async def ready(bus: Bus) -> None:
    """The process answers, and has loaded its recogniser. Raises TimeoutError."""
    transcripts = PartialTranscripts(bus)
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            if await transcripts.text_of(pcm_of(recording("beckett.wav")[:RATE_HZ])) is not None:
                return
            await asyncio.sleep(0.1)


async def told(bus: Bus, stt: Process, microphones: int) -> Told:
    """Play the same sound into so many microphones, a little apart, and look at the partial texts."""
    found, pcm = Told(microphones), pcm_of(recording("two_cities.wav")[round(FROM_S * RATE_HZ) :])
    pcm = pcm[: 2 * round(PLAYED_S * RATE_HZ)]
    before_s, began = processor_s(stt), time.monotonic()
    async with Listener(longest_s=120) as listener, asyncio.TaskGroup() as all_of_them:
        for number in range(microphones):
            all_of_them.create_task(_one(listener, bus, pcm, number * 0.13, found))
    found.processor_ms = (processor_s(stt) - before_s) / (time.monotonic() - began) * 1000
    return found


async def _one(listener: Listener, bus: Bus, pcm: bytes, later_s: float, found: Told) -> None:
    await asyncio.sleep(later_s)
    loop = asyncio.get_running_loop()
    began, count = loop.time(), 0

    async def tell(partial: PartialText) -> None:
        nonlocal count
        count += 1
        found.lag_ms.append((loop.time() - began - partial.to_sample / RATE_HZ) * 1000)
        found.last = partial.text

    texts = PartialTexts(PartialTranscripts(bus).text_of, tell, loop.time)
    async with listener.stream(RATE_HZ) as stream, asyncio.TaskGroup() as both:
        both.create_task(play(stream, pcm, lambda: texts.look(stream.so_far(SOUND_MAX_S))))
        async for result in stream:
            texts.note(result)
    await texts.aclose()
    found.texts.append(count)
