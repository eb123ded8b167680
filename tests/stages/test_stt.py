"""Spoken turns in, transcripts out."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pytest

from infra.audio import RATE_HZ, AudioLimits, UnusableAudio, pcm_of, wav_of
from infra.blobs.files import FileBlobs
from infra.clock import new_id
from infra.recognisers.factory import make_recogniser
from schemas.errors import InvalidField
from schemas.event import Blob, Event, Meta
from schemas.speech import TranscriptReady
from schemas.turns import SpeechTurnOpened
from stages.stt import STT, SttGiven


@pytest.fixture
async def given(tmp_path: Path) -> AsyncIterator[SttGiven]:
    recogniser = make_recogniser("moonshine")
    yield SttGiven(FileBlobs(tmp_path), recogniser, AudioLimits(longest_s=60.0))
    await recogniser.aclose()


def opened(audio: Blob) -> Event[SpeechTurnOpened]:
    turn = new_id()
    meta = Meta(
        id=turn, type="SpeechTurnOpened", conversation=new_id(), turn=turn, user="anna",
        time=datetime(2026, 11, 20, 12, tzinfo=UTC),
    )  # fmt: skip
    return Event[SpeechTurnOpened](meta=meta, fact=SpeechTurnOpened(audio=audio))


async def said(event: Event[SpeechTurnOpened], given: SttGiven) -> list[TranscriptReady]:
    facts = [told async for told in STT.handle(event, given, ())]
    assert all(isinstance(fact, TranscriptReady) for fact in facts)
    return facts  # type: ignore[return-value]  # asserted above


async def test_speech_becomes_one_transcript_with_its_length_and_model(given: SttGiven) -> None:
    path = next(Path(str(file.locate())) for file in files("moonshine-voice") or () if file.name == "beckett.wav")
    blob = await given.blobs.put(path.read_bytes(), "audio/wav")

    [transcript] = await said(opened(blob), given)

    assert "try again" in transcript.text.lower()
    assert transcript.audio_s == pytest.approx(9.96, abs=0.01)
    assert (transcript.recogniser.backend, transcript.recogniser.model) == ("moonshine", "tiny-en")
    assert transcript.empty_because is None


async def test_silence_becomes_an_empty_transcript_that_says_so(given: SttGiven) -> None:
    blob = await given.blobs.put(wav_of(bytes(2 * RATE_HZ), RATE_HZ), "audio/wav")

    [transcript] = await said(opened(blob), given)

    assert (transcript.text, transcript.empty_because, transcript.audio_s) == ("", "silence", 1.0)


async def test_noise_becomes_an_empty_transcript_that_says_so(given: SttGiven) -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal(2 * RATE_HZ)
    blob = await given.blobs.put(wav_of(pcm_of(noise), RATE_HZ), "audio/wav")

    [transcript] = await said(opened(blob), given)

    assert (transcript.text, transcript.empty_because) == ("", "noise")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "audio.size_bytes"),
        (b"not sound at all", "audio"),
        (wav_of(bytes(2 * 61 * 8_000), 8_000), "audio.audio_s"),
    ],
    ids=["empty", "not sound", "longer than allowed"],
)
async def test_unusable_sound_is_a_permanent_refusal(given: SttGiven, data: bytes, field: str) -> None:
    blob = await given.blobs.put(data, "audio/wav")

    with pytest.raises(UnusableAudio) as refused:
        await said(opened(blob), given)

    assert isinstance(refused.value, InvalidField)
    assert refused.value.field == field


async def test_a_blob_that_says_it_is_too_large_is_not_fetched(given: SttGiven) -> None:
    blob = Blob(ref="sha256:" + "0" * 64, media_type="audio/wav", size_bytes=10**9)

    with pytest.raises(UnusableAudio, match=r"audio\.size_bytes"):
        await said(opened(blob), given)


async def test_sound_that_was_never_put_into_the_store_is_a_permanent_refusal(given: SttGiven) -> None:
    blob = Blob(ref="sha256:" + "0" * 64, media_type="audio/wav", size_bytes=1_000)

    with pytest.raises(UnusableAudio) as refused:
        await said(opened(blob), given)

    assert isinstance(refused.value, InvalidField)
    assert refused.value.field == "audio.ref"
    assert blob.ref in refused.value.value
    assert refused.value.expected == "a recording that was put into the blob store before it was submitted"
