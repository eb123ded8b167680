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
import wave
from pathlib import Path
from typing import BinaryIO

import espeakng_loader
import pyttsx3

RATE_WPM = 165  # eSpeak's default of 200 is hard to follow
TRIES = 3  # now and then its loop ends before it has begun to speak, and nothing is written
_GRACE_S = 2.0  # the parent's own limit comes first


def serve(questions: BinaryIO, answers: BinaryIO, voice: str, within_s: float) -> None:
    """Answer `{"text": ...}` with `{"size_bytes": n, "rate_hz": r}` and n bytes of PCM s16le, or `{"error": ...}`."""
    try:
        engine = _engine(voice)
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent shall say it instead of waiting
        _answer(answers, {"error": f"{type(error).__name__}: {error}"})
        return
    _answer(answers, {"ready": True})
    with tempfile.TemporaryDirectory(prefix="parley-pyttsx3-") as folder:
        for question in questions:
            signal.setitimer(signal.ITIMER_REAL, within_s + _GRACE_S)
            try:
                pcm, rate_hz = _spoken(engine, json.loads(question)["text"], Path(folder) / "sentence.wav")
            except Exception as error:  # noqa: BLE001  # as above
                _answer(answers, {"error": f"{type(error).__name__}: {error}"})
            else:
                _answer(answers, {"size_bytes": len(pcm), "rate_hz": rate_hz}, pcm)
            signal.setitimer(signal.ITIMER_REAL, 0)


def _engine(voice: str) -> pyttsx3.Engine:
    ctypes.CDLL(espeakng_loader.get_library_path(), mode=ctypes.RTLD_GLOBAL)
    os.environ["ESPEAK_DATA_PATH"] = espeakng_loader.get_data_path()
    engine = pyttsx3.init("espeak")
    known = sorted(found.id for found in engine.getProperty("voices"))
    if voice not in known:
        english = ", ".join(found for found in known if found.startswith("gmw/en"))
        raise ValueError(f"pyttsx3 has no voice {voice!r}; English ones are {english}")
    engine.setProperty("voice", voice)
    engine.setProperty("rate", RATE_WPM)
    return engine


def _spoken(engine: pyttsx3.Engine, text: str, path: Path) -> tuple[bytes, int]:
    """The sentence as sound. Raises FileNotFoundError when pyttsx3 has written nothing TRIES times."""
    for _ in range(TRIES):
        engine.save_to_file(text, str(path))
        engine.runAndWait()
        if path.exists():
            break
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
