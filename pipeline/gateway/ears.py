"""The gateway's listener: loaded when the first microphone opens, so that a gateway without one costs little."""

import asyncio
from types import TracebackType
from typing import Self

from infra.listening.listener import Listener


class Ears:
    """One listener for all microphones of this process. Use as an async context manager."""

    def __init__(self, *, longest_s: float) -> None:
        self._longest_s = longest_s
        self._loading = asyncio.Lock()
        self._listener: Listener | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            await self._listener.__aexit__(kind, error, trace)

    async def listener(self) -> Listener:
        """The listener, loaded. Raises infra.weights.WeightsMissing."""
        async with self._loading:
            if self._listener is None:
                listener = Listener(longest_s=self._longest_s)
                await listener.__aenter__()
                self._listener = listener
            return self._listener
