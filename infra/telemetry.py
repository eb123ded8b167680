"""One trace a turn, one span a hop, with the right parent. Exported over OTLP when an endpoint is configured, else not.

The trace's id is the turn's id, so a turn is found in any collector without a look-up. Nothing leaves the machine
unasked: without an endpoint no exporter exists, its library is not even loaded, and a hop costs microseconds.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import SpanContext

_SAMPLED: Final = "01"
_NO_SPAN: Final = "0" * 16
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")


@dataclass(slots=True)
class HopSpan:
    """A hop that is under way: what to hand on, and what to note."""

    traceparent: str
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)
    error: BaseException | None = None


class Telemetry:
    """Spans of one process. `close` sends what is still to be sent."""

    def __init__(self, service: str, otlp_endpoint: str | None = None) -> None:
        self._provider = _provider(service, otlp_endpoint) if otlp_endpoint else None

    @contextmanager
    def hop(
        self, name: str, turn: str, parent: str | None, attributes: Mapping[str, str | int | float]
    ) -> Iterator[HopSpan]:
        """A span around the handling of one event of `turn`; `parent` is the traceparent that came with it."""
        parent = parent if parent is not None and _is_of(turn, parent) else root(turn)
        if self._provider is None:
            yield HopSpan(f"{parent[:36]}{secrets.token_hex(8)}-{_SAMPLED}")
            return
        from opentelemetry.trace import NonRecordingSpan, SpanKind, Status, StatusCode
        from opentelemetry.trace import set_span_in_context as in_context

        tracer = self._provider.get_tracer("parley")
        with tracer.start_as_current_span(
            name, context=in_context(NonRecordingSpan(_context(parent))), kind=SpanKind.CONSUMER, attributes=attributes
        ) as span:
            made = span.get_span_context()
            hop = HopSpan(f"00-{made.trace_id:032x}-{made.span_id:016x}-{_SAMPLED}")
            try:
                yield hop
            finally:
                span.set_attributes(hop.attributes)
                if hop.error is not None:
                    span.record_exception(hop.error)
                    span.set_status(Status(StatusCode.ERROR, str(hop.error)))

    def close(self) -> None:
        """Send what is left; waits a few seconds at the most."""
        if self._provider is not None:
            self._provider.shutdown()


def _provider(service: str, endpoint: str) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"parley-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    return provider


def root(turn: str) -> str:
    """The traceparent (W3C) that a turn begins with."""
    return f"00-{UUID(turn).hex}-{secrets.token_hex(8)}-{_SAMPLED}"


def _is_of(turn: str, traceparent: str) -> bool:
    found = _TRACEPARENT.match(traceparent)
    return found is not None and found[1] == turn.replace("-", "") and found[2] != _NO_SPAN


def _context(traceparent: str) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags

    _, trace, span, _ = traceparent.split("-")
    return SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
