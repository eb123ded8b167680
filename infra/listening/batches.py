"""Puts the windows that many streams bring at about the same time into one call of the voice activity model.

A call for 50 streams takes a third of the processor of 50 calls. Calls begin at least GATHER_S apart: a stream alone,
which has a window each 32 ms, hardly ever waits for that, and among many each waits for 8 ms on average. Knows nothing
of utterances.
"""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from infra.audio import Samples
from infra.listening.voice_activity import Memory, VoiceActivity
from infra.tasks import cancelled
from infra.worker_thread import WorkerThread

GATHER_S: Final = 0.016  # half a window


@dataclass(frozen=True, slots=True)
class _Waiting:
    memory: Memory
    samples: Samples
    spoken: "asyncio.Future[NDArray[np.float32]]"


class Batches:
    """Use as an async context manager; the model is loaded when it is entered."""

    def __init__(self) -> None:
        self._thread = WorkerThread("voice-activity")
        self._waiting: list[_Waiting] = []
        self._comes = asyncio.Event()

    async def __aenter__(self) -> Self:
        model = await self._thread.call(VoiceActivity)
        self._working = asyncio.create_task(self._work(model))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancelled(self._working)
        for left in self._waiting:
            left.spoken.cancel()
        await self._thread.aclose()

    async def probabilities(self, memory: Memory, samples: Samples) -> NDArray[np.float32]:
        """As VoiceActivity.probabilities, for one stream; one call at a time for each."""
        spoken: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(memory, samples, spoken))
        self._comes.set()
        return await spoken

    async def _work(self, model: VoiceActivity) -> None:
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while True:
            await self._comes.wait()
            if (early_s := next_at - loop.time()) > 0:
                await asyncio.sleep(early_s)
            self._comes.clear()
            next_at = loop.time() + GATHER_S
            batch, self._waiting = self._waiting, []
            await self._one_call(model, batch)

    async def _one_call(self, model: VoiceActivity, batch: list[_Waiting]) -> None:
        streams = [(each.memory, each.samples) for each in batch]
        try:
            found = await self._thread.call(lambda: model.probabilities(streams))
        except asyncio.CancelledError:
            for each in batch:
                each.spoken.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # onnxruntime's have no base class; who waits is told
            for each in batch:
                if not each.spoken.done():
                    each.spoken.set_exception(error)
            return
        for each, probabilities in zip(batch, found, strict=True):
            if not each.spoken.done():  # its stream may have gone meanwhile
                each.spoken.set_result(probabilities)
