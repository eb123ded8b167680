"""The front-end under load: so many people at once, each of whom says the next thing when the last one was answered.

A closed loop, so that the rate is what Parley sustains and not what is offered to it. Each has a conversation of a few
turns and then begins another, as another user: nobody's history or list of notes grows without end.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from infra.audio import WAV_MEDIA_TYPE
from infra.blobs.port import BlobStore
from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.errors import BusFull, BusUnavailable
from infra.clock import Clock, new_id
from infra.recognisers.scripted import recording_of
from infra.telemetry import root
from schemas import subjects
from schemas.event import Event, Fact
from schemas.intake import AudioSubmitted, Submission, TextSubmitted
from scripts.bench.ordeal.script import Line
from scripts.bench.ordeal.submitting import submitted

TURNS_A_CONVERSATION: Final = 8
AGAIN_AFTER_S: Final = 0.1  # a refused submission
SILENCE_S: Final = 90.0  # beyond a turn's own time and the wait for it: then it is lost


@dataclass(slots=True)
class Visitors:
    """Everybody who talks to the house. `talk` may be called several times; the counts go on."""

    bus: Bus
    blobs: BlobStore
    clock: Clock
    speech: bool = False  # spoken, and answered with sound
    accepted: list[str] = field(default_factory=list)  # turns that the bus has acknowledged
    took_ms: list[float] = field(default_factory=list)  # from submission to the end's being heard, in the order of ends
    refused: int = 0  # "busy": nothing was accepted, said again
    unheard: list[str] = field(default_factory=list)  # turns whose end was not heard
    _waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _marks: dict[int, asyncio.Future[None]] = field(default_factory=dict)

    async def listen(self) -> None:
        """Hear how turns end, from now on."""
        await self.bus.listen(subjects.every(subjects.TURN_END), self._hear)

    async def _hear(self, subject: str, _: bytes) -> None:
        waiting = self._waiting.get(subjects.parse_subject(subject).turn)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def mark(self, ended: int) -> asyncio.Future[None]:
        """Done when so many turns have ended."""
        return self._marks.setdefault(ended, asyncio.get_running_loop().create_future())

    async def talk(self, lines: list[Line], in_flight: int) -> None:
        """Say all lines, `in_flight` people at once, and return when each has been answered."""
        coming = iter(lines)
        async with asyncio.TaskGroup() as people:
            for _ in range(in_flight):
                people.create_task(self._person(coming))

    async def _person(self, coming: Iterator[Line]) -> None:
        conversation, said = new_id(), 0
        for line in coming:
            if said == TURNS_A_CONVERSATION:
                conversation, said = new_id(), 0
            await self._say(replace(line, spoken=self.speech, speech=self.speech), conversation)
            said += 1

    async def _say(self, line: Line, conversation: str) -> None:
        loop = asyncio.get_running_loop()
        event = await self._event(line, conversation)
        turn = event.meta.turn
        ended = self._waiting[turn] = loop.create_future()
        began = loop.time()
        await self._submit(event)
        self.accepted.append(turn)
        try:
            async with asyncio.timeout(SILENCE_S):
                await ended
            self.took_ms.append((loop.time() - began) * 1e3)
        except TimeoutError:
            self.unheard.append(turn)
        del self._waiting[turn]
        mark = self._marks.pop(len(self.took_ms) + len(self.unheard), None)
        if mark is not None:
            mark.set_result(None)

    async def _submit(self, event: Event[Fact]) -> None:
        """Until the bus has it; the same each time, so that it is one turn however often it is said."""
        hop = Hop("front-end", traceparent=root(event.meta.turn))
        while True:
            try:
                await self.bus.say(event, hop)
                return
            except BusFull:
                self.refused += 1
            except BusUnavailable:
                pass  # whether it was taken is not known
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _event(self, line: Line, conversation: str) -> Event[Fact]:
        fact: Submission = TextSubmitted(text=line.text)
        if line.spoken:
            fact = AudioSubmitted(audio=await self.blobs.put(recording_of(line.text), WAV_MEDIA_TYPE))
        return submitted(fact, conversation, f"of-{conversation}", self.clock, speech=line.speech)
