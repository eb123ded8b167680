"""Sound that is played into a listening stream as a microphone would: 20 ms at a time, each when it is due."""

import asyncio
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path
from typing import Final

from infra.audio import RATE_HZ, Samples, decode_blocking
from infra.listening.listener import ListeningStream
from infra.listening.utterances import Result

FRAME: Final = RATE_HZ // 50


def recording(name: str) -> Samples:
    """A recording of human speech that comes with moonshine-voice."""
    path = next(Path(str(file.locate())) for file in files("moonshine-voice") or () if file.name == name)
    return decode_blocking(path.read_bytes())


async def play(
    stream: ListeningStream, pcm: bytes, fed: Callable[[], None] | None = None, *, paced: bool = True
) -> None:
    """Feed PCM at RATE_HZ in real time (or as fast as it is taken), then close; `fed` is called after each frame."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for at in range(0, len(pcm), 2 * FRAME):
        due = began + (at // 2 + FRAME) / RATE_HZ  # a frame is there when its last sample has sounded
        if paced and (early_s := due - loop.time()) > 0:
            await asyncio.sleep(early_s)
        await stream.feed(pcm[at : at + 2 * FRAME])
        if fed is not None:
            fed()
    await stream.close()


async def listened(stream: ListeningStream, pcm: bytes, told: Callable[[Result], None], *, paced: bool = True) -> None:
    """Play into a stream and hand each result to `told` as it comes."""
    async with stream, asyncio.TaskGroup() as both:
        both.create_task(play(stream, pcm, paced=paced))
        async for result in stream:
            told(result)
