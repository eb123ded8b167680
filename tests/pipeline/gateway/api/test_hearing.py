"""Spoken turns over HTTP: a recording in, transcript, steps, results and sound out; what is no recording is refused."""

import asyncio
import io
import wave
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from infra.audio import wav_of
from infra.blobs.port import BlobMissing
from infra.voices.factory import make_voice
from tests.pipeline.gateway.api.asking import asking, labels, problem

if TYPE_CHECKING:
    from tests.pipeline.gateway.api.conftest import Ask

pytestmark = pytest.mark.slow
PATH = "/api/stt/transcribe-and-respond"


@pytest.fixture(scope="module")
def recording() -> bytes:
    """Somebody says what to remember, by the voice that Parley itself has."""
    return asyncio.run(spoken("Remind me tomorrow at three to call the dentist."))


async def spoken(text: str) -> bytes:
    voice = make_voice("hibari", None, threads=2)
    await voice.load()
    try:
        sound = await voice.speak(text)
    finally:
        await voice.aclose()
    return wav_of(sound.pcm, sound.rate_hz)


def file(data: bytes, media_type: str = "audio/wav") -> dict[str, Any]:
    return {"audio_file": ("said.wav", data, media_type)}


def silence(length_s: float) -> bytes:
    return wav_of(np.zeros(int(length_s * 8_000), np.int16).tobytes(), 8_000)


async def test_a_recording_is_heard_understood_done_and_answered_aloud(
    client: httpx.AsyncClient, recording: bytes
) -> None:
    answer = await client.post(PATH, files=file(recording), data={"time_zone": "Europe/Berlin"})

    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["success"], told["status"]) == (True, "completed")
    assert "call the dentist" in told["transcription"]["text"].lower()
    assert told["transcription"]["audio_s"] > 1
    assert labels(told) == ["create_reminder"]
    assert told["results"][0]["success"] is True
    assert "dentist" in told["response"]
    assert {step["stage"] for step in told["steps"]} >= {"stt", "intent", "router", "chat", "reranker", "tts"}
    assert told["context_used"] is True
    assert " ".join(sentence["text"] for sentence in told["speech"]) == told["response"]

    for sentence in told["speech"]:
        sound = await client.get(sentence["url"])
        assert (sound.status_code, sound.headers["content-type"]) == (200, "audio/wav")
        with wave.open(io.BytesIO(sound.content)) as heard:
            assert heard.getframerate() == sentence["rate_hz"]
            assert heard.getnframes() / heard.getframerate() == pytest.approx(sentence["audio_s"], abs=0.01)
            assert np.abs(np.frombuffer(heard.readframes(heard.getnframes()), np.int16)).max() > 1_000
    problem(await client.get(f"/api/turns/{told['turn']}/speech/{len(told['speech'])}"), 404, "not-found")
    kept = await client.get(f"/api/turns/{told['turn']}/recording")
    assert (kept.content, kept.headers["content-type"]) == (recording, "audio/wav")


async def test_without_speech_nothing_is_spoken(client: httpx.AsyncClient, recording: bytes) -> None:
    told = (await client.post(PATH, files=file(recording), data={"speech": "false"})).json()

    assert told["speech"] == []
    assert "tts" not in {step["stage"] for step in told["steps"]}


async def test_a_recording_is_never_told_as_a_page(client: httpx.AsyncClient, recording: bytes) -> None:
    told = (await client.post(PATH, files=file(recording, "text/html"), data={"speech": "false"})).json()

    kept = await client.get(f"/api/turns/{told['turn']}/recording")

    assert kept.headers["content-type"] == "application/octet-stream"
    assert kept.headers["content-disposition"] == "attachment"
    assert kept.headers["x-content-type-options"] == "nosniff"


async def test_sound_that_is_kept_no_longer_is_told_as_gone(
    client: httpx.AsyncClient, recording: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.blobs.files import FileBlobs

    told = (await client.post(PATH, files=file(recording), data={"speech": "true"})).json()

    async def gone(self: FileBlobs, blob: Any) -> bytes:
        raise BlobMissing(blob.ref, "here")

    monkeypatch.setattr(FileBlobs, "get", gone)

    for tail in ("recording", "speech/0"):
        problem(await client.get(f"/api/turns/{told['turn']}/{tail}"), 410, "gone")


@pytest.mark.parametrize(
    ("data", "kind", "field"),
    [
        (b"", "invalid-field", "audio_file"),
        (b"<html>this is not a recording</html>" * 100, "unusable-audio", "audio"),
        (silence(0.01), "unusable-audio", "audio.audio_s"),
        (silence(121), "unusable-audio", "audio.audio_s"),
        (silence(1)[:44], "unusable-audio", "audio.audio_s"),
    ],
    ids=["empty", "no recording", "too short", "too long", "only a header"],
)
async def test_what_cannot_be_heard_is_refused_with_what_would_be_right(
    client: httpx.AsyncClient, data: bytes, kind: str, field: str
) -> None:
    told = problem(await client.post(PATH, files=file(data), data={"speech": "false"}), 422, kind)

    assert told["field"] == field
    assert told["expected"]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"conversation": "mine"}, "body.conversation"),
        ({"user_id": "a b"}, "body.user_id"),
        ({"speech": "perhaps"}, "body.speech"),
    ],
)
async def test_a_form_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, form: dict[str, str], field: str
) -> None:
    told = problem(await client.post(PATH, files=file(silence(1)), data=form), 422, "invalid-request")

    assert told["field"] == field


async def test_a_form_without_a_recording_is_refused(client: httpx.AsyncClient) -> None:
    for sent in ({"data": {"speech": "true"}}, {"json": {"audio_file": "here"}}, {"data": {"audio_file": "text"}}):
        told = problem(await client.post(PATH, **sent), 422, "invalid-request")  # type: ignore[arg-type]
        assert told["field"] == "body.audio_file"
    told = problem(await client.post(PATH, files=file(silence(1)), data={"time_zone": "Mars"}), 422, "invalid-field")
    assert told["field"] == "time_zone"


async def test_a_recording_may_be_larger_than_other_bodies_but_not_without_end(gateway: Any) -> None:
    app = await gateway(**{"gateway.body_max_mb": "0.01", "gateway.upload_max_mb": "0.1"})
    async with asking(app) as client:
        small = await client.post(PATH, files=file(silence(2)), data={"speech": "false"})
        assert small.status_code == 200
        assert small.json()["transcription"]["empty_because"] == "silence"
        problem(await client.post(PATH, files=file(silence(10))), 413, "too-large")
        problem(await client.post("/api/chat/respond", json={"message": "x" * 20_000}), 413, "too-large")


async def test_nobody_unknown_is_heard_and_nobody_in_another_s_name(
    guarded: FastAPI, as_user: "Ask", recording: bytes
) -> None:
    async with asking(guarded) as stranger:
        problem(await stranger.post(PATH, files=file(recording)), 401, "token-missing")
    problem(await as_user("ann").post(PATH, files=file(recording), data={"user_id": "bob"}), 403, "forbidden")
