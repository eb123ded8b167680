"""The microphone of one socket: sound goes in; what the listener notices, partial transcripts and turns come out.

An utterance that is over becomes a turn. Its id follows from the stream's and from the sample with which its sound
began to count, so that sound which is sent again after a lost connection is the same turn again.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from infra.audio import RATE_HZ, WAV_MEDIA_TYPE, wav_of
from infra.blobs.port import BlobError
from infra.bus.errors import BusFull, BusUnavailable
from infra.clock import made_ms
from infra.listening.listener import Listener, ListeningFailed, ListeningStream
from infra.listening.utterances import (
    Result,
    SpeechConfirmed,
    SpeechDropped,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    UtteranceEnded,
)
from infra.tasks import cancelled
from pipeline.front_end import FrontEnd
from pipeline.gateway.socket.problems import problem_of
from pipeline.partial_texts import Asked, PartialText, PartialTexts
from pipeline.partials import SOUND_MAX_S
from schemas.errors import InvalidField, SchemaError
from schemas.event import Frozen, Meta
from schemas.socket import said, told

LOOKS_EVERY_S: Final = 0.1  # whether it is time to ask what is being said
_STATES: Final[dict[type[Result], str]] = {
    SpeechStarted: "speech",
    SpeechConfirmed: "confirmed",
    SpeechPaused: "pause",
    SpeechResumed: "speech",
    SpeechDropped: "dropped",
    UtteranceEnded: "over",
}

log = logging.getLogger("parley.gateway.microphone")


class Owner(Protocol):
    """Whose microphone it is: the session."""

    async def tell(self, message: Frozen) -> None:
        """A message for the client."""

    def new_meta(self, *, turn: str | None = None, speech: bool | None = None) -> Meta:
        """The meta of a turn in the session's conversation."""

    async def spoken_over(self) -> bool:
        """Somebody speaks: stop an answer that is being played; whether one was. Raises BusUnavailable."""

    def fail(self, error: Exception) -> None:
        """What nobody expected; the session ends of it."""


@dataclass(slots=True)
class _Open:
    """One `microphone` message, and what became of it."""

    asked: said.Microphone
    stream: ListeningStream
    texts: PartialTexts
    counted_from: int  # the sample, at the client's rate, up to which everything was accepted
    looks_at_s: float = 0.0
    over_an_answer: bool = False
    hearing: "asyncio.Task[None] | None" = None
    warming: "asyncio.Task[None] | None" = None

    def at_client(self, sample: int) -> int:
        """A sample of the listener's as the client counts."""
        return self.asked.first_sample + round(sample * self.asked.rate_hz / RATE_HZ)


class Microphone:
    """At most one open stream. `feed` waits while the listener is behind."""

    def __init__(
        self, owner: Owner, front_end: FrontEnd, listener: Callable[[], Awaitable[Listener]], ask: Asked
    ) -> None:
        self._owner = owner
        self._front_end = front_end
        self._listener = listener  # loaded when the first microphone of the process opens
        self._ask = ask  # what is being said
        self._open: _Open | None = None

    async def open(self, asked: said.Microphone) -> None:
        """Sound follows. Raises InvalidField."""
        await self.end()
        stream = (await self._listener()).stream(asked.rate_hz, by_hand=asked.ends_turn == "close")
        await stream.__aenter__()
        texts = PartialTexts(self._ask, partial(self._tell_text, asked.stream), asyncio.get_running_loop().time)
        mine = self._open = _Open(asked, stream, texts, asked.first_sample)
        mine.hearing = asyncio.create_task(self._hear(mine))
        mine.warming = asyncio.create_task(self._warm_up())
        await self._tell(mine, "open", 0)

    async def feed(self, sound: bytes) -> None:
        """A binary frame. Raises InvalidField: no microphone is open, or it is no sound."""
        if self._open is None:
            raise InvalidField("frame", f"{len(sound)} bytes", "a message `microphone` before the first binary frame")
        try:
            await self._open.stream.feed(sound)
            self._look(self._open)
        except ListeningFailed as error:
            log.error("the listener failed: %s", error)
            await self.end()
            raise

    async def close(self, *, discard: bool) -> None:
        """No sound follows; what was spoken is a turn, unless it is to be forgotten. Raises ListeningFailed."""
        mine = self._open
        if mine is None:
            return
        try:
            if not discard and mine.hearing is not None:
                await mine.stream.close()
                await mine.hearing
        finally:
            await self.end()

    async def end(self) -> None:
        """Let go of the stream; what is in progress is forgotten."""
        mine, self._open = self._open, None
        if mine is None:
            return
        try:
            if mine.hearing is not None:
                await cancelled(mine.hearing)
            if mine.warming is not None:
                await cancelled(mine.warming)
            await mine.texts.aclose()
        finally:
            await mine.stream.__aexit__(None, None, None)
        await self._owner.tell(told.Listening(stream=mine.asked.stream, state="closed", at_sample=mine.counted_from))

    async def _hear(self, mine: _Open) -> None:
        """What the listener notices, until the stream is closed."""
        try:
            async for result in mine.stream:
                await self._take(mine, result)
        except ListeningFailed as error:
            log.error("the listener failed: %s", error)
            await self._owner.tell(problem_of(error))
        except Exception as error:  # noqa: BLE001  # else nobody takes results any more, and `feed` waits for ever
            self._owner.fail(error)

    async def _take(self, mine: _Open, result: Result) -> None:
        mine.texts.note(result)
        ended = result if isinstance(result, UtteranceEnded) else None
        at = ended.to_sample if ended else result.at_sample  # type: ignore[union-attr]  # all others have it
        await self._tell(mine, _STATES[type(result)], at, ended.reason if ended else None)
        try:
            if isinstance(result, SpeechConfirmed) or (ended is not None and ended.voiced_ms > 0):  # a short "no", too
                mine.over_an_answer = await self._owner.spoken_over() or mine.over_an_answer
            if ended is not None:
                await self._submit(mine, ended)
        except (BlobError, BusFull, BusUnavailable, SchemaError) as error:
            await self._owner.tell(problem_of(error))

    async def _submit(self, mine: _Open, ended: UtteranceEnded) -> None:
        """Hand in what was said. Of what is only silence no turn is made."""
        over, mine.over_an_answer = mine.over_an_answer, False
        turn = turn_of(mine.asked.stream, mine.counted_from, mine.asked.rate_hz)
        until = mine.at_client(ended.to_sample)
        if ended.voiced_ms == 0:
            mine.counted_from = until
            await self._tell(mine, "dropped", ended.to_sample)
            return
        meta = self._owner.new_meta(turn=turn)
        submission = await self._front_end.audio(wav_of(ended.pcm, RATE_HZ), WAV_MEDIA_TYPE)
        await self._front_end.submit(submission.model_copy(update={"interrupts": over}), meta)
        mine.counted_from = until
        await self._owner.tell(told.Accepted(turn=turn, stream=mine.asked.stream, until_sample=until))

    async def _warm_up(self) -> None:
        """Have the recogniser of partial texts loaded before there is anything to read."""
        await self._ask(bytes(RATE_HZ // 5))

    def _look(self, mine: _Open) -> None:
        """Ask what is being said, if it is time; nobody waits for it."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= mine.looks_at_s:
            mine.looks_at_s = now_s + LOOKS_EVERY_S
            mine.texts.look(mine.stream.so_far(SOUND_MAX_S))

    async def _tell_text(self, stream: str, found: PartialText) -> None:
        audio_s = (found.to_sample - found.from_sample) / RATE_HZ
        await self._owner.tell(told.Partial(stream=stream, text=found.text, audio_s=audio_s))

    async def _tell(self, mine: _Open, state: str, sample: int, reason: str | None = None) -> None:
        at = mine.at_client(sample)
        await self._owner.tell(
            told.Listening.model_validate(
                {"stream": mine.asked.stream, "state": state, "at_sample": at, "reason": reason}
            )
        )


def turn_of(stream: str, first_sample: int, rate_hz: int) -> str:
    """The turn (UUIDv7) of the utterance whose sound counts from a sample of a stream: the same whenever it is asked.

    Its time is that of the stream's beginning and the sound since; its other bits are BLAKE2b of both.
    """
    made = (made_ms(stream) + first_sample * 1000 // rate_hz) & (1 << 48) - 1
    chance = int.from_bytes(hashlib.blake2b(f"{stream} {first_sample}".encode(), digest_size=10).digest())
    number = made << 80 | chance
    number = number & ~(0xF << 76) | 0x7 << 76  # the version, as RFC 9562 has it
    return str(UUID(int=number & ~(0x3 << 62) | 0x2 << 62))  # and the variant
