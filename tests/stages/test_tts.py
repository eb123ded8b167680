"""Chosen sentences in, sound out."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from infra.audio import decode_blocking
from infra.blobs.files import FileBlobs
from infra.clock import new_id
from infra.voices.factory import make_voice
from schemas.chat import SentenceChosen
from schemas.errors import InvalidField
from schemas.event import Event, Meta
from schemas.speech import ApologySpoken, SpeechReady
from schemas.turns import ApologyRequested
from stages.tts import TTS, TtsGiven


@pytest.fixture(params=["hibari", "pyttsx3"])
async def given(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TtsGiven]:
    voice = make_voice(request.param)
    yield TtsGiven(FileBlobs(tmp_path), voice)
    await voice.aclose()


def chosen(text: str, index: int = 0, last: bool = True, speech: bool = True) -> Event[SentenceChosen]:
    meta = Meta(
        id=new_id(), type="SentenceChosen", conversation=new_id(), turn=new_id(), user="anna", speech=speech,
        time=datetime(2026, 11, 20, 12, tzinfo=UTC),
    )  # fmt: skip
    return Event[SentenceChosen](meta=meta, fact=SentenceChosen(index=index, text=text, last=last))


def apology(text: str, speech: bool = True) -> Event[ApologyRequested]:
    meta = chosen(text, speech=speech).meta.model_copy(update={"type": "ApologyRequested"})
    return Event[ApologyRequested](meta=meta, fact=ApologyRequested(text=text))


async def said(event: Event[SentenceChosen], given: TtsGiven) -> list[SpeechReady]:
    facts = [told async for told in TTS.handle(event, given, ())]
    assert all(isinstance(fact, SpeechReady) for fact in facts)
    return facts  # type: ignore[return-value]  # asserted above


async def test_a_sentence_becomes_sound_in_the_store(given: TtsGiven) -> None:
    [ready] = await said(chosen("I've set your reminder for 3 PM.", index=2, last=False), given)

    sound = decode_blocking(await given.blobs.get(ready.audio))
    assert (ready.index, ready.last, ready.text) == (2, False, "I've set your reminder for 3 PM.")
    assert ready.audio.media_type == "audio/wav"
    assert ready.audio_s == pytest.approx(len(sound) / 16_000, abs=0.01)
    assert 1 < ready.audio_s < 6
    assert float(np.abs(sound).max()) > 0.05
    assert (ready.voice.backend, ready.voice.model) == (given.voice.backend, given.voice.model)


async def test_a_turn_that_wants_no_sound_gets_none(given: TtsGiven) -> None:
    assert await said(chosen("Hello.", speech=False), given) == []


@pytest.mark.parametrize("text", ["...", "😀👍", "", "**", "中文"])
async def test_a_sentence_without_words_still_gives_a_sound_so_that_the_turn_can_end(
    given: TtsGiven, text: str
) -> None:
    [ready] = await said(chosen(text), given)

    assert ready.last
    assert 0 < ready.audio_s < 5
    assert len(await given.blobs.get(ready.audio)) == ready.audio.size_bytes > 44


@pytest.mark.parametrize("text", ["...", "😀👍", "", "**"])
async def test_that_sound_is_silence(given: TtsGiven, text: str) -> None:
    [ready] = await said(chosen(text), given)

    assert not decode_blocking(await given.blobs.get(ready.audio)).any()


async def test_a_sentence_of_a_book_s_length_is_a_permanent_refusal(given: TtsGiven) -> None:
    with pytest.raises(InvalidField) as refused:
        await said(chosen("word " * 1_000), given)

    assert refused.value.field == "text"
    assert "2000" in refused.value.expected


async def test_an_apology_is_spoken_as_such_and_is_no_sentence_of_a_reply(given: TtsGiven) -> None:
    text = "Sorry, that took me too long. Please try again."

    [spoken] = [told async for told in TTS.handle(apology(text), given, ())]

    assert isinstance(spoken, ApologySpoken)
    sound = decode_blocking(await given.blobs.get(spoken.audio))
    assert spoken.text == text
    assert spoken.audio_s == pytest.approx(len(sound) / 16_000, abs=0.01)
    assert float(np.abs(sound).max()) > 0.05


async def test_no_apology_is_spoken_where_no_sound_is_wanted(given: TtsGiven) -> None:
    assert [told async for told in TTS.handle(apology("Sorry.", speech=False), given, ())] == []
