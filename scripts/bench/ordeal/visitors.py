"""The front-end of the ordeal: submits turns at a steady rate, and each again, the same, until the bus has taken it.

Does not follow the turns: what became of them is read from the stream afterwards.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.audio import WAV_MEDIA_TYPE
from infra.blobs.port import BlobStore
from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.errors import BusFull, BusUnavailable
from infra.clock import Clock, new_id
from infra.telemetry import root
from schemas.event import Blob, Event, Fact, Meta
from schemas.intake import AudioSubmitted, Submission, TextSubmitted
from scripts.bench.ordeal.script import Line
from scripts.bench.ordeal.submitting import submitted

AGAIN_AFTER_S: Final = 0.5
GIVE_UP_S: Final = 120.0  # a bus that is away for longer is a fault of its own

Recorder = Callable[[str], Awaitable[bytes]]


@dataclass(slots=True)
class Accepted:
    """A turn that the bus has acknowledged."""

    line: Line
    event: Event[Fact]
    intake_seq: int
    tries: int

    @property
    def meta(self) -> Meta:
        return self.event.meta


@dataclass(slots=True)
class Visitors:
    """Everybody who talks to the house."""

    bus: Bus
    blobs: BlobStore
    clock: Clock
    record: Recorder  # a text as a recording
    accepted: list[Accepted] = field(default_factory=list)
    refused: int = 0  # "busy": nothing was accepted, asked again later
    gave_up: int = 0

    async def talk(self, lines: Sequence[Line], rate_hz: float) -> None:
        """Submit all lines, `rate_hz` a second, whatever happens to those before."""
        conversations = {number: new_id() for number in {line.conversation for line in lines}}
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as submissions:
            for line in lines:
                await asyncio.sleep(began + line.place / rate_hz - loop.time())
                submissions.create_task(self.submit(line, conversations[line.conversation]))

    async def submit(self, line: Line, conversation: str) -> Accepted | None:
        """Submit one line until it is taken; None when the bus was away for too long."""
        event = await self._event(line, conversation)
        hop = Hop("front-end", traceparent=root(event.meta.turn))
        loop = asyncio.get_running_loop()
        until = loop.time() + GIVE_UP_S
        tries = 0
        while loop.time() < until:
            tries += 1
            try:
                receipt = await self.bus.say(event, hop)
            except BusFull:
                self.refused += 1
            except BusUnavailable:
                pass  # whether it was taken is not known: the same again
            else:
                self.accepted.append(Accepted(line, event, receipt.seq, tries))
                return self.accepted[-1]
            await asyncio.sleep(AGAIN_AFTER_S)
        self.gave_up += 1
        return None

    async def _event(self, line: Line, conversation: str) -> Event[Fact]:
        fact: Submission = (
            AudioSubmitted(audio=await self._recorded(line.text), interrupts=line.interrupts)
            if line.spoken
            else TextSubmitted(text=line.text, interrupts=line.interrupts)
        )
        return submitted(fact, conversation, f"visitor{line.conversation}", self.clock, speech=line.speech)

    async def _recorded(self, text: str) -> Blob:
        return await self.blobs.put(await self.record(text), WAV_MEDIA_TYPE)
