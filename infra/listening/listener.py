"""Listens to microphones: sound goes in as it comes, typed results come out (infra/listening/utterances.py).

One `Listener` a process holds the models; each microphone has a `ListeningStream`:

    async with Listener(longest_s=120) as listener:
        async with listener.stream(rate_hz=48_000) as stream:
            await stream.feed(pcm)            # PCM s16le mono, up to a second at a time, from one task
            async for result in stream: ...   # from another task; ends after `close`
            await stream.close()              # ends the utterance in progress

Results depend on the sound alone, not on when it comes When the models cannot keep up, or nobody takes the results,
`feed` waits: a stream never holds more than some two seconds of sound that was not listened to, RESULTS_MAX
results, and the utterance in progress (32 kB a second, up to longest_s). Knows neither the bus nor a recogniser.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from infra.audio import RATE_HZ, Samples, StreamResampler, samples_of
from infra.listening.batches import Batches
from infra.listening.end_of_turn import SEEN, EndOfTurn
from infra.listening.utterances import BYTES_PER_SAMPLE, WINDOW_BYTES, Result, SoFar, Utterances
from infra.listening.voice_activity import Memory
from infra.tasks import cancelled
from infra.worker_thread import WorkerThread
from schemas.errors import InvalidField

RATE_MIN_HZ: Final = 8_000  # a telephone
RATE_MAX_HZ: Final = 48_000  # a browser
FRAME_MAX_S: Final = 1.0
PENDING_MAX_BYTES: Final = RATE_HZ * BYTES_PER_SAMPLE  # a second: beyond it `feed` waits
RESULTS_MAX: Final = 16  # that nobody has taken: beyond it the stream waits
ANSWER_WITHIN_S: Final = 1.0  # from the end-of-turn model, for which a stream waits; silence has decided by then
_WINDOWS_AT_ONCE: Final = 32  # of one stream in one call, so that none who is behind holds up the others for long


Spoken = Callable[[Memory, Samples], Awaitable[NDArray[np.float32]]]
"""Batches.probabilities, or what stands for it."""
Finished = Callable[[bytes], Awaitable[float | None]]
"""How probably the speaker of this PCM is finished; None when that cannot be told in time."""


class ListeningFailed(Exception):
    """A model failed while it ran; the stream cannot go on."""


class Listener:
    """The models, shared by all streams of a process. Use as an async context manager."""

    def __init__(self, *, longest_s: float, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._longest_s = longest_s  # of an utterance: settings.stt.longest_s
        self._answer_within_s = answer_within_s
        self._batches = Batches()
        self._thread = WorkerThread("end-of-turn")

    async def __aenter__(self) -> Self:
        """Load the models (about 0.3 s, 40 MB). Raises infra.weights.WeightsMissing."""
        self._end_of_turn = await self._thread.call(EndOfTurn)
        await self._batches.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the models; the streams must have been left before."""
        await self._batches.__aexit__(kind, error, trace)
        await self._thread.aclose()

    def stream(self, rate_hz: int, *, by_hand: bool = False) -> "ListeningStream":
        """A microphone of this rate. `by_hand` (push to talk): only `end_utterance`, `close` or its length end an
        utterance, which holds all sound since the one before; voice activity is reported all the same.

        Raises InvalidField for a rate that is not allowed.
        """
        if not RATE_MIN_HZ <= rate_hz <= RATE_MAX_HZ:
            raise InvalidField("rate_hz", rate_hz, f"{RATE_MIN_HZ} to {RATE_MAX_HZ} Hz")
        utterances = Utterances(longest_s=self._longest_s, by_hand=by_hand)
        return ListeningStream(rate_hz, utterances, self._batches.probabilities, self._is_finished)

    async def _is_finished(self, pcm: bytes) -> float | None:
        """How probably the speaker is finished; None when too many others ask."""
        try:
            async with asyncio.timeout(self._answer_within_s):
                return await self._thread.call(lambda: self._end_of_turn.probability(samples_of(pcm)))
        except TimeoutError:
            return None


class ListeningStream:
    """One microphone. An async context manager, whose end drops what is left, and an async iterator of results."""

    def __init__(self, rate_hz: int, utterances: Utterances, spoken: Spoken, is_finished: Finished) -> None:
        self._frame_max_bytes = round(rate_hz * FRAME_MAX_S) * BYTES_PER_SAMPLE
        self._resampler = StreamResampler(rate_hz)
        self._utterances = utterances
        self._spoken = spoken
        self._is_finished = is_finished
        self._memory = Memory()
        self._pending = bytearray()  # at RATE_HZ, not yet listened to
        self._ends: asyncio.Future[None] | None = None  # somebody waits for the end of the utterance
        self._closing = False
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failed: Exception | None = None
        self._changed = asyncio.Event()  # more is pending, or an end is wanted
        self._room = asyncio.Event()
        self._results: asyncio.Queue[Result | None] = asyncio.Queue(RESULTS_MAX)

    async def __aenter__(self) -> Self:
        self._room.set()
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening.done():
            return
        await cancelled(self._listening)
        self._closing = True
        self._room.set()  # who still feeds or takes results is let go
        while not self._results.empty():
            self._results.get_nowait()
        self._results.put_nowait(None)

    async def feed(self, pcm: bytes) -> None:
        """More sound, PCM s16le mono at the stream's rate, in frames of any length up to FRAME_MAX_S.

        Waits while a second of sound is still to be listened to. Raises InvalidField, ListeningFailed.
        """
        if len(pcm) % BYTES_PER_SAMPLE:
            raise InvalidField("frame.size_bytes", len(pcm), "an even number: samples of PCM s16le have two bytes")
        if len(pcm) > self._frame_max_bytes:
            raise InvalidField("frame.size_bytes", len(pcm), f"at most {self._frame_max_bytes}, a second of sound")
        self._check_open()
        self._take(self._resampler.feed(pcm))
        await self._room.wait()
        self._check_failed()

    async def end_utterance(self) -> None:
        """End the utterance in progress, if there is one, once all that was fed has been listened to."""
        self._check_open()
        await self._end()

    async def close(self) -> None:
        """`end_utterance`, then the end of the results. May be called again."""
        if not self._closing:
            self._closing = True
            self._closed.set_result(None)
            await self._end()

    def so_far(self, last_s: float) -> SoFar | None:
        """The last seconds of the utterance in progress, for whoever tells what is being said; None when none is."""
        return self._utterances.so_far(round(last_s * RATE_HZ)) if self._utterances.in_progress else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Result:
        """Raises ListeningFailed."""
        result = await self._results.get()
        if result is None:
            self._results.put_nowait(None)  # for whoever asks again
            self._check_failed()
            raise StopAsyncIteration
        return result

    def _check_open(self) -> None:
        if self._closing:
            raise RuntimeError("a stream is used after its close")

    def _check_failed(self) -> None:
        if self._failed is not None:
            raise ListeningFailed(f"{type(self._failed).__name__}: {self._failed}") from self._failed

    def _take(self, pcm: bytes) -> None:
        self._pending.extend(pcm)
        if len(self._pending) > PENDING_MAX_BYTES and not self._listening.done():
            self._room.clear()
        if len(self._pending) >= WINDOW_BYTES:
            self._changed.set()

    async def _end(self) -> None:
        self._take(self._resampler.flush())
        if self._ends is None:
            self._ends = asyncio.get_running_loop().create_future()
        self._changed.set()
        await asyncio.wait((self._ends, self._listening), return_when=asyncio.FIRST_COMPLETED)
        self._check_failed()

    async def _listen(self) -> None:
        try:
            await self._until_closed()
        except Exception as error:  # noqa: BLE001  # onnxruntime's have no base class; who feeds and who takes are told
            self._failed = error
        self._room.set()
        await self._results.put(None)

    async def _until_closed(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while len(self._pending) >= WINDOW_BYTES and await self._hear_pending():
                continue
            if self._ends is not None:
                rest = bytes(self._pending)
                self._pending.clear()
                await self._tell(self._utterances.end(rest))
                self._ends.set_result(None)
                self._ends = None
                if self._closing:
                    return

    async def _hear_pending(self) -> bool:
        """Some of what is pending: in order, and no further than an open question; False when it need not be heard."""
        size = min(len(self._pending) // WINDOW_BYTES, _WINDOWS_AT_ONCE) * WINDOW_BYTES
        pcm = bytes(self._pending[:size])
        del self._pending[:size]
        if len(self._pending) <= PENDING_MAX_BYTES:
            self._room.set()
        found = await self._unless_closed(pcm)
        if found is None:
            self._pending[:0] = pcm
            return False
        for at, probability in enumerate(found):
            window = pcm[at * WINDOW_BYTES : (at + 1) * WINDOW_BYTES]
            await self._tell(self._utterances.hear(window, float(probability)))
            if self._utterances.asks:
                finished = await self._is_finished(self._utterances.so_far(SEEN).pcm)
                await self._tell(self._utterances.answer(finished))
        return True

    async def _unless_closed(self, pcm: bytes) -> NDArray[np.float32] | None:
        """How probably the windows hold speech; None when a button ends an utterance and somebody has spoken.

        Then its last sound is taken as it is, since whoever let go of the button waits for an answer; of all results
        only `voiced_ms` tells a little less then.
        """
        asked = asyncio.ensure_future(self._spoken(self._memory, samples_of(pcm)))
        try:
            if self._utterances.may_end_unheard:
                either: set[asyncio.Future[Any]] = {asked, self._closed}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not asked.done():
                    return None
            return await asked
        finally:
            asked.cancel()

    async def _tell(self, results: list[Result]) -> None:
        for result in results:
            await self._results.put(result)
