"""The pyttsx3 voice (eSpeak NG, formant synthesis): needs a few milliseconds and no weights.

pyttsx3 blocks, has one engine a process, and waits for ever when its native callback fails. So it lives in a child
process (infra/voices/pyttsx3_process.py): a call that takes too long, or whose caller gives up, ends the child, and
the next call starts another.
"""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from infra.voices.port import Sound, VoiceFailed, VoiceUnavailable

DEFAULT_VOICE = "gmw/en-us"
START_WITHIN_S = 20.0
SPEAK_WITHIN_S = 15.0  # eSpeak makes a minute of speech in well under a second
_CHECKOUT = Path(__file__).parents[2]
_MODULE = "infra.voices.pyttsx3_process"
_LINE_MAX_BYTES = 1 << 20


class Pyttsx3Voice:
    """A Voice. `command` is what starts the child; tests put one in its place that hangs."""

    backend = "pyttsx3"
    rate_hz = 22_050

    def __init__(
        self,
        model: str = DEFAULT_VOICE,
        within_s: float = SPEAK_WITHIN_S,
        command: tuple[str, ...] = (sys.executable, "-m", _MODULE),
    ) -> None:
        self.model = model
        self._within_s = within_s
        self._command = command
        self._turn = asyncio.Lock()
        self._child: Process | None = None

    async def load(self) -> None:
        async with self._turn:
            await self._started()

    async def speak(self, text: str) -> Sound:
        if not text.strip():
            return Sound(b"", self.rate_hz)  # pyttsx3 refuses it
        async with self._turn:
            child = await self._started()
            try:
                async with asyncio.timeout(self._within_s):
                    return await _ask(child, text)
            except TimeoutError:
                await self._end()
                raise VoiceFailed(f"pyttsx3 took longer than {self._within_s} s; it is started again") from None
            except (OSError, EOFError, ValueError) as error:
                await self._end()
                raise VoiceFailed(f"pyttsx3 broke off ({error!r}); it is started again") from error
            except asyncio.CancelledError:
                await self._end()  # its answer would be taken for that of the next call
                raise

    async def aclose(self) -> None:
        await self._end()

    async def _started(self) -> Process:
        if self._child is not None and self._child.returncode is None:
            return self._child
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_CHECKOUT), *sys.path])}
        child = await asyncio.create_subprocess_exec(
            *self._command, self.model, str(self._within_s),
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, limit=_LINE_MAX_BYTES,
        )  # fmt: skip
        self._child = child
        try:
            async with asyncio.timeout(START_WITHIN_S):
                greeting = await _line(child)
        except BaseException as error:
            await self._end()
            if isinstance(error, TimeoutError | OSError | EOFError | ValueError):
                raise VoiceUnavailable(
                    f"pyttsx3 does not start ({error!r}); parley doctor tells what is missing"
                ) from error
            raise
        if "error" in greeting:
            await self._end()
            raise VoiceUnavailable(f"voice {self.model!r} does not load: {greeting['error']}")
        return child

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _ask(child: Process, text: str) -> Sound:
    """One question and its answer. Raises OSError, EOFError or ValueError when the child is gone or talks nonsense."""
    if child.stdin is None or child.stdout is None:
        raise EOFError("the child has no pipes")
    child.stdin.write(json.dumps({"text": text}).encode() + b"\n")
    await child.stdin.drain()
    answer = await _line(child)
    if "error" in answer:
        raise VoiceFailed(f"pyttsx3: {answer['error']}")
    size_bytes, rate_hz = answer.get("size_bytes"), answer.get("rate_hz")
    if not isinstance(size_bytes, int) or not isinstance(rate_hz, int):
        raise ValueError(f"answer {answer!r} has no size_bytes and rate_hz")
    return Sound(await child.stdout.readexactly(size_bytes), rate_hz)


async def _line(child: Process) -> dict[str, object]:
    if child.stdout is None:
        raise EOFError("the child has no pipes")
    line = await child.stdout.readline()
    if not line:
        raise EOFError("the child has ended")
    answer = json.loads(line)
    if not isinstance(answer, dict):
        raise ValueError(f"answer {line!r} is not an object")
    return answer
