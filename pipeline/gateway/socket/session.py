"""One client on the socket, from `welcome` to its end: what happens in its conversation goes out, what it says goes in.

Follows the stream from where the client has got to, so nothing of it need be remembered here between two connections.
Sound from the microphone is microphone.py's; who may connect was decided before.
"""

import asyncio
import contextlib
import logging
import time
from functools import partial
from typing import Any, Final

from infra.bus.delivery import TYPE, Delivery, Hop
from infra.bus.errors import BusFull, BusUnavailable
from infra.clock import new_id
from infra.listening.listener import ListeningFailed
from infra.tasks import cancelled
from infra.tokens import Identity
from infra.weights import WeightsMissing
from pipeline import judged_turns
from pipeline.front_end import Told as Heard
from pipeline.gateway.given import Gateway
from pipeline.gateway.limiting import Limits
from pipeline.gateway.refusals import NotFound, Refused, TooMany, no_such_turn
from pipeline.gateway.socket.beginning import Beginning, beginning
from pipeline.gateway.socket.microphone import Microphone
from pipeline.gateway.socket.peer import CLOSED, Ending, Peer
from pipeline.gateway.socket.playing import Playing
from pipeline.gateway.socket.problems import problem_of
from pipeline.gateway.socket.telling import message_of, sound_of
from pipeline.turn_limits import WAITING_MAX
from schemas import socket as protocol
from schemas.catalogue import arrived
from schemas.errors import InvalidField, SchemaError
from schemas.event import Event, Fact, Frozen, Meta
from schemas.ids import LIVE_RUN
from schemas.intake import FeedbackGiven, InterruptRequested, TextSubmitted
from schemas.socket import said, told

MISTAKES_MAX: Final = 20  # messages that are none of the protocol; then the client is not one of ours
FEEDBACK_AT_ONCE: Final = 4

log = logging.getLogger("parley.gateway.socket")


class Session:
    """One connection whose `hello` was accepted."""

    def __init__(self, given: Gateway, limits: Limits, peer: Peer, who: Identity, hello: said.Hello) -> None:
        self._given = given
        self._limits = limits
        self._peer = peer
        self._user = who.user
        self._expires_at = who.expires_at
        self._hello = hello
        self.conversation = hello.conversation or new_id()
        self._seen = 0  # the place of the newest event that was told
        self._catch_up_to = 0
        self._audio_after = 0
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._aside: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, Meta] = {}  # turns that were handed in here, and of which nothing was heard yet
        self._mistakes = 0
        self.playing = Playing(time.monotonic)
        self._microphone = Microphone(self, given.front_end, given.ears.listener, given.partials.text_of)

    async def run(self) -> None:
        """Serve the client until one side ends it. Raises Ending, BusUnavailable and NotFound (before `welcome`)."""
        at = await beginning(self._given.bus, self._tenant, self._user, self.conversation, self._hello)
        self._seen, self._catch_up_to, self._audio_after = at.after, at.catch_up_to, at.audio_after
        timer = self._end_with_the_token()
        sending = asyncio.create_task(self._peer.run())
        try:
            await self._peer.tell(self._welcome(at))
            async with self._given.bus.follow(at.stream, at.subject, self._heard, after=at.after):
                if not at.catch_up_to:
                    await self._peer.tell(told.CaughtUp(seq=at.after))
                await self._first_end(sending, asyncio.create_task(self._hear()))
        finally:
            self.end(Ending(CLOSED, "the session is over"))
            if timer is not None:
                timer.cancel()
            try:
                await self._microphone.end()
            finally:
                await self._let_go(sending)

    def end(self, ending: Ending) -> None:
        """Have `run` raise this."""
        if not self._ending.done():
            self._ending.set_result(ending)

    def fail(self, error: Exception) -> None:
        """Have `run` raise what nobody expected."""
        if not self._ending.done():
            self._ending.set_exception(error)

    async def tell(self, message: Frozen) -> None:
        """A message for the client; nothing is told once the end has begun."""
        if self._ending.done():
            return
        try:
            await self._peer.tell(message)
        except Ending as ending:
            self.end(ending)

    def new_meta(self, *, turn: str | None = None, speech: bool | None = None) -> Meta:
        """The meta of a turn in this conversation, which is handed in next."""
        meta = self._given.front_end.new_meta(
            conversation=self.conversation,
            user=self._user,
            turn=turn,
            speech=self._hello.speech if speech is None else speech,
            time_zone=self._hello.time_zone,
        )
        self._waiting[meta.turn] = meta
        if len(self._waiting) > WAITING_MAX:  # as many of a conversation can wait; the oldest was never taken in
            del self._waiting[next(iter(self._waiting))]
        return meta

    async def stop(self, meta: Meta, reason: str, sentences_played: int | None) -> None:
        """Ask for a turn to be stopped. Raises BusUnavailable."""
        fact = InterruptRequested(reason=reason, sentences_played=sentences_played)
        await self._given.front_end.say_about(fact, meta)

    async def spoken_over(self) -> bool:
        """Somebody speaks: stop an answer that is being played; whether one was. Raises BusUnavailable."""
        turn, played = self.playing.turn, self.playing.sentences_played
        if turn is None or not self.playing.sounds:
            return False
        self.playing.stopped()
        meta = await self._given.front_end.find(turn)
        if meta is None or meta.user != self._user:
            return False
        await self.stop(meta, "spoken over", played)
        return True

    # Out

    async def _heard(self, delivery: Delivery) -> None:
        """One event of the conversation, in the order of the stream."""
        seq = delivery.stream_seq
        if seq <= self._seen:
            self.end(Ending(protocol.CLOSE_AGAIN, "the bus has come back without its data"))
            return
        try:
            event = arrived(delivery.subject, delivery.payload, delivery.headers.get(TYPE))
        except SchemaError:  # what somebody else has put there is no event of the conversation
            event = None
        if event is not None and event.meta.user == self._user:
            self._waiting.pop(event.meta.turn, None)
            await self._tell_event(event, Hop.read(delivery.headers), seq)
        self._seen = seq
        if 0 < self._catch_up_to <= seq:
            self._catch_up_to = 0
            await self.tell(told.CaughtUp(seq=seq))

    async def _tell_event(self, event: Event[Fact], hop: Hop, seq: int) -> None:
        heard = Heard(event, hop)
        message = message_of(heard, seq)
        if message is None:
            return
        sound = sound_of(heard) if seq > self._audio_after else None
        try:
            if isinstance(message, told.Audio) and sound is not None:
                await self._peer.tell(message, sound, partial(self._on_its_way, message))
            else:
                await self._peer.tell(message)
        except Ending as ending:
            self.end(ending)

    def _on_its_way(self, audio: told.Audio) -> None:
        self.playing.sent(audio.turn, audio.index, audio.audio_s, last=audio.last)

    # In

    async def _hear(self) -> None:
        limits = self._given.settings.gateway
        while True:
            message: Any = None
            try:
                message = await self._peer.hear(limits.idle_s)
                await self._take(message)
            except (SchemaError, BusFull, BusUnavailable, Refused, ListeningFailed, WeightsMissing) as error:
                await self._peer.tell(problem_of(error, getattr(message, "turn", None)))
                if isinstance(error, SchemaError | TooMany):
                    self._count_mistake()

    def _count_mistake(self) -> None:
        self._mistakes += 1
        if self._mistakes > MISTAKES_MAX:
            raise Ending(protocol.CLOSE_PROTOCOL, f"more than {MISTAKES_MAX} messages were none of this protocol")

    async def _take(self, message: Any) -> None:
        if not isinstance(message, bytes | said.Played):  # these cost nothing, or are waited for
            standing = self._limits.of_user(self._user)
            if standing is not None and standing.refused:
                raise standing.refusal()
        match message:
            case bytes() as sound:
                await self._microphone.feed(sound)
            case said.Say() as say:
                await self._say(say)
            case said.Microphone() as opened:
                await self._microphone.open(opened)
            case said.Close(discard=discard):
                await self._microphone.close(discard=discard)
            case said.Interrupt(turn=turn, sentences_played=played):
                await self.stop(await self._own(turn), "stopped by the user", played)
                self.playing.stopped()
            case said.Played(turn=turn, index=index):
                self.playing.heard(turn, index)
            case said.Feedback() as feedback:
                self._do_aside(self._give(feedback))
            case said.Ping(id=ping):
                await self._peer.tell(told.Pong(id=ping))
            case said.Hello():
                raise InvalidField("type", "hello", "any other message: who you are is known")

    async def _say(self, say: said.Say) -> None:
        meta = self.new_meta(turn=say.turn, speech=say.speech)
        await self._given.front_end.submit(TextSubmitted(text=say.text, interrupts=say.interrupts), meta)
        await self._peer.tell(told.Accepted(turn=meta.turn))

    async def _give(self, feedback: said.Feedback) -> None:
        """Hand in feedback; that it is on the record comes as an event."""
        try:
            fact = FeedbackGiven(about=feedback.turn, **feedback.model_dump(exclude={"type", "turn"}))
            found = await judged_turns.find(self._given.bus, self._tenant, LIVE_RUN, feedback.turn)
            if found is None or found.meta.user != self._user:
                raise no_such_turn()
            judged_turns.refuse_unless_there("feedback.preferred", feedback.preferred, found)
            await self._given.front_end.say_about(fact, found.meta)
        except (SchemaError, ValueError, BusFull, BusUnavailable, NotFound) as error:
            await self.tell(problem_of(error, feedback.turn))

    async def _own(self, turn: str) -> Meta:
        """The meta of a live turn of this user that was opened, or waits since it was said here.

        Raises NotFound, BusUnavailable.
        """
        meta = await self._given.front_end.find(turn) or self._waiting.get(turn)
        if meta is None or meta.user != self._user:
            raise no_such_turn()
        return meta

    # The beginning and the end

    def _end_with_the_token(self) -> asyncio.TimerHandle | None:
        """Whoever was let in by a token is let in for as long as that counts."""
        if self._expires_at is None:
            return None
        left_s = max(0.0, (self._expires_at - self._given.clock.now()).total_seconds())
        ending = Ending(protocol.CLOSE_REFUSED, "the token has expired; say hello with a new one")
        return asyncio.get_running_loop().call_later(left_s, self.end, ending)

    def _welcome(self, at: Beginning) -> told.Welcome:
        limits = self._given.settings.gateway
        return told.Welcome(
            conversation=self.conversation,
            user=self._user,
            after=at.after,
            stream=at.made_at,
            speech=self._hello.speech,
            limits=told.Limits(
                frame_max_bytes=limits.frame_max_kb * 1024,
                utterance_max_s=self._given.settings.stt.longest_s,
                idle_s=limits.idle_s,
            ),
        )

    async def _first_end(self, *tasks: "asyncio.Task[None]") -> None:
        """Wait until one of them ends, or `end` was called. Raises Ending."""
        try:
            waits: set[asyncio.Future[Any]] = {*tasks, self._ending}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if self._ending.done():
                raise self._ending.result()
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks[1:]:
                with contextlib.suppress(Ending):
                    await cancelled(task)

    async def _let_go(self, sending: "asyncio.Task[None]") -> None:
        """End what still works for this session; what one of them raises does not keep the others."""
        tasks = (sending, *self._aside)
        for ended in await asyncio.gather(*map(cancelled, tasks), return_exceptions=True):
            if isinstance(ended, Exception) and not isinstance(ended, Ending):
                log.debug("at the end of a session: %s", type(ended).__name__)

    def _do_aside(self, work: Any) -> None:
        """Do what may take a while; the client may go on talking."""
        if len(self._aside) >= FEEDBACK_AT_ONCE:
            work.close()
            raise InvalidField("type", "feedback", f"at most {FEEDBACK_AT_ONCE} at once; wait for `recorded`")
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    @property
    def _tenant(self) -> str:
        return self._given.settings.tenant
