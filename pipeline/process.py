"""One worker as a process: `python -m pipeline.process NAME`. Connects, loads, hears; on SIGTERM finishes and ends.

Reads the settings and, for the bus's secret, the environment; both were put there by whoever started it.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import uvloop

from infra import memory
from infra import settings as configuration
from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.bus.server import BusAddress
from infra.clock import Clock, SystemClock
from infra.event_log.port import EventLogError
from infra.gateway_settings import web_address, who_may
from infra.processes import end_with_parent
from infra.settings import Settings, SettingsError
from infra.state.errors import StateCorrupt, StateError
from infra.state.port import State
from infra.tasks import cancelled
from infra.telemetry import Telemetry
from infra.weights import WeightsMissing
from pipeline import topology, wiring
from pipeline.metrics import Metrics
from pipeline.presence import Presence
from pipeline.state_watch import intake_closed_by_damage, watched
from pipeline.worker import Worker
from schemas.errors import InvalidField, SchemaError

if TYPE_CHECKING:
    from pipeline.partials import PartialAnswers

BUS_WITHIN_S = 20.0  # a bus that is just being started
_POLL_S = 0.2
SUPERVISED = "PARLEY_SUPERVISED"  # in the environment of a worker: the number of the process that supervises it

log = logging.getLogger("parley.process")

Counter = Callable[[], Mapping[str, int]]


class UnknownWorker(InvalidField):
    """There is no worker of this name."""

    def __init__(self, name: str) -> None:
        super().__init__("worker", name, f"one of {', '.join(topology.SERVED)}")


async def run(name: str, settings: Settings, address: BusAddress, stop: asyncio.Event) -> None:
    """Run one worker until `stop` is set. Raises UnknownWorker and whatever keeps it from starting."""
    if name not in topology.SERVED:
        raise UnknownWorker(name)
    clock = SystemClock()
    async with connected(address, f"parley-{name}") as bus:
        await bus.declare()
        if name == topology.KEEPER:
            async with intake_closed_by_damage(bus):
                await _keep(settings, bus, clock, stop)
        elif name == topology.LOGGER:
            await _log(settings, bus, clock, stop)
        elif name == topology.GATEWAY:
            await _serve(settings, bus, clock, stop)
        else:
            await _work(name, settings, bus, clock, stop)


@asynccontextmanager
async def connected(address: BusAddress, name: str, within_s: float = BUS_WITHIN_S) -> AsyncIterator[Bus]:
    """The bus, waited for while it is being started. Raises BusUnavailable."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    bus = Bus(address, name=name)
    while True:
        try:
            await bus.__aenter__()
            break
        except BusUnavailable:
            if loop.time() >= until:
                raise
            await asyncio.sleep(_POLL_S)
            bus = Bus(address, name=name)
    try:
        yield bus
    finally:
        await bus.__aexit__(None, None, None)


async def _present(name: str, bus: Bus, clock: Clock, counts: Counter) -> Presence:
    presence = Presence(name, clock.now(), counts)
    await presence.announce(bus)
    return presence


async def _work(name: str, settings: Settings, bus: Bus, clock: Clock, stop: asyncio.Event) -> None:
    stage = topology.stage(name)
    telemetry = Telemetry(name, settings.telemetry.otlp_endpoint)
    async with wiring.given_to(name, settings, bus, clock) as given:
        worker = Worker(stage, given, bus, clock, telemetry)
        presence = await _present(name, bus, clock, lambda: asdict(worker.counts))
        if (roles := wiring.roles_in(given)) is not None:
            worker.metrics.watch_engines(roles.at_work)
        await worker.metrics.announce(bus)
        if name == "intent":
            await _answer_for_intents(given, bus, clock)
        consumer = await worker.start()
        reminding = asyncio.create_task(_remind(given.state, bus, clock)) if name == "router" else None
        partials = await _partials(settings, bus, worker) if name == "stt" else None
        presence.ready = True
        log.info("%s is ready", name)
        async with watched(given.state, worker.break_off) if name == "router" else contextlib.nullcontext():
            await _either(stop, worker.broke)
        worker.leave()
        await consumer.stop()
        if partials is not None:
            await partials.aclose()
        if reminding is not None:
            await cancelled(reminding)
    telemetry.close()
    if worker.broken is not None:
        raise worker.broken


async def _partials(settings: Settings, bus: Bus, worker: Worker[Any]) -> "PartialAnswers | None":
    """Tells what is being said while it is being said, unless nobody shall."""
    from pipeline.partials import PartialAnswers

    make = wiring.partial_recogniser_of(settings)
    if make is None:
        return None
    partials = PartialAnswers(make, lambda: worker.counts.in_flight > 0)
    await partials.answer_on(bus)
    return partials


async def _answer_for_intents(given: Any, bus: Bus, clock: Clock) -> None:
    from pipeline.intent_desk import IntentDesk

    IntentDesk(given, clock).answer_on(bus)
    await bus.start_answering()


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (one, other)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _remind(state: State, bus: Bus, clock: Clock) -> None:
    from pipeline.reminding import announce_for_ever

    await announce_for_ever(state, bus, clock)


async def _keep(settings: Settings, bus: Bus, clock: Clock, stop: asyncio.Event) -> None:
    from pipeline.intake_gate import IntakeGate
    from pipeline.keeper import Keeper
    from pipeline.keeping import Keeping
    from pipeline.state_desk import StateDesk
    from pipeline.trimming import Trimming

    async with wiring.opened_state(settings, clock) as state:
        limits = settings.limits
        rules = Keeper(state, clock, turn_timeout=settings.turn.timeout, turns_per_minute=limits.turns_per_minute)
        gate = IntakeGate(bus, settings.data_dir, room_min_mb=limits.room_min_mb)
        telemetry = Telemetry(topology.KEEPER, settings.telemetry.otlp_endpoint)
        keeping = Keeping(rules, state, bus, clock, telemetry, (gate, Trimming(bus, state)))
        counts: Counter = lambda: asdict(keeping.counts)  # noqa: E731  # one line, used twice
        presence = await _present(topology.KEEPER, bus, clock, counts)
        metrics = Metrics(topology.KEEPER, str(os.getpid()), counts)
        keeping.timed = metrics.handled
        await metrics.announce(bus)
        StateDesk(state, clock).answer_on(bus)
        await bus.start_answering()
        presence.ready = True
        log.info("the keeper is ready")
        try:
            async with watched(state, keeping.break_off):
                await keeping.run(stop)
        finally:
            telemetry.close()


async def _serve(settings: Settings, bus: Bus, clock: Clock, stop: asyncio.Event) -> None:
    from pipeline.gateway.app import opened
    from pipeline.gateway.serving import listening_socket, serve

    bound = listening_socket(settings)
    async with opened(settings, bus, clock) as (app, counts):
        presence = await _present(topology.GATEWAY, bus, clock, lambda: {"port": bound.getsockname()[1], **counts()})
        await Metrics(topology.GATEWAY, str(os.getpid()), counts).announce(bus)
        serving = asyncio.create_task(serve(app, bound, settings, stop))
        presence.ready = True
        log.info("the gateway is ready at %s", web_address(*bound.getsockname()[:2]))
        log.warning("%s", who_may(settings.gateway, settings.user))
        await serving


async def _log(settings: Settings, bus: Bus, clock: Clock, stop: asyncio.Event) -> None:
    from infra.event_log.log import open_log
    from pipeline.log_archiving import ArchiveKeeping
    from pipeline.logging_stage import LogKeeping
    from pipeline.sound_keeping import SoundKeeping

    event_log = await open_log(wiring.log_path(settings), clock=clock, keeps_content=settings.training_data)
    aside: list[asyncio.Task[None]] = []
    try:
        keeping = LogKeeping(event_log, bus, clock)
        presence = await _present(topology.LOGGER, bus, clock, keeping.counts)
        await Metrics(topology.LOGGER, str(os.getpid()), keeping.counts).announce(bus)
        presence.ready = True
        log.info("the log is ready")
        archive = ArchiveKeeping(event_log.archiving, settings.log, clock)
        archive.answer_on(bus)
        aside.append(asyncio.create_task(archive.run()))
        if (kept := wiring.sound_kept(settings)) is not None:
            sounds = SoundKeeping(event_log.ask, await wiring.blobs_of(settings, bus), kept, clock)
            aside.append(asyncio.create_task(sounds.run()))
        await keeping.run(stop)
    finally:
        for task in aside:
            await cancelled(task)
        await event_log.aclose()


def address_of(settings: Settings) -> BusAddress:
    """The bus that the settings name. Raises SettingsError when they name none."""
    token = settings.bus.token.get_secret_value() if settings.bus.token else None
    if not settings.bus.url:
        raise SettingsError("bus.url: no bus is named; expected NATS_URL, or a running `parley up` on the data folder")
    return BusAddress(settings.bus.url, token)


async def _main(name: str) -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    parent = os.environ.get(SUPERVISED)
    watching = asyncio.create_task(_stop_with_parent(int(parent), stop)) if parent else None
    memory.few_arenas()
    giving_back = asyncio.create_task(memory.give_back_for_ever())
    settings = configuration.load()
    await run(name, settings, address_of(settings), stop)
    giving_back.cancel()
    if watching is not None:
        watching.cancel()


async def _stop_with_parent(parent: int, stop: asyncio.Event) -> None:
    await end_with_parent(parent)
    stop.set()


def main() -> None:
    """The process's entry. Exit 0 when asked to end, 1 with one line when it cannot work, 2 for a wrong call.

    65 (EX_DATAERR), with one line, when the state is damaged: started again it would end for the same reason.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("httpx", "faster_whisper"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pipeline.process NAME")
    try:
        uvloop.run(_main(sys.argv[1]))
    except (SettingsError, UnknownWorker) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except StateCorrupt as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        sys.exit(os.EX_DATAERR)
    except (BusUnavailable, StateError, EventLogError, WeightsMissing, SchemaError) as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
