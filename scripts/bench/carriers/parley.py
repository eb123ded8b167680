"""Seven durable hops through Parley's own workers, with stages that only pass on.

Beside what raw nats-py does, a hop decodes and validates the event, makes the next one with its id and headers, and
watches for the turn's end and its deadline. Each variant adds or takes away one thing.

As a program, `python -m scripts.bench.carriers.parley URL NUMBER`, it is one of the seven stages, alone.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import uvloop
from nats.js.api import DiscardPolicy, StreamConfig

from infra import processes
from infra.bus import streams
from infra.bus.connection import Bus
from infra.bus.delivery import Hop
from infra.bus.server import BusAddress
from infra.clock import SystemClock, new_id
from infra.state import notes
from infra.state.notes import Note
from infra.state.port import State
from infra.state.scope import scope_of
from infra.state.sqlite import open_state
from infra.telemetry import HopSpan, Telemetry, root
from pipeline.metrics import Metrics
from pipeline.worker import Worker
from schemas import catalogue, subjects
from schemas.event import Event, Fact, Meta
from schemas.stage import Stage, Told
from scripts.bench.carriers.carrier import HOPS, TEXT_CHARS, Arrivals, InThisProcess, own_server

MODULE: Final = "scripts.bench.carriers.parley"
WRITES_AT: Final = 2  # as in the product: the router, after stt and intent
READY: Final = b"ready\n"
UP_WITHIN_S: Final = 60.0


class Passed(Fact):
    """What each empty stage says; one class a hop is derived from it."""

    text: str


KINDS: Final[list[type[Passed]]] = [type(f"Passed{i}", (Passed,), {"__module__": __name__}) for i in range(HOPS + 1)]


class Untraced(Telemetry):
    """Hands on no trace context and notes nothing: what a hop would cost without tracing."""

    def hop(self, *_: object) -> AbstractContextManager[HopSpan]:  # type: ignore[override]  # takes whatever it is given
        """Nothing."""
        return nullcontext(HopSpan(""))


class Unobserved(Metrics):
    """Times nothing."""

    def handled(self, queue_ms: float, work_ms: float) -> None:
        """Nothing."""


@asynccontextmanager
async def workers(
    name: str, folder: Path, *, traced: bool = True, collector: str | None = None, inbox: bool = False, slots: int = 1
) -> AsyncIterator[InThisProcess]:
    """Seven workers on this event loop. `collector`: where spans go; `inbox`: one hop acts, once, in a real state."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(own_server(folder))
        bus = await stack.enter_async_context(Bus(BusAddress(url), name=name))
        clock = SystemClock()
        state = await stack.enter_async_context(open_state(folder / "state.db", clock)) if inbox else None
        telemetry = Telemetry("bench", collector) if traced else Untraced("bench")
        stack.callback(telemetry.close)
        await _declare(bus)
        for number in range(HOPS):
            worker: Worker[State | None] = Worker(
                _noting(number, slots) if inbox and number == WRITES_AT else _passing(number, slots),
                *(state, bus, clock, telemetry),
            )
            if not traced:
                worker.metrics = Unobserved(f"hop{number}", "", dict)
            await worker.start()
        yield await _carrier(name, bus, traced)


@asynccontextmanager
async def separate(name: str, folder: Path) -> AsyncIterator[InThisProcess]:
    """Seven workers, each a process of its own, as `parley up` runs them."""
    async with own_server(folder) as url, Bus(BusAddress(url), name=name) as bus, AsyncExitStack() as stack:
        await _declare(bus)
        logs = [folder / f"hop{number}.log" for number in range(HOPS)]
        for number, log in enumerate(logs):
            child = await processes.spawn([sys.executable, "-m", MODULE, url, str(number)], log=log)
            stack.push_async_callback(processes.stop, child, grace_s=5.0)
        async with asyncio.timeout(UP_WITHIN_S):
            while not all(READY in log.read_bytes() for log in logs):  # noqa: ASYNC110  # a file wakes nobody
                await asyncio.sleep(0.05)
        carrier = await _carrier(name, bus, traced=True)
        carrier.whole = False
        yield carrier


async def _declare(bus: Bus) -> None:
    catalogue.BY_NAME.update({kind.__name__: kind for kind in KINDS})
    tokens = [*(kind.token for kind in KINDS), subjects.TURN_END]
    await bus.js.add_stream(
        StreamConfig(  # as infra.bus.streams makes it, but for the subjects
            name=subjects.EVENT_STREAM,
            subjects=[subjects.every(t) for t in tokens],
            discard=DiscardPolicy.NEW,
            max_bytes=streams.EVENTS_MAX_BYTES,
            max_msg_size=streams.MESSAGE_MAX_BYTES,
            duplicate_window=streams.DUPLICATE_WINDOW.total_seconds(),
            allow_direct=True,
        )
    )


def _passing(number: int, slots: int = 1) -> Stage[State | None]:
    says = KINDS[number + 1]

    async def handle(event: Event[Passed], _: State | None, _earlier: tuple[Fact, ...]) -> AsyncIterator[Told]:
        yield says(text=event.fact.text)

    return Stage(f"hop{number}", (KINDS[number],), (says,), handle, slots=slots)


def _noting(number: int, slots: int) -> Stage[State | None]:
    """Writes a note as the router's skill does: effect, mark and bytes in one transaction, and only then says it."""
    says, name = KINDS[number + 1], f"hop{number}"

    async def handle(event: Event[Passed], state: State | None, _: tuple[Fact, ...]) -> AsyncIterator[Told]:
        assert state is not None  # this variant was given one
        async with state.handling(event, "note", name) as unit:
            said = unit.done
            if said is None:
                await notes.add(unit.tx, scope_of(event.meta), Note(new_id(), event.fact.text, unit.now))
                said = (unit.say(says(text=event.fact.text), 0),)
        for one in said:
            yield one

    return Stage(name, (KINDS[number],), (says,), handle, slots=slots)


async def _carrier(name: str, bus: Bus, traced: bool) -> InThisProcess:
    arrivals, conversation = Arrivals(), new_id()

    async def end(subject: str, _payload: bytes) -> None:
        arrivals.arrived(subjects.parse_subject(subject).turn)

    await bus.listen(subjects.every(KINDS[HOPS].token), end)

    async def send() -> float:
        turn = new_id()
        arrival = arrivals.expect(turn)
        began = time.perf_counter()
        now = datetime.now(UTC)
        meta = Meta(
            id=turn,
            type=KINDS[0].__name__,
            conversation=conversation,
            turn=turn,
            user="bench",
            time=now,
            deadline=now + timedelta(minutes=1),
        )
        first = Event[Fact].first(KINDS[0](text="x" * TEXT_CHARS), meta)
        await bus.say(first, Hop("bench", traceparent=root(turn) if traced else None))
        await arrival
        return (time.perf_counter() - began) * 1e3

    return InThisProcess(name, send)


async def _alone(url: str, number: int) -> None:
    catalogue.BY_NAME.update({kind.__name__: kind for kind in KINDS})
    async with Bus(BusAddress(url), name=f"hop{number}") as bus:
        await Worker(_passing(number), None, bus, SystemClock(), Telemetry("bench")).start()
        os.write(sys.stdout.fileno(), READY)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_alone(sys.argv[1], int(sys.argv[2])))
