"""Follows a stream in order, each message once, over lost connections and over a bus that came back without its data.

nats-py's ordered consumer goes on after a lost connection by itself, from the place where it was; of a stream that was
made anew meanwhile it would hear nothing until that has grown as long as the old one. Acknowledges nothing.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

from infra.bus.delivery import Delivery
from infra.bus.pulling import AWAY_WAIT_S
from infra.tasks import cancelled

HEARTBEAT_S: Final = 1.0  # nats-py begins anew after two to four missed ones


class Following:
    """One listener to one stream. `begin` it, tell it of each reconnect, `end` it."""

    def __init__(
        self, js: JetStreamContext, stream: str, subject: str, hearer: Callable[[Delivery], Awaitable[None]]
    ) -> None:
        self._js = js
        self._stream = stream
        self._subject = subject
        self._hearer = hearer
        self._last = 0  # the place of the message that was heard last
        self._looking: asyncio.Task[None] | None = None

    async def begin(self, *, from_now: bool, after: int = 0) -> None:
        """Hear all that the stream has after a place, or only what comes from now on."""
        info = await self._js.stream_info(self._stream)
        self._created = info.created
        self._last = info.state.last_seq if from_now else after
        await self._subscribe()

    async def end(self) -> None:
        """Hear no more."""
        try:
            if self._looking is not None:
                await cancelled(self._looking)
        finally:
            await self._unsubscribe()

    def look_again(self) -> None:
        """After a reconnect: the bus may have come back with another stream of this name."""
        self._looking = asyncio.create_task(self._look(self._looking))

    async def _look(self, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await cancelled(before)
        while True:
            try:
                created = (await self._js.stream_info(self._stream)).created
                if created != self._created:
                    await self._unsubscribe()
                    self._last = 0
                    await self._subscribe()
                    self._created = created
            except (Error, OSError):  # it is starting, or nobody has made the stream yet
                await asyncio.sleep(AWAY_WAIT_S)
            else:
                return

    async def _subscribe(self) -> None:
        async def heard(raw: Msg) -> None:
            seq = raw.metadata.sequence.stream
            if seq > self._last:  # after a lost connection nats-py may begin earlier than where it was
                self._last = seq
                await self._hearer(Delivery.of(raw))

        self._subscription = await self._js.subscribe(
            self._subject,
            stream=self._stream,
            ordered_consumer=True,
            cb=heard,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            config=ConsumerConfig(opt_start_seq=self._last + 1),
            idle_heartbeat=HEARTBEAT_S,
        )

    async def _unsubscribe(self) -> None:
        with contextlib.suppress(Error):
            await self._subscription.unsubscribe()
