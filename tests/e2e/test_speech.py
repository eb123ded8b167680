"""A sentence is spoken to Parley and its spoken reply is understood, with the real recogniser, engine and voice."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.audio import AudioLimits, decode, wav_of
from infra.recognisers.factory import make_recogniser
from infra.voices.factory import make_voice

if TYPE_CHECKING:
    from tests.conftest import Parley

pytestmark = pytest.mark.slow


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


async def speak(text: str) -> bytes:
    """The sentence as a recording, by the voice that Parley itself has."""
    voice = make_voice("hibari", None, threads=2)
    await voice.load()
    try:
        sound = await voice.speak(text)
    finally:
        await voice.aclose()
    return wav_of(sound.pcm, sound.rate_hz)


async def hear(recording: bytes) -> list[str]:
    """The words that the recogniser understands."""
    recogniser = make_recogniser("whisper", None, beam=1, threads=2)
    await recogniser.load()
    try:
        return words((await recogniser.transcribe(await decode(recording, AudioLimits()))).text)
    finally:
        await recogniser.aclose()


def log_of(parley: "Parley", turn: str) -> list[str]:
    sql = f"SELECT type FROM events WHERE turn = '{turn}' ORDER BY stream_seq"
    return [json.loads(line)["type"] for line in parley.command("log", "query", sql, "--json").stdout.splitlines()]


async def test_a_spoken_task_and_a_spoken_question_are_answered_aloud(
    new_parley: "Callable[..., Parley]", tmp_path: Path
) -> None:
    parley = new_parley(MINIMAL_MODE="false", PARLEY_TURN__TIMEOUT_S="180").up().ready()
    assert "engine     llama.cpp with smollm2-135m-instruct" in parley.told
    task, question, done_wav, talk_wav = (tmp_path / f"{name}.wav" for name in ("task", "question", "done", "talk"))
    task.write_bytes(await speak("Remind me tomorrow at three to call the dentist."))
    question.write_bytes(await speak("Tell me something about the ocean."))

    done = parley.turn("hear", str(task), "--out", str(done_wav))
    talk = parley.turn(*("hear", str(question), "--out", str(talk_wav), "--conversation", done["conversation_id"]))

    assert done["status"] == talk["status"] == "completed"
    assert {"remind", "tomorrow", "call", "dentist"} <= set(words(done["transcript"]))
    assert [intent["label"] for intent in done["intents"]] == ["create_reminder"]
    assert done["tasks"][0]["success"]
    assert {"reminder", "dentist", "tomorrow"} <= set(words(done["reply"]))
    assert {"reminder", "dentist", "tomorrow"} <= set(await hear(done_wav.read_bytes()))

    assert "ocean" in words(talk["transcript"])
    assert (talk["engine"]["backend"], talk["engine"]["fallback"]) == ("llama.cpp", False)
    said, understood = words(talk["reply"]), set(await hear(talk_wav.read_bytes()))
    assert len(said) >= 3
    assert sum(word in understood for word in said) >= len(said) / 2

    parley.wait_for(lambda: "TurnCompleted" in log_of(parley, talk["turn_id"]))
    assert "SpeechReady" in log_of(parley, talk["turn_id"])
    assert list(talk["timings_ms"]) == ["stt", "intent", "router", "chat", "reranker", "tts"]


def test_one_turn_can_be_had_without_a_parley_that_runs(new_parley: "Callable[..., Parley]", tmp_path: Path) -> None:
    parley = new_parley()
    parley.folder.mkdir()

    turn = parley.turn("say", "note to buy milk", "--here", "--out", str(tmp_path / "reply.wav"))

    assert turn["status"] == "completed"
    assert (tmp_path / "reply.wav").stat().st_size > 10_000
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(parley.folder) not in left
    assert parley.command("say", "hello").returncode == 3
