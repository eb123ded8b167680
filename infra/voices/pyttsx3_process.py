"""The child process in which pyttsx3 speaks: a JSON line in, a JSON line and PCM out, until standard input ends.

Arguments: the voice's id and the seconds that one text may take. It ends by itself, also inside native code, a little
after that time: so it outlives neither a hang nor, for long, a parent that was killed during one.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import espeakng_loader
import pyttsx3

RATE_WPM = 165  # eSpeak's default of 200 is hard to follow
TRIES = 3  # its loop may be ended by the end of the sentence before it, and has then not begun to speak
_POLL_S = 0.001
_CURRENT = 1  # for espeak_GetParameter: not the default
_GRACE_S = 2.0  # the parent's own limit comes first

Settled = Callable[[], object]
"""Returns when eSpeak's thread has nothing left to do."""


def serve(questions: BinaryIO, answers: BinaryIO, voice: str, within_s: float) -> None:
    """Answer `{"text": ...}` with `{"size_bytes": n, "rate_hz": r}` and n bytes of PCM s16le, or `{"error": ...}`."""
    try:
        engine, settled = _engine(voice)
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent shall say it instead of waiting
        _answer(answers, {"error": f"{type(error).__name__}: {error}"})
        return
    _answer(answers, {"ready": True})
    with tempfile.TemporaryDirectory(prefix="parley-pyttsx3-") as folder:
        for question in questions:
            signal.setitimer(signal.ITIMER_REAL, within_s + _GRACE_S)
            try:
                pcm, rate_hz = _spoken(engine, settled, json.loads(question)["text"], Path(folder) / "sentence.wav")
            except Exception as error:  # noqa: BLE001  # as above
                _answer(answers, {"error": f"{type(error).__name__}: {error}"})
            else:
                _answer(answers, {"size_bytes": len(pcm), "rate_hz": rate_hz}, pcm)
            signal.setitimer(signal.ITIMER_REAL, 0)


def _engine(voice: str) -> tuple[pyttsx3.Engine, Settled]:
    library = ctypes.CDLL(espeakng_loader.get_library_path(), mode=ctypes.RTLD_GLOBAL)
    os.environ["ESPEAK_DATA_PATH"] = espeakng_loader.get_data_path()
    engine = pyttsx3.init("espeak")
    known = sorted(found.id for found in engine.getProperty("voices"))
    if voice not in known:
        english = ", ".join(found for found in known if found.startswith("gmw/en"))
        raise ValueError(f"pyttsx3 has no voice {voice!r}; English ones are {english}")
    engine.setProperty("voice", voice)
    engine.setProperty("rate", RATE_WPM)
    engine.proxy.setBusy(False)  # it hands them to eSpeak now, not beside the first sentence
    from pyttsx3.drivers import _espeak  # not before the library is loaded

    def settled() -> None:
        # Whether it plays is no answer while its thread has not yet begun with what was asked: the rate came last.
        while library.espeak_GetParameter(_espeak.RATE, _CURRENT) != RATE_WPM:
            time.sleep(_POLL_S)
        _espeak.Synchronize()

    return engine, settled


def _spoken(engine: pyttsx3.Engine, settled: Settled, text: str, path: Path) -> tuple[bytes, int]:
    """The sentence as sound. Raises RuntimeError when pyttsx3 has not begun to speak TRIES times.

    runAndWait returns some ten milliseconds after eSpeak's thread was set going, not when the file is written: whoever
    reads it then may find a part of the sentence. And it begins by cancelling what eSpeak's thread still has to do,
    which may be the setting of rate and voice: that is waited for before.
    """
    begun, finished = threading.Event(), threading.Event()
    tokens = [
        engine.connect("started-utterance", lambda **_: begun.set()),
        engine.connect("finished-utterance", lambda **_: finished.set()),
    ]
    try:
        for _ in range(TRIES):
            settled()
            engine.save_to_file(text, str(path))
            engine.runAndWait()
            if begun.is_set():
                break
        else:
            raise RuntimeError(f"pyttsx3 has not begun to speak, {TRIES} times")
        finished.wait()  # for ever, if need be: see serve
    finally:
        for token in tokens:
            engine.disconnect(token)
    with wave.open(str(path)) as file:
        pcm, rate_hz = file.readframes(file.getnframes()), file.getframerate()
    path.unlink()
    return pcm, rate_hz


def _answer(answers: BinaryIO, head: dict[str, object], pcm: bytes = b"") -> None:
    answers.write(json.dumps(head).encode() + b"\n" + pcm)
    answers.flush()


def main() -> None:
    """Serve on the real standard output, which pyttsx3's own prints must not reach."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, answers, sys.argv[1], float(sys.argv[2]))


if __name__ == "__main__":
    main()
