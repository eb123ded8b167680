"""A front-end that submits turns and hears all that the stream says of each, with the moment at which it was stored.

Times are seconds of the wall clock, which bus, engine and this process share: all of it runs on one machine.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from infra.audio import WAV_MEDIA_TYPE
from infra.bus.connection import Bus
from infra.bus.delivery import TYPE, Delivery, Hop
from infra.clock import Clock, SystemClock, new_id
from infra.recognisers.scripted import recording_of
from infra.telemetry import root
from pipeline import wiring
from pipeline.process import connected
from schemas import subjects
from schemas.catalogue import decode
from schemas.event import Event, Fact, Meta
from schemas.intake import AudioSubmitted, InterruptRequested, Submission, TextSubmitted
from schemas.turns import TurnEnd
from scripts.bench.ordeal.house import House
from scripts.bench.ordeal.submitting import submitted


@dataclass(frozen=True, slots=True)
class Heard:
    """One event as the stream has it."""

    event: Event[Any]
    stored_s: float
    hop: Hop


@dataclass(slots=True)
class Turn:
    """One turn that was submitted."""

    meta: Meta
    sent_s: float
    heard: list[Heard] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, heard: Heard) -> None:
        self.heard.append(heard)
        self._changed.set()

    def every(self, *facts: type[Fact]) -> list[Heard]:
        """What was said of these kinds, in the order of the stream."""
        return [each for each in self.heard if isinstance(each.event.fact, facts)]

    async def until(self, fact: type[Fact], within_s: float) -> Heard:
        """The first of this kind, waited for. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not (found := self.every(fact)):
                self._changed.clear()
                await self._changed.wait()
        return found[0]

    @property
    def lasted_s(self) -> float:
        """From the submission to the stream's end of the turn."""
        return self.every(TurnEnd)[0].stored_s - self.sent_s


class Front:
    """Everybody who talks to one house. Made by `at_the_door`."""

    def __init__(self, house: House, bus: Bus, clock: Clock) -> None:
        self.bus = bus
        self._house = house
        self._clock = clock
        self._turns: dict[str, Turn] = {}

    async def hear(self, delivery: Delivery) -> None:
        event = decode(delivery.payload, delivery.headers.get(TYPE))
        heard = Heard(event, delivery.stored_at.timestamp(), Hop.read(delivery.headers))
        turn = self._turns.get(event.meta.turn)
        if turn is not None:
            turn.take(heard)

    async def ask(
        self, text: str, conversation: str, *, by_voice: bool = False, speech: bool = True, interrupts: bool = False
    ) -> Turn:
        """Submit a turn; it is accepted when this returns. Raises BusFull, BusUnavailable."""
        fact: Submission = TextSubmitted(text=text, interrupts=interrupts)
        if by_voice:
            blobs = await wiring.blobs_of(self._house.settings, self.bus)
            fact = AudioSubmitted(audio=await blobs.put(recording_of(text), WAV_MEDIA_TYPE), interrupts=interrupts)
        event = submitted(fact, conversation, "visitor", self._clock, speech=speech)
        asked = self._turns[event.meta.turn] = Turn(event.meta, time.time())
        await self.bus.say(event, Hop("front-end", traceparent=root(event.meta.turn)))
        return asked

    async def stop(self, turn: Turn, played: int | None = None) -> None:
        """What `parley stop-turn` says."""
        fact = InterruptRequested(reason="stopped by the user", sentences_played=played)
        update = {"id": new_id(), "type": type(fact).__name__, "time": self._clock.now()}
        await self.bus.say(Event[Fact].first(fact, turn.meta.model_copy(update=update)), Hop("front-end"))


@asynccontextmanager
async def at_the_door(house: House) -> AsyncIterator[Front]:
    """A front-end that is connected to the house and hears every event from now on."""
    async with connected(house.address, "bench-front") as bus:
        front = Front(house, bus, SystemClock())
        async with bus.follow(subjects.EVENT_STREAM, subjects.every("*"), front.hear, from_now=True):
            yield front
