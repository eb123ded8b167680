"""One trace a turn, one span a hop, with the right parent. Exported over OTLP when an endpoint is configured, else not.

The trace's id is the turn's id, so a turn is found in any collector without a look-up. Nothing leaves the machine
unasked: without an endpoint no exporter exists, its library is not even loaded, and a hop costs microseconds.
"""

import random
import re
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Final, Self
from uuid import UUID

from infra.clock import made_ms

COLLECTOR_WITHIN_S: Final = 3.0  # a collector that is silent does not hold up a worker's end for longer

_SAMPLED: Final = "01"
_NO_SPAN: Final = "0" * 16
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")


@dataclass(slots=True)
class HopSpan:
    """A hop that is under way: what to hand on, and what to note. A context manager that swallows nothing."""

    recording: ClassVar[bool] = False  # whether anybody will see the attributes
    traceparent: str
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)
    error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Telemetry:
    """Spans of one process. `close` sends what is still to be sent."""

    def __init__(self, service: str, otlp_endpoint: str | None = None) -> None:
        self._sender = _Sender(service, otlp_endpoint) if otlp_endpoint else None

    def hop(
        self,
        name: str,
        turn: str,
        parent: str | None,
        attributes: Mapping[str, str | int | float],
        began_ns: int | None = None,
    ) -> HopSpan:
        """A span around the handling of one event of `turn`; `parent` is the traceparent that came with it.

        It begins now, or `began_ns` nanoseconds after 1970 where only the handling tells of which turn it is.
        """
        parent = parent if parent is not None and _is_of(turn, parent) else root(turn)
        # No secret, as in OpenTelemetry's own generator: asking the system costs more. Zero would mean no span.
        made = f"{parent[:36]}{random.getrandbits(64) or 1:016x}-{_SAMPLED}"
        if self._sender is None:
            return HopSpan(made)
        return _SentSpan(
            traceparent=made,
            attributes=dict(attributes),
            sender=self._sender,
            name=name,
            parent=parent,
            began_ns=time.time_ns() if began_ns is None else began_ns,
        )

    def turn_ended(self, turn: str, attributes: Mapping[str, str | int | float]) -> None:
        """The span that all hops of a turn hang under: from the making of its id until now."""
        if self._sender is not None:
            made = root(turn)
            span = _SentSpan(
                traceparent=made,
                attributes=dict(attributes),
                sender=self._sender,
                name="turn",
                parent=None,
                began_ns=min(made_ms(turn) * 1_000_000, time.time_ns()),
            )
            self._sender.send(span)

    def close(self) -> None:
        """Send what is left; waits a few seconds at the most."""
        if self._sender is not None:
            self._sender.close()


@dataclass(slots=True, kw_only=True)
class _SentSpan(HopSpan):
    """One that is sent when it has ended."""

    recording: ClassVar[bool] = True
    sender: "_Sender"
    name: str
    parent: str | None
    began_ns: int

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and self.error is None:  # being stopped is no failure
            self.error = error
        self.sender.send(self)


class _Sender:
    """Exports in batches on a thread of the SDK's.

    A span is made whole when it has ended, and handed to the SDK's processor: the SDK's own live spans, with their
    samplers, limits and locks, cost three times as much, and nothing here needs them.
    """

    def __init__(self, service: str, endpoint: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import Event, ReadableSpan
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

        self._span, self._event, self._context, self._status = ReadableSpan, Event, SpanContext, Status
        self._failed, self._flags = StatusCode.ERROR, TraceFlags(TraceFlags.SAMPLED)
        self._consumer, self._internal = SpanKind.CONSUMER, SpanKind.INTERNAL
        self._resource = Resource.create({"service.name": f"parley-{service}"})
        self._scope = InstrumentationScope("parley")
        self._processor = BatchSpanProcessor(
            OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=COLLECTOR_WITHIN_S)
        )

    def send(self, hop: _SentSpan) -> None:
        """Queue an ended hop; beyond the SDK's limit (2,048) it is dropped."""
        trace = int(hop.traceparent[3:35], 16)
        parent = None if hop.parent is None else self._context(trace, int(hop.parent[36:52], 16), True, self._flags)
        error = hop.error
        self._processor.on_end(
            self._span(
                hop.name,
                context=self._context(trace, int(hop.traceparent[36:52], 16), False, self._flags),
                parent=parent,
                resource=self._resource,
                attributes=hop.attributes,
                events=() if error is None else (self._event("exception", _told(error)),),
                kind=self._internal if parent is None else self._consumer,
                status=self._status() if error is None else self._status(self._failed, str(error)),
                start_time=hop.began_ns,
                end_time=time.time_ns(),
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Send what is left."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK's


def _told(error: BaseException) -> dict[str, str]:
    """An exception as OpenTelemetry's conventions have it."""
    return {
        "exception.type": type(error).__qualname__,
        "exception.message": str(error),
        "exception.stacktrace": "".join(traceback.format_exception(error)),
    }


def root(turn: str) -> str:
    """The traceparent (W3C) that a turn begins with; the turn's id gives both parts, so whoever asks has the same."""
    turn_id = UUID(turn).hex
    return f"00-{turn_id}-{turn_id[16:]}-{_SAMPLED}"


def _is_of(turn: str, traceparent: str) -> bool:
    found = _TRACEPARENT.match(traceparent)
    return found is not None and found[1] == turn.replace("-", "") and found[2] != _NO_SPAN
