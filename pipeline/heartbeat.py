"""Tells the bus that a message is still being worked on, so that a slow stage is not taken for a dead one."""

import asyncio
import logging
from types import TracebackType

from infra.bus.delivery import Delivery
from infra.bus.streams import ACK_WAIT_S

BEAT_S = ACK_WAIT_S / 4

log = logging.getLogger("parley.worker")


class Heartbeat:
    """A block during which `delivery` is kept from being delivered to somebody else. Costs nothing before `beat_s`."""

    def __init__(self, delivery: Delivery, beat_s: float | None = None) -> None:
        self._delivery = delivery
        self._beat_s = BEAT_S if beat_s is None else beat_s
        self._timer: asyncio.TimerHandle | None = None
        self._beat: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._beat is not None:
            self._beat.cancel()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._beat_s, self._start_beat)

    def _start_beat(self) -> None:
        self._beat = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            await self._delivery.still_working()
        except Exception as error:  # noqa: BLE001  # a missed beat costs a repeated delivery, which is harmless
            log.debug("a heartbeat was not sent: %s", error)
        self._wait()
