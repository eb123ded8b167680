"""How a running Parley stands: its bus, who is present, how far each is behind, and its engine."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.bus.connection import Bus
from infra.settings import Settings, without_login
from pipeline import engines, topology
from pipeline.presence import Present, who_is_there
from schemas import subjects

BEHIND_MUCH = 500  # events that wait for one worker: beyond it something is wrong or far too slow


@dataclass(frozen=True, slots=True)
class WorkerStanding:
    """One kind of worker."""

    name: str
    processes: tuple[Present, ...]
    behind: int  # events that nobody has taken yet
    in_hand: int  # taken and not acknowledged
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """All of it. `wrong` is empty when all is well."""

    bus_url: str
    bus_version: str
    engine: str
    workers: tuple[WorkerStanding, ...]
    wrong: tuple[str, ...]


async def standing_of(bus: Bus, settings: Settings) -> Standing:
    """Look once; takes about half a second."""
    present = await who_is_there(bus)
    workers = []
    for name, (behind, in_hand) in (await backlogs(bus)).items():
        mine = tuple(each for each in present if each.name == name)
        counts: Counter[str] = Counter()
        for each in mine:
            counts.update(each.counts)
        workers.append(WorkerStanding(name, mine, behind, in_hand, dict(counts)))
    gateways = tuple(each for each in present if each.name == topology.GATEWAY)
    engine, engine_ok = await _engine(settings)
    wrong = [
        f"no {worker.name} is running; start one with `parley stage {worker.name}`"
        for worker in workers
        if not worker.processes
    ]
    wrong += [
        f"{worker.name} is {worker.behind} events behind; start another with `parley stage {worker.name}`"
        for worker in workers
        if worker.behind > BEHIND_MUCH
    ]
    wrong += [] if engine_ok else [engine]
    closed = await bus.why_intake_is_closed()
    wrong += [] if closed is None else [f"no turn is taken in: {closed}"]
    workers += [WorkerStanding(each.name, (each,), 0, 0, each.counts) for each in gateways]
    return Standing(bus.url, bus.version, engine, tuple(workers), tuple(wrong))


async def backlogs(bus: Bus) -> dict[str, tuple[int, int]]:
    """By process: how many events it has not taken yet, and how many it has taken and not acknowledged."""
    found: dict[str, tuple[int, int]] = {}
    for name in topology.PROCESSES:
        streams = [subjects.EVENT_STREAM]
        if name == topology.KEEPER:
            streams += [subjects.INTAKE_STREAM, subjects.REQUEST_STREAM]
        each = [await bus.backlog(stream, name) for stream in streams]
        found[name] = (sum(behind for behind, _ in each), sum(in_hand for _, in_hand in each))
    return found


async def _engine(settings: Settings) -> tuple[str, bool]:
    engine = settings.engine
    if engine.backend == "contextual":
        return "contextual: minimal mode, no model", True
    if engine.base_url is None:
        return "none found: replies come from `contextual`", True
    health = await engines.engine_health(settings)
    state = "answers" if health.ok else f"does not answer: {health.reason}"
    return f"{engine.backend} {engine.model or ''} at {without_login(engine.base_url)} {state}", health.ok
