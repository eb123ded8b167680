"""Traces: none without an endpoint; with one, the turn's id is the trace's and every hop hangs under its cause."""

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.clock import new_id
from infra.telemetry import Telemetry, root

if TYPE_CHECKING:
    from tests.conftest import Collector


def test_a_turns_hops_are_one_trace_each_under_its_cause(collector: "Collector") -> None:
    turn = new_id()
    begin = root(turn)
    stt, intent = Telemetry("stt", collector.url), Telemetry("intent", f"{collector.url}/")

    with stt.hop("stt", turn, begin, {"parley.queue_ms": 1.5}) as first:
        first.attributes["parley.model"] = "tiny.en"
    with intent.hop("intent", turn, first.traceparent, {"parley.attempt": 2}) as second:
        pass
    stt.close()
    intent.close()

    assert set(collector.paths) == {"/v1/traces"}
    spans = {span.name: span for span in collector.spans}
    trace = turn.replace("-", "")
    assert {span.trace_id.hex() for span in spans.values()} == {trace}
    assert spans["stt"].parent_span_id.hex() == begin.split("-")[2]
    assert spans["intent"].parent_span_id == spans["stt"].span_id
    assert second.traceparent.split("-")[1:3] == [trace, spans["intent"].span_id.hex()]
    assert collector.attributes(spans["stt"]) == {"parley.queue_ms": 1.5, "parley.model": "tiny.en"}
    assert collector.attributes(spans["intent"]) == {"parley.attempt": 2}
    services = {
        each.value.string_value
        for request in collector.requests
        for resource in request.resource_spans
        for each in resource.resource.attributes
        if each.key == "service.name"
    }
    assert services == {"parley-stt", "parley-intent"}


def test_the_turn_itself_is_the_span_that_its_first_hops_hang_under(collector: "Collector") -> None:
    turn = new_id()
    telemetry = Telemetry("keeper", collector.url)
    with telemetry.hop("intent", turn, root(turn), {}):
        pass
    telemetry.turn_ended(turn, {"parley.end": "TurnCompleted"})
    telemetry.close()

    spans = {span.name: span for span in collector.spans}
    assert spans["intent"].parent_span_id == spans["turn"].span_id
    assert spans["turn"].parent_span_id == b""
    assert spans["turn"].trace_id.hex() == turn.replace("-", "")
    assert collector.attributes(spans["turn"]) == {"parley.end": "TurnCompleted"}
    assert spans["turn"].start_time_unix_nano <= spans["intent"].start_time_unix_nano
    assert spans["turn"].end_time_unix_nano - spans["turn"].start_time_unix_nano < 60e9


def test_a_hop_that_failed_says_why(collector: "Collector") -> None:
    telemetry = Telemetry("stt", collector.url)

    with telemetry.hop("stt", new_id(), None, {}) as hop:
        hop.error = OSError("the disk is gone")
    telemetry.close()

    [span] = collector.spans
    assert (span.status.code, span.status.message) == (2, "the disk is gone")
    assert [event.name for event in span.events] == ["exception"]


def test_what_is_raised_inside_is_raised_and_on_record(collector: "Collector") -> None:
    telemetry = Telemetry("stt", collector.url)

    with pytest.raises(OSError, match="gone"), telemetry.hop("stt", new_id(), None, {}):
        raise OSError("the disk is gone")
    telemetry.close()

    assert [span.status.code for span in collector.spans] == [2]


def test_an_error_that_is_noted_and_raised_is_on_record_once(collector: "Collector") -> None:
    telemetry = Telemetry("stt", collector.url)

    with pytest.raises(OSError, match="gone"), telemetry.hop("stt", new_id(), None, {}) as hop:
        hop.error = OSError("the disk is gone")
        raise hop.error
    telemetry.close()

    [span] = collector.spans
    [event] = span.events
    told = collector.attributes(event)
    assert (told["exception.type"], told["exception.message"]) == ("OSError", "the disk is gone")
    assert "test_telemetry.py" in told["exception.stacktrace"]


def test_a_hop_that_is_stopped_has_not_failed(collector: "Collector") -> None:
    telemetry = Telemetry("stt", collector.url)

    with pytest.raises(asyncio.CancelledError), telemetry.hop("stt", new_id(), None, {}):
        raise asyncio.CancelledError
    telemetry.close()

    [span] = collector.spans
    assert (span.status.code, list(span.events)) == (0, [])
    assert span.end_time_unix_nano >= span.start_time_unix_nano > 0


async def test_hops_at_the_same_time_do_not_mix(collector: "Collector") -> None:
    telemetry = Telemetry("chat", collector.url)
    turns = [new_id() for _ in range(10)]
    together = asyncio.Barrier(len(turns))

    async def one(turn: str) -> None:
        with telemetry.hop("chat", turn, root(turn), {"turn": turn}):
            await together.wait()

    await asyncio.gather(*map(one, turns))
    await asyncio.to_thread(telemetry.close)

    assert {span.trace_id.hex() for span in collector.spans} == {turn.replace("-", "") for turn in turns}
    assert all(collector.attributes(span)["turn"].replace("-", "") == span.trace_id.hex() for span in collector.spans)


FOREIGN = [
    None,
    "",
    "nonsense",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-{turn}-b7ad-01",
    "00-{turn}-zzzzzzzzzzzzzzzz-01",
    "00-{turn}-0000000000000000-01",
]


@pytest.mark.parametrize("parent", FOREIGN)
@pytest.mark.parametrize("exported", [True, False])
def test_a_parent_that_is_none_of_this_turn_begins_the_turns_trace_anew(
    collector: "Collector", parent: str | None, exported: bool
) -> None:
    turn = new_id()
    telemetry = Telemetry("stt", collector.url if exported else None)

    told = parent.format(turn=turn.replace("-", "")) if parent is not None else None
    with telemetry.hop("stt", turn, told, {}) as hop:
        assert hop.traceparent.startswith(f"00-{turn.replace('-', '')}-")
    telemetry.close()

    assert [span.trace_id.hex() for span in collector.spans] == ([turn.replace("-", "")] if exported else [])


def test_without_an_endpoint_hops_are_still_chained() -> None:
    telemetry, turn = Telemetry("stt"), new_id()
    begin = root(turn)

    with telemetry.hop("stt", turn, begin, {}) as first, telemetry.hop("stt", turn, first.traceparent, {}) as second:
        pass
    telemetry.close()

    spans = [each.split("-") for each in (begin, first.traceparent, second.traceparent)]
    assert len({span[1] for span in spans}) == 1
    assert len({span[2] for span in spans}) == 3


def test_without_an_endpoint_no_exporter_is_loaded(environment: dict[str, str]) -> None:
    program = (
        "import sys; from infra.clock import new_id; from infra.telemetry import Telemetry\n"
        "with Telemetry('stt').hop('stt', new_id(), None, {}): pass\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)

    assert said.stdout == "[]\n"


def test_a_collector_that_is_away_holds_nothing_up_for_long() -> None:
    telemetry = Telemetry("stt", "http://127.0.0.1:9")

    for _ in range(100):
        with telemetry.hop("stt", new_id(), None, {}):
            pass
    telemetry.close()
