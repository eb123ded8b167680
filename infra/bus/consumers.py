"""Pulls messages from a durable consumer, one for each free slot, and hands them to a function.

A thin binding of nats-py. FastStream's pull goes through `fetch`, which waits out its time-out when the server has
restarted; a request with heartbeats, sent again on reconnect, does not, and is as quick as a push (measured in
docs/measurements.md). Does not acknowledge: the hearer does.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from infra.bus import pulling
from infra.bus.delivery import Delivery, Next
from infra.bus.pulling import AWAY_WAIT_S, HEARTBEAT_S, SILENCE_S, Declare

DRAIN_WITHIN_S = 2.0

_REQUEST = pulling.request(1)

Hearer = Callable[[Delivery], Awaitable[None]]


class Consumer:
    """`slots` independent pulls of one message each, so that never more is taken than can be worked on at once."""

    def __init__(self, client: Client, stream: str, durable: str, hearer: Hearer, slots: int, declare: Declare) -> None:
        ask_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._slots = [_Slot(client, ask_subject, hearer, self._nobody_answered) for _ in range(slots)]
        self._declare = declare
        self._declaring = asyncio.Lock()
        self._declared_at = float("-inf")

    async def start(self) -> None:
        """Let messages come."""
        for slot in self._slots:
            await slot.start()

    async def stop(self) -> None:
        """Take no further message; wait for those that are being handled."""
        await asyncio.gather(*(slot.stop() for slot in self._slots))

    def ask_again(self) -> None:
        """After a reconnect: the server no longer knows what was asked for."""
        for slot in self._slots:
            slot.ask_again()

    async def _nobody_answered(self) -> None:
        """JetStream is starting, or came back without the durable, which is then made anew: by one slot for all."""
        loop = asyncio.get_running_loop()
        async with self._declaring:
            if loop.time() - self._declared_at >= AWAY_WAIT_S:
                with contextlib.suppress(Error, OSError):  # it is starting: asked again soon
                    await self._declare()
                self._declared_at = loop.time()
        await asyncio.sleep(AWAY_WAIT_S)


class _Slot:
    """Asks for one message, handles it, asks for the next: with its acknowledgement, where there is one.

    Only one request is ever open. Whoever asks anew does so under a new inbox: the server drops the earlier request
    with its inbox. Otherwise each would live on for ever, asking for its next one, and a worker would take more
    messages than it has slots.
    """

    def __init__(self, client: Client, ask_subject: str, hearer: Hearer, nobody_answered: Declare) -> None:
        self._client = client
        self._ask_subject = ask_subject
        self._hearer = hearer
        self._nobody_answered = nobody_answered
        self._subscription: Subscription | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._asking: asyncio.Future[None] | None = None
        self._heard_at = 0.0
        self._idle = asyncio.Event()
        self._in_hand: Delivery | None = None
        self._closed = False
        self._beginning = asyncio.Lock()
        self._next = Next(_REQUEST, client.new_inbox())

    async def start(self) -> None:
        self._idle.set()
        await self._begin()
        self._look_later()

    async def _begin(self) -> None:
        """Ask under a new inbox, and leave the one before it."""
        async with self._beginning:
            if self._closed or not self._idle.is_set():
                return  # when what is in hand is done, the next one is asked for anyway
            before, following = self._subscription, Next(_REQUEST, self._client.new_inbox())
            self._next = following
            self._heard_at = asyncio.get_running_loop().time()  # the first heartbeat is due from here on
            if before is not None:
                # At once: a message that is under way to it comes again in time. A drain would bring it, but flushes,
                # and when a flush is answered too late nats-py stops reading from its connection.
                with contextlib.suppress(Error):
                    await before.unsubscribe()

            async def arrived(raw: Msg) -> None:
                await self._arrived(raw, following)

            self._subscription = await self._client.subscribe(following.inbox, cb=arrived)
            await self._ask()

    async def _begin_again(self) -> None:
        with contextlib.suppress(Error):  # the connection was closed meanwhile
            await self._begin()

    async def stop(self) -> None:
        """Take nothing more; wait for what is in hand."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        if self._in_hand is not None:
            self._in_hand.next = None  # its acknowledgement shall not ask for another
        await self._idle.wait()
        if self._asking is not None:
            await self._asking
        if self._subscription is not None:
            await _left(self._subscription)

    async def _arrived(self, raw: Msg, following: Next) -> None:
        """A message, or the server's word about the request. Runs to its end before the next one is looked at."""
        stale = following is not self._next
        if not stale:
            self._heard_at = asyncio.get_running_loop().time()
        if not raw.reply:
            if pulling.nobody_answered(raw):
                await self._nobody_answered()
            if not pulling.is_heartbeat(raw) and following is self._next:
                await self._ask()  # the request has expired, or the server has dropped it
            return
        delivery = Delivery.of(raw, following)
        if self._closed or stale:
            with contextlib.suppress(Error):
                await delivery.again_in(0)  # at once, to somebody else
            return
        self._idle.clear()
        self._in_hand = delivery
        try:
            await self._hearer(delivery)
        finally:
            self._heard_at = asyncio.get_running_loop().time()
            self._in_hand = None
            self._idle.set()
        if not delivery.asked_for_next and following is self._next:
            await self._ask()

    async def _ask(self) -> None:
        if not self._closed:
            with contextlib.suppress(Error):  # while reconnecting; asked again after it
                await self._client.publish(self._ask_subject, self._next.request, reply=self._next.inbox)

    def ask_again(self) -> None:
        """The server may no longer know what was asked for."""
        if self._idle.is_set() and not self._closed:
            self._asking = asyncio.ensure_future(self._begin_again())

    def _look_later(self) -> None:
        self._watch = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._look)

    def _look(self) -> None:
        """Neither message nor heartbeat for too long, and nothing in hand: the request is lost."""
        now = asyncio.get_running_loop().time()
        if self._idle.is_set() and now - self._heard_at > SILENCE_S:
            self._heard_at = now
            self.ask_again()
        self._look_later()


async def _left(subscription: Subscription) -> None:
    """What is on its way to it arrives and is given back. The drain is left to itself, never cancelled: see above."""
    draining = asyncio.ensure_future(subscription.drain())  # type: ignore[no-untyped-call]  # nats-py's
    await asyncio.wait({draining}, timeout=DRAIN_WITHIN_S)
    draining.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen, whatever became of it
