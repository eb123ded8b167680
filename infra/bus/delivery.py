"""One message as a worker receives it, and what stands in its headers. Hides the broker's own classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nats.aio.msg import Msg
from nats.errors import MsgAlreadyAckdError

TYPE = "ce-type"  # CloudEvents names where there are such
STAGE = "ce-source"
HOP = "Parley-Hop"
DEADLINE = "Parley-Deadline"
TRACEPARENT = "traceparent"

# $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.…, or with <domain>.<account> before the stream (ADR-15 of NATS)
_SHORT_TOKENS = 9
_DELIVERED_SHORT, _DELIVERED = 4, 6
_STREAM_SEQ_SHORT, _STREAM_SEQ = 5, 7


@dataclass(frozen=True, slots=True)
class Hop:
    """How an event came to be said: by whom, after how long in the queue, with how much work, at which try."""

    stage: str
    queue_ms: float = 0.0
    work_ms: float = 0.0
    attempt: int = 1
    traceparent: str | None = None

    def headers(self) -> dict[str, str]:
        """The hop as message headers: `Parley-Hop: <queue ms> <work ms> <attempt>`, each header costing time."""
        headers = {STAGE: self.stage, HOP: f"{self.queue_ms:.3f} {self.work_ms:.3f} {self.attempt}"}
        if self.traceparent:
            headers[TRACEPARENT] = self.traceparent
        return headers

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> "Hop":
        """The hop that message headers tell of; zeros where they do not."""
        stage, traceparent = headers.get(STAGE, ""), headers.get(TRACEPARENT)
        try:
            queue_ms, work_ms, attempt = headers.get(HOP, "").split()
            return cls(stage, float(queue_ms), float(work_ms), int(attempt), traceparent)
        except ValueError:
            return cls(stage, traceparent=traceparent)


@dataclass(frozen=True, slots=True)
class Next:
    """How the next message is asked for: the request, and where the message shall go."""

    request: bytes
    inbox: str


@dataclass(slots=True)
class Delivery:
    """A message that waits to be acknowledged."""

    raw: Msg
    subject: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    next: Next | None = None
    asked_for_next: bool = False

    @classmethod
    def of(cls, raw: Msg, following: Next | None = None) -> "Delivery":
        """The message; with `following`, its acknowledgement asks for the next one, which saves a message a hop."""
        return cls(raw, raw.subject, raw.data, raw.headers or {}, following)

    @property
    def attempt(self) -> int:
        """1 for the first delivery; read alone, since all of the metadata costs ten times as much."""
        return self._place(_DELIVERED_SHORT, _DELIVERED)

    @property
    def stream_seq(self) -> int:
        """The message's place in its stream."""
        return self._place(_STREAM_SEQ_SHORT, _STREAM_SEQ)

    def _place(self, short: int, long: int) -> int:
        tokens = self.raw.reply.split(".")
        return int(tokens[short if len(tokens) == _SHORT_TOKENS else long])

    @property
    def stored_at(self) -> datetime:
        """When the stream took it in (UTC)."""
        return self.raw.metadata.timestamp

    async def ack(self) -> None:
        """Done: it shall not come again."""
        if self.next is None:
            await self.raw.ack()
            return
        await self.raw._client.publish(self.raw.reply, b"+NXT " + self.next.request, reply=self.next.inbox)
        self.asked_for_next = True

    async def again_in(self, delay_s: float) -> None:
        """Not done: deliver it again after `delay_s` seconds."""
        try:
            await self.raw.nak(delay=delay_s)
        except MsgAlreadyAckdError:
            return

    async def never_again(self) -> None:
        """It cannot be processed; what is to be kept of it has been put elsewhere."""
        await self.raw.term()

    async def still_working(self) -> None:
        """Start the wait for an acknowledgement anew."""
        await self.raw.in_progress()
