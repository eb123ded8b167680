"""A real Chromium on the page of a real Parley, with a recording for its microphone."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from playwright.async_api import async_playwright

from infra.voices.factory import make_voice
from tests.browser.chromium import Browser, NoBrowser, chromium
from tests.browser.visit import Visit, address_of
from tests.conftest import Parley, ready_parley

if TYPE_CHECKING:
    from tests.browser.visit import NewVisit

LEAD_S = 0.6  # silence before the words: the microphone of a person, too, is on before they speak
PAUSE_S = 12.0  # after the words: long enough for an answer

Recording = Callable[..., Awaitable[Path]]


@pytest.fixture(scope="session")
def browser() -> Browser:
    """Which browser; without any the tests fail and say what to do."""
    try:
        return chromium()
    except NoBrowser as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def parley(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parley]:
    """One whole Parley with its bundled models for all tests of the page."""
    own = {"PARLEY_GATEWAY__ENABLED": "true", "PARLEY_TURN__TIMEOUT_S": "180"}
    with ready_parley(tmp_path_factory.mktemp("page"), **own) as started:
        yield started


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """`await recording("text", ...)`: a WAV in which Parley's own voice says them, one PAUSE_S after the other."""
    folder = tmp_path_factory.mktemp("recordings")
    made: dict[tuple[str, ...], Path] = {}

    async def make(*texts: str) -> Path:
        if texts not in made:
            made[texts] = folder / f"{len(made)}.wav"
            await _speak(texts, made[texts])
        return made[texts]

    return make


async def _speak(texts: tuple[str, ...], path: Path) -> None:
    voice = make_voice("hibari", None, threads=2)
    await voice.load()
    parts = [np.zeros(int(LEAD_S * voice.rate_hz), np.int16)]
    try:
        for text in texts:
            said = np.frombuffer((await voice.speak(text)).pcm, np.int16)
            parts += [said, np.zeros(int(PAUSE_S * voice.rate_hz), np.int16)]
    finally:
        await voice.aclose()
    soundfile.write(path, np.concatenate(parts), voice.rate_hz)


@pytest.fixture
async def visit(browser: Browser, parley: Parley) -> "AsyncIterator[NewVisit]":
    """`await visit(microphone=..., **context)`: somebody opens the page in a browser of their own."""
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        made: list[Visit] = []

        async def make(
            microphone: Path | None = None, at: str | None = None, until: str = "idle", **context: Any
        ) -> Visit:
            arguments = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
            if microphone is not None:
                arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
            started = await playwright.chromium.launch(
                executable_path=browser.path, args=arguments, env={**os.environ, **browser.environment}
            )
            stack.push_async_callback(started.close)
            made.append(Visit(await started.new_page(**context), at or address_of(parley)))
            await made[-1].open(until)
            return made[-1]

        yield make
        assert [complaint for each in made for complaint in each.complaints] == []
