"""Real speech, and a way to have it listened to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import files
from pathlib import Path

import pytest

from infra.audio import Samples, decode_blocking
from infra.listening.listener import Listener, ListeningStream
from infra.listening.utterances import Result

Heard = Callable[..., Awaitable[list[Result]]]


@pytest.fixture(scope="session")
def recording() -> Callable[[str], Samples]:
    """A recording of human speech that comes with moonshine-voice, by its name."""

    def read(name: str) -> Samples:
        path = next(Path(str(file.locate())) for file in files("moonshine-voice") or () if file.name == name)
        return decode_blocking(path.read_bytes())

    return read


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener(longest_s=120, answer_within_s=60) as listening:  # the machine may have other things to do
        yield listening


async def _heard(stream: ListeningStream, pcm: bytes, frame_bytes: int = 3200) -> list[Result]:
    async with stream:

        async def taken() -> list[Result]:
            return [result async for result in stream]

        taking = asyncio.create_task(taken())
        for at in range(0, len(pcm), frame_bytes):
            await stream.feed(pcm[at : at + frame_bytes])
        await stream.close()
        return await taking


@pytest.fixture
def heard() -> Heard:
    """`await heard(stream, pcm, frame_bytes=…)`: all results of a stream into which this is fed."""
    return _heard
