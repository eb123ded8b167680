"""Saying events and putting bytes into streams: the half of the connection that says.

What a stream refuses, and why, becomes one of three errors; nothing is retried here.
"""

import contextlib
from abc import abstractmethod
from dataclasses import dataclass

import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from infra.bus import delivery, streams
from infra.bus.delivery import Hop
from infra.bus.errors import BusFull, BusUnavailable, Overtaken, reaching
from infra.bus.receipts import Receipts
from schemas.errors import InvalidField
from schemas.event import Event, Fact
from schemas.subjects import INTAKE_STREAM

PUBLISH_TIMEOUT_S = 5.0

_WRONG_LAST_SEQUENCE = 10071  # JetStream: "wrong last sequence"
_STREAM_FULL = frozenset({10077, 10047, 10122})  # maximum messages, bytes or messages per subject exceeded
_TOO_LARGE = 10054  # message size exceeds maximum allowed


@dataclass(frozen=True, slots=True)
class Receipt:
    """The bus has it. `again`: it had it before."""

    seq: int
    again: bool


class Publishing:
    """Part of a Bus."""

    @property
    @abstractmethod
    def js(self) -> JetStreamContext:
        """JetStream through nats-py."""

    @property
    @abstractmethod
    def receipts(self) -> Receipts:
        """What publishes and waits for the stream's word."""

    async def say(self, event: Event[Fact], hop: Hop, *, expect_last: int | None = None) -> Receipt:
        """Publish an event to its stream and wait until the stream has it.

        An event that may stand only once in a turn is refused by the bus when it is there already, which counts as
        said. `expect_last` demands that the subject's last message is this one (0: none yet).
        Raises Overtaken when it is not, BusFull at the stream's limit, BusUnavailable otherwise.
        """
        headers = {
            **hop.headers(),
            "Nats-Msg-Id": event.meta.id,
            delivery.TYPE: event.meta.type,
            "content-type": "application/json",
        }
        if event.meta.deadline is not None:
            headers[delivery.DEADLINE] = f"{event.meta.deadline.timestamp():.3f}"  # seconds since 1970
        expected = 0 if event.fact.once else expect_last
        if expected is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(expected)
        try:
            return await self.put(event.subject, event.encoded(), headers)
        except Overtaken:
            if event.fact.once:
                return Receipt(0, again=True)
            raise

    async def put(self, subject: str, payload: bytes, headers: dict[str, str]) -> Receipt:
        """Publish bytes to whatever stream takes `subject`. Raises like `say`; InvalidField when there are too many."""
        try:
            receipt = await self.receipts.publish(subject, payload, headers, PUBLISH_TIMEOUT_S)
        except APIError as refused:
            if refused.err_code == _WRONG_LAST_SEQUENCE:
                raise Overtaken(f"{subject}: {refused.description}") from None
            if refused.err_code in _STREAM_FULL:
                raise BusFull(await self._why_full(refused)) from None
            if refused.err_code == _TOO_LARGE:
                size = f"{len(payload)} bytes"
                raise InvalidField(
                    "event", size, f"at most {streams.MESSAGE_MAX_BYTES} bytes, headers included"
                ) from None
            raise BusUnavailable(f"{subject}: {refused.description}") from refused
        except (nats.errors.Error, NoStreamResponseError, TimeoutError, OSError) as error:
            raise BusUnavailable(f"{subject}: {str(error) or type(error).__name__}") from error
        return Receipt(receipt["seq"], receipt.get("duplicate", False))

    async def close_intake(self, reason: str) -> None:
        """Let the bus refuse new turns, for this reason. Raises BusUnavailable."""
        with reaching(INTAKE_STREAM):
            await streams.close_intake(self.js, reason)

    async def open_intake(self) -> None:
        """Let the bus take turns again, if intake was closed. Raises BusUnavailable."""
        with reaching(INTAKE_STREAM):
            await streams.open_intake(self.js)

    async def why_intake_is_closed(self) -> str | None:
        """The reason for which no turn is taken in; None when turns are, or nothing is declared yet.

        Raises BusUnavailable.
        """
        with reaching(INTAKE_STREAM), contextlib.suppress(NotFoundError):
            return await streams.why_closed(self.js)
        return None

    async def _why_full(self, refused: APIError) -> str:
        """The keeper's reason when it has closed intake, else the bus's own."""
        closed = None
        with contextlib.suppress(BusUnavailable):
            closed = await self.why_intake_is_closed()
        return closed or str(refused.description)
