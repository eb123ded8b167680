"""Partial transcripts on a real bus: asked for, answered, refused."""

import asyncio
import json
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path

import pytest

from infra.audio import RATE_HZ, Samples, decode_blocking, pcm_of, samples_of
from infra.bus.connection import Bus
from infra.bus.server import BusAddress
from infra.recognisers.factory import make_recogniser
from infra.recognisers.port import Heard, Recogniser, RecogniserUnavailable
from infra.recognisers.scripted import ScriptedRecogniser, recording_of
from infra.settings import Settings, SttSettings
from pipeline.partials import ASK_SUBJECT, SOUND_MAX_BYTES, PartialAnswers, PartialTranscripts
from pipeline.process import run
from pipeline.wiring import partial_recogniser_of
from tests.conftest import Until

HELLO = recording_of("hello")[44:]  # without the header of the WAV file


class HeldRecogniser(ScriptedRecogniser):
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go, self.closed = asyncio.Event(), asyncio.Event(), False

    async def transcribe(self, samples: Samples) -> Heard:
        self.begun.set()
        await self.let_go.wait()
        return await super().transcribe(samples)

    async def aclose(self) -> None:
        self.closed = True


def idle() -> bool:
    return False


async def test_sound_so_far_becomes_text(bus: Bus, bus_address: BusAddress) -> None:
    answers = PartialAnswers(ScriptedRecogniser, idle)
    await answers.answer_on(bus)

    async with Bus(bus_address, name="gateway") as gateway:
        assert await PartialTranscripts(gateway, timeout_s=30).text_of(HELLO) == "hello"
    await answers.aclose()


async def test_the_longest_sound_fits_through_the_bus(bus: Bus) -> None:
    await PartialAnswers(ScriptedRecogniser, idle).answer_on(bus)

    assert await PartialTranscripts(bus, timeout_s=30).text_of(HELLO.ljust(SOUND_MAX_BYTES, b"\0")) == "hello"


async def test_while_one_is_worked_on_the_others_are_told_at_once(bus: Bus) -> None:
    held = HeldRecogniser()
    answers = PartialAnswers(lambda: held, idle)
    await answers.answer_on(bus)
    transcripts = PartialTranscripts(bus, timeout_s=30)

    first = asyncio.create_task(transcripts.text_of(HELLO))
    await held.begun.wait()
    others = await asyncio.gather(*(transcripts.text_of(HELLO) for _ in range(10)))
    held.let_go.set()

    assert others == [None] * 10
    assert await first == "hello"
    await answers.aclose()
    assert held.closed


async def test_final_transcripts_come_first(bus: Bus) -> None:
    made: list[Recogniser] = []

    def make() -> Recogniser:
        made.append(ScriptedRecogniser())
        return made[-1]

    in_hand = True
    await PartialAnswers(make, lambda: in_hand).answer_on(bus)

    assert json.loads(await bus.ask(ASK_SUBJECT, HELLO, timeout_s=30)) == {"busy": True}
    assert made == []
    in_hand = False
    assert json.loads(await bus.ask(ASK_SUBJECT, HELLO, timeout_s=30)) == {"text": "hello"}


@pytest.mark.parametrize("pcm", [b"\0" * 3, b"\0" * (SOUND_MAX_BYTES + 2)])
async def test_what_cannot_be_sound_is_refused(pcm: bytes) -> None:
    answer = json.loads(await PartialAnswers(ScriptedRecogniser, idle).answer(pcm))

    assert answer["error"].startswith(f"sound.size_bytes: {len(pcm)} is not allowed; expected an even number up to")


async def test_a_recogniser_that_does_not_load_is_a_warning_and_no_text(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    class Absent(ScriptedRecogniser):
        async def transcribe(self, samples: Samples) -> Heard:
            raise RecogniserUnavailable("install it")

    await PartialAnswers(Absent, idle).answer_on(bus)
    transcripts = PartialTranscripts(bus, timeout_s=30)

    assert [await transcripts.text_of(HELLO) for _ in range(3)] == [None] * 3
    assert [record.getMessage() for record in caplog.records if record.name == "parley.partials"] == [
        "no partial transcripts: install it"
    ]


async def test_without_anybody_who_answers_there_is_no_text(bus: Bus) -> None:
    assert await PartialTranscripts(bus, timeout_s=1).text_of(HELLO) is None


async def test_moonshine_tells_a_sentence_before_it_is_over() -> None:
    path = next(Path(str(file.locate())) for file in files("moonshine-voice") or () if file.name == "two_cities.wav")
    begun = pcm_of(decode_blocking(path.read_bytes())[RATE_HZ : 4 * RATE_HZ])
    answers = PartialAnswers(lambda: make_recogniser("moonshine", background=True), idle)

    answer = json.loads(await answers.answer(begun))

    assert "best of times" in answer["text"].lower()
    await answers.aclose()


async def test_the_process_that_makes_final_transcripts_makes_partial_ones(
    bus: Bus, bus_address: BusAddress, tmp_path: Path, until: Until
) -> None:
    stop = asyncio.Event()
    settings = Settings(stt=SttSettings(backend="scripted"), data_dir=tmp_path)
    working = asyncio.create_task(run("stt", settings, bus_address, stop))
    transcripts = PartialTranscripts(bus)

    assert await until(lambda: transcripts.text_of(HELLO)) == "hello"

    stop.set()
    await working


@pytest.mark.parametrize(
    ("stt", "expected"),
    [
        (SttSettings(), "moonshine"),
        (SttSettings(backend="scripted"), "scripted"),
        (SttSettings(backend="scripted", partials="moonshine"), "moonshine"),
        (SttSettings(partials="whisper"), "whisper"),
        (SttSettings(partials="none"), None),
    ],
)
def test_the_configuration_says_who_tells(stt: SttSettings, expected: str | None) -> None:
    make: Callable[[], Recogniser] | None = partial_recogniser_of(Settings(stt=stt))

    assert (make().backend if make else None) == expected


def test_pcm_is_read_as_it_was_written() -> None:
    assert samples_of(b"\x00\x40\x00\xc0").tolist() == [0.5, -0.5]
