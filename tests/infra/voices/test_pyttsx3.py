"""The child process in which pyttsx3 lives: it may hang, die or talk nonsense, and the next call works again."""

import os
import subprocess
import sys
import threading
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.voices.port import VoiceFailed, VoiceUnavailable
from infra.voices.pyttsx3 import Pyttsx3Voice
from infra.voices.pyttsx3_process import TRIES, _spoken

READY = "import sys, time; print('{\"ready\": true}', flush=True); sys.stdin.readline(); "


def child(body: str) -> tuple[str, ...]:
    return (sys.executable, "-c", READY + body)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_a_child_that_hangs_is_ended_within_the_limit(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    voice = Pyttsx3Voice(within_s=0.2, command=child(f"open({str(note)!r}, 'w').write(str(__import__('os').getpid())); "
                                                     "time.sleep(60)"))  # fmt: skip

    with pytest.raises(VoiceFailed, match=r"0\.2 s"):
        await voice.speak("hello")

    assert is_gone(int(note.read_text()))
    await voice.aclose()


@pytest.mark.parametrize(
    "body",
    ["sys.exit(3)", "print('not json', flush=True)", "print('[]', flush=True)", "print('{}', flush=True)"],
)
async def test_a_child_that_dies_or_talks_nonsense_fails_this_call_only(body: str) -> None:
    voice = Pyttsx3Voice(command=child(body))

    with pytest.raises(VoiceFailed, match="broke off"):
        await voice.speak("hello")
    with pytest.raises(VoiceFailed, match="broke off"):
        await voice.speak("a new child was started for this")
    await voice.aclose()


async def test_after_a_hang_the_real_voice_speaks_again() -> None:
    voice = Pyttsx3Voice()
    before = await voice.speak("Hello there.")
    voice._within_s = 0.0  # the next call is too slow, whatever it does

    with pytest.raises(VoiceFailed):
        await voice.speak("Hello there.")
    voice._within_s = 15.0

    assert (await voice.speak("Hello there.")).audio_s == pytest.approx(before.audio_s, abs=0.05)
    await voice.aclose()


async def test_a_child_that_does_not_start_is_unavailable() -> None:
    voice = Pyttsx3Voice(command=(sys.executable, "-c", "raise SystemExit(1)"))

    with pytest.raises(VoiceUnavailable, match="does not start"):
        await voice.load()


def test_the_child_ends_with_its_standard_input_and_prints_nothing_else() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}

    done = subprocess.run(
        [sys.executable, "-m", "infra.voices.pyttsx3_process", "gmw/en-us", "5"],
        input=b'{"text": "Hello."}\n',
        capture_output=True,
        timeout=30,
        env=environment,
        check=True,
    )

    ready, head, pcm = done.stdout.split(b"\n", 2)
    assert b"ready" in ready
    assert f'"size_bytes": {len(pcm)}'.encode() in head


class Forgetful:
    """A pyttsx3 whose loop ends `idle` times before it has begun to speak, and before it has ended."""

    def __init__(self, idle: int) -> None:
        self._idle = idle
        self._told: dict[str, Callable[..., None]] = {}

    def connect(self, topic: str, told: Callable[..., None]) -> str:
        self._told[topic] = told
        return topic

    def disconnect(self, topic: str) -> None:
        del self._told[topic]

    def save_to_file(self, text: str, path: str) -> None:
        self._path = path

    def runAndWait(self) -> None:  # noqa: N802  # pyttsx3's name
        if self._idle:
            self._idle -= 1
            return
        self._told["started-utterance"](name=None)
        threading.Timer(0.1, self._written).start()

    def _written(self) -> None:
        with wave.open(self._path, "wb") as file:
            file.setparams((1, 2, 22_050, 0, "NONE", ""))
            file.writeframes(bytes(4))
        self._told["finished-utterance"](name=None, completed=True)


def test_a_sentence_that_was_not_begun_is_said_once_more_and_its_end_is_waited_for(tmp_path: Path) -> None:
    settled: list[bool] = []

    spoken = _spoken(Forgetful(TRIES - 1), lambda: settled.append(True), "hello", tmp_path / "sentence.wav")

    assert spoken == (bytes(4), 22_050)
    assert len(settled) == TRIES, "before each try, or pyttsx3 would cancel what eSpeak has not done yet"


def test_a_voice_that_never_begins_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="has not begun to speak, 3 times"):
        _spoken(Forgetful(TRIES), lambda: None, "hello", tmp_path / "sentence.wav")
