"""One message in the keeper's hands, as hops: a span in the trace of each turn in which it speaks because of it."""

import time
from datetime import datetime
from types import TracebackType
from typing import Self

from infra.bus.delivery import TRACEPARENT, Delivery, Hop
from infra.clock import Clock, ms_between
from infra.telemetry import HopSpan, Telemetry
from schemas.event import Event, Fact, Meta


class Handling:
    """A block in which the keeper handles `delivery`; its spans are sent when it is left. It swallows nothing.

    The end of one turn may open the next: then the hop belongs to both traces, in the next one right under the turn.
    Of what is heard and leads to no word there is a span only when that failed.
    """

    def __init__(self, telemetry: Telemetry, clock: Clock, stage: str, delivery: Delivery) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._stage = stage
        self._attempt = delivery.attempt
        self._incoming = delivery.headers.get(TRACEPARENT)
        self._stored_at = delivery.stored_at
        self._received, self._began_ns = clock.now(), time.time_ns()
        self._heard: Meta | None = None
        self._spans: dict[str, HopSpan] = {}
        self.queue_ms = 0.0
        self.error: Exception | None = None  # for which what was heard is refused

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failed = error if error is not None else self.error
        if isinstance(failed, Exception) and self._heard is not None:
            self._span(self._heard.turn).error = failed
        for span in self._spans.values():
            span.__exit__(kind, error, trace)

    def hears(self, meta: Meta) -> None:
        """What the message is, once that has been read.

        It waits since the bus has it, where it is said to be older than that: front-ends have clocks of their own.
        """
        self._heard, self.queue_ms = meta, ms_between(max(meta.time, self._stored_at), self._received)

    @property
    def work_ms(self) -> float:
        """How long it has been worked on."""
        return ms_between(self._received, self._clock.now())

    def hop(self, said: Event[Fact], accepted_at: datetime | None = None) -> Hop:
        """How `said` came to be said; a turn that another one's end opens has waited since it was accepted."""
        mine = self._heard is not None and self._heard.turn == said.meta.turn
        queue_ms = self.queue_ms if mine or accepted_at is None else ms_between(accepted_at, self._received)
        work_ms = ms_between(self._received, said.meta.time)
        span = self._span(said.meta.turn)
        span.attributes |= {"parley.queue_ms": queue_ms, "parley.work_ms": work_ms}
        return Hop(self._stage, queue_ms, work_ms, self._attempt, span.traceparent)

    def _span(self, turn: str) -> HopSpan:
        if turn not in self._spans:
            about: dict[str, str | int | float] = {
                "parley.queue_ms": self.queue_ms,
                "parley.attempt": self._attempt,
                "parley.event": "" if self._heard is None else self._heard.type,
            }
            self._spans[turn] = self._telemetry.hop(self._stage, turn, self._incoming, about, self._began_ns)
        return self._spans[turn]
