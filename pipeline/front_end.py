"""Sends one turn and follows it to its end: what any front-end does, here for the command line and the demo.

Follows the stream, not the live subject, so that a lost connection loses nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from infra.blobs.port import BlobStore
from infra.bus.connection import Bus
from infra.bus.delivery import TYPE, Delivery, Hop
from infra.bus.errors import BusUnavailable
from infra.clock import Clock, new_id
from infra.settings import Settings
from infra.telemetry import root
from pipeline.turn_limits import WAITING_MAX
from schemas import subjects
from schemas.catalogue import arrived, decode
from schemas.errors import SchemaError
from schemas.event import SCHEMA_VERSION, Event, Fact, Meta
from schemas.ids import LIVE_RUN
from schemas.intake import AudioSubmitted, InterruptRequested, Submission
from schemas.speech import ApologySpoken
from schemas.turns import TurnEnd, TurnFailed

SUBMIT_TRIES: Final = 3  # each waits for the bus's acknowledgement for some seconds
SUBMIT_AGAIN_S: Final = 0.5
APOLOGY_GRACE_S: Final = 5.0  # after a failure: as long as the voice may take to tell of it
RECORDED_WITHIN_S: Final = 15.0  # feedback: it waits for nothing but the keeper
END_GRACE_S: Final = 15.0  # after the turn's own deadline: then the keeper itself must be gone

F = TypeVar("F", bound=Fact)


class NoEnd(Exception):
    """A turn was accepted and has not ended in time: no keeper runs, or the bus is away."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a turn, and the hop that said it."""

    event: Event[Fact]
    hop: Hop


@dataclass(slots=True)
class FollowedTurn:
    """A turn from submission to end."""

    meta: Meta
    told: list[Told] = field(default_factory=list)

    def last(self, fact: type[Fact]) -> Any:
        """The last fact of this kind that was told; None when none was."""
        return next((t.event.fact for t in reversed(self.told) if isinstance(t.event.fact, fact)), None)

    def every(self, fact: type[Fact]) -> list[Any]:
        """All facts of this kind, in the order of the stream."""
        return [t.event.fact for t in self.told if isinstance(t.event.fact, fact)]

    @property
    def ended(self) -> TurnEnd | None:
        return self.last(TurnEnd)  # type: ignore[no-any-return]  # what `last` was asked for


class FrontEnd:
    """One user's way in."""

    def __init__(self, bus: Bus, blobs: BlobStore, settings: Settings, clock: Clock) -> None:
        self._bus = bus
        self.blobs = blobs
        self._settings = settings
        self._clock = clock

    def new_meta(
        self,
        *,
        conversation: str | None = None,
        user: str | None = None,
        speech: bool = True,
        turn: str | None = None,
        time_zone: str | None = None,
    ) -> Meta:
        """The meta of a new turn. Raises pydantic.ValidationError for ids that are none."""
        turn = turn or new_id()
        return Meta(
            id=turn,
            type="",
            tenant=self._settings.tenant,
            conversation=conversation or new_id(),
            turn=turn,
            user=user or self._settings.user,
            time=self._clock.now(),
            time_zone=time_zone or self._settings.time_zone,
            speech=speech,
        )

    async def audio(self, data: bytes, media_type: str) -> AudioSubmitted:
        """A spoken submission; the sound goes to the blob store. Raises InvalidField when it is too large."""
        return AudioSubmitted(audio=await self.blobs.put(data, media_type))

    async def send(
        self, submission: Submission, meta: Meta, on_told: Callable[[Told], None] | None = None
    ) -> FollowedTurn:
        """Submit a turn and return once it has ended.

        Raises BusFull (Parley is busy: nothing was accepted), BusUnavailable, NoEnd.
        """
        followed = FollowedTurn(meta)
        async with self._followed(meta) as coming:
            await self.submit(submission, meta)
            turn_s = self._settings.turn.timeout_s
            limit_s = turn_s * WAITING_MAX + END_GRACE_S  # so many turns may stand before it
            while followed.ended is None:
                try:
                    async with asyncio.timeout(limit_s):
                        told = await coming.get()
                except TimeoutError:
                    raise NoEnd(
                        f"turn {meta.turn} was accepted, but nothing was heard of it for {limit_s:.0f} s; "
                        "look at `parley status`"
                    ) from None
                followed.told.append(told)
                limit_s = turn_s + END_GRACE_S  # it is open: from here on its own deadline counts
                if on_told is not None:
                    on_told(told)
            if isinstance(followed.ended, TurnFailed) and meta.speech:
                await self._hear_apology(coming, followed, on_told)
        return followed

    async def submit(self, submission: Fact, meta: Meta) -> None:
        """Hand in a submission; the bus has it when this returns. The same again is a copy that counts for nothing.

        Raises BusFull (Parley is busy: nothing was accepted), BusUnavailable.
        """
        event = Event[Fact].first(submission, meta.model_copy(update={"type": type(submission).__name__}))
        hop = Hop("front-end", traceparent=root(event.meta.turn))
        for attempt in range(1, SUBMIT_TRIES + 1):
            try:
                await self._bus.say(event, hop)
            except BusUnavailable as error:
                if attempt == SUBMIT_TRIES:
                    doubt = f"{error}; turn {event.meta.turn} may have been accepted all the same"
                    raise BusUnavailable(doubt) from error
                await asyncio.sleep(SUBMIT_AGAIN_S)
            else:
                return

    async def _hear_apology(
        self, coming: asyncio.Queue[Told], followed: FollowedTurn, on_told: Callable[[Told], None] | None
    ) -> None:
        """The failure as sound, when it comes soon; it is the voice itself that may have failed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(APOLOGY_GRACE_S):
                while followed.last(ApologySpoken) is None:
                    told = await coming.get()
                    followed.told.append(told)
                    if on_told is not None:
                        on_told(told)

    async def find(self, turn: str) -> Meta | None:
        """The meta of a live turn that was opened, by its id alone."""
        subject = f"{subjects.ROOT}.{self._settings.tenant}.{LIVE_RUN}.*.*.{turn}.*"
        for _, message in await self._bus.messages(subjects.EVENT_STREAM, subject, 1):
            return decode(message.data, message.headers.get(TYPE)).meta
        return None

    async def stop(self, meta: Meta, reason: str, sentences_played: int | None = None) -> TurnEnd:
        """Ask for a turn to be stopped and return how it ended. Raises NoEnd, BusUnavailable."""
        fact = InterruptRequested(reason=reason, sentences_played=sentences_played)
        asked = self._about(meta)
        async with self._followed(asked) as coming:
            await self.submit(fact, asked)
            try:
                async with asyncio.timeout(END_GRACE_S):
                    while True:
                        told = (await coming.get()).event.fact
                        if isinstance(told, TurnEnd):
                            return told
            except TimeoutError:
                raise NoEnd(f"turn {meta.turn} has not ended within {END_GRACE_S:.0f} s; see `parley status`") from None

    async def say_about(self, said: Fact, about: Meta) -> None:
        """Hand in what is said of the turn `about`, in its user's name; waits for nothing but the bus. As `submit`."""
        await self.submit(said, self._about(about))

    def _about(self, turn: Meta) -> Meta:
        """The meta of what a front-end says of a turn that `turn`, the meta of any of its events, names."""
        said = {"id": new_id(), "time": self._clock.now(), "number": 0, "cause": None, "stage": "front-end"}
        return turn.model_copy(update={**said, "deadline": None, "schema_version": SCHEMA_VERSION})

    async def give(self, said: Fact, about: Meta, recorded: type[F]) -> F:
        """Submit feedback on the turn `about`, or what was learned from it, in its user's name.

        Returns what is on the record.

        Raises NoEnd when the keeper does not record it, BusUnavailable.
        """
        meta = self._about(about)
        async with self._followed(meta) as coming:
            await self.submit(said, meta)
            try:
                async with asyncio.timeout(RECORDED_WITHIN_S):
                    while True:
                        event = (await coming.get()).event
                        if isinstance(event.fact, recorded) and event.meta.cause == meta.id:
                            return event.fact
            except TimeoutError:
                raise NoEnd(
                    f"it was accepted, but not recorded within {RECORDED_WITHIN_S:.0f} s; "
                    "look at `parley status` and `parley dead list`"
                ) from None

    @asynccontextmanager
    async def _followed(self, meta: Meta) -> AsyncIterator[asyncio.Queue[Told]]:
        subject = subjects.subject_of(meta.tenant_id, meta.run_id, meta.conversation_id, meta.turn_id, "*")
        coming: asyncio.Queue[Told] = asyncio.Queue()

        async def heard(delivery: Delivery) -> None:
            with contextlib.suppress(SchemaError):  # what somebody else has put there is no event of the turn
                event = arrived(delivery.subject, delivery.payload, delivery.headers.get(TYPE))
                coming.put_nowait(Told(event, Hop.read(delivery.headers)))

        async with self._bus.follow(subjects.stream_of(subjects.partition_of(meta.conversation_id)), subject, heard):
            yield coming
