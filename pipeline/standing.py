"""How a running Parley stands: its bus, who is present, how far each is behind, and its engine."""

import asyncio
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from infra import troubles
from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.settings import Settings, without_login
from infra.troubles import Trouble
from pipeline import engines, topology
from pipeline.children import NEEDED
from pipeline.presence import Present, who_is_there
from pipeline.state_desk import SUMMARY, Question, StateNotAsked, ask_state
from pipeline.state_watch import STATE_BROKEN
from schemas import subjects

BEHIND_MUCH = 500  # events that wait for one worker: beyond it something is wrong or far too slow
WELL_AFTER: Final = timedelta(seconds=15)  # of a process that had ended: more than the bus waits before it redelivers
ASKED_WITHIN_S: Final = 3.0  # the state; more means that nobody who waits for it is served


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
    state: str | None  # why it does not answer
    wrong: tuple[str, ...]


async def standing_of(bus: Bus, settings: Settings, now: datetime) -> Standing:
    """Look once; takes about half a second, longer only when the state does not answer."""
    present, state, closed = await asyncio.gather(
        who_is_there(bus), _why_state_is_silent(bus, settings), bus.why_intake_is_closed()
    )
    lately = [each for each in troubles.lately(settings.data_dir, now) if not _is_over(each, present, now)]
    workers = []
    for name, (behind, in_hand) in (await backlogs(bus)).items():
        mine = tuple(each for each in present if each.name == name)
        counts: Counter[str] = Counter()
        for each in mine:
            counts.update(each.counts)
        workers.append(WorkerStanding(name, mine, behind, in_hand, dict(counts)))
    engine, engine_ok = await _engine(settings)
    broken = _why_state_is_broken(lately, closed, present)
    wrong = [] if broken is None else [broken]
    wrong += [each.words for each in lately if not each.damaged_state]
    explained = {each.name for each in lately} | (frozenset() if broken is None else topology.OPEN_STATE)
    wrong += _of_workers(workers, explained)
    wrong += [] if engine_ok else [engine]
    wrong += [] if closed is None or broken is not None else [f"no turn is taken in: {closed}"]
    wrong += [] if state is None or broken is not None else [f"the state does not answer: {state}"]
    gateways = [each for each in present if each.name == topology.GATEWAY]
    workers += [WorkerStanding(each.name, (each,), 0, 0, each.counts) for each in gateways]
    return Standing(bus.url, bus.version, engine, tuple(workers), broken or state, tuple(wrong))


def _is_over(trouble: Trouble, present: Sequence[Present], now: datetime) -> bool:
    """Whether its process has been started since and is well, for longer than until it meets its message again.

    Bus and engine do not say that they are there: the bus answers whoever looks, and the engine is asked.
    """
    if trouble.name in NEEDED:
        return now - trouble.at > WELL_AFTER
    again = [each for each in present if each.name == trouble.name and each.ready]
    return any(trouble.at < datetime.fromisoformat(each.since) < now - WELL_AFTER for each in again)


def _why_state_is_broken(lately: Sequence[Trouble], closed: str | None, present: Sequence[Present]) -> str | None:
    """What a keeper said when it closed intake, or what one who has ended since said last, unless one is well again."""
    if closed is not None and closed.startswith(STATE_BROKEN):
        return closed
    if closed is None and any(each.ready for each in present if each.name == topology.KEEPER):
        return None
    return next((f"{STATE_BROKEN}{each.words}" for each in lately if each.damaged_state), None)


def _of_workers(workers: Sequence[WorkerStanding], explained: Container[str]) -> list[str]:
    missing = [each.name for each in workers if not each.processes and each.name not in explained]
    late = [(each.name, each.behind) for each in workers if each.behind > BEHIND_MUCH]
    return [
        *(f"no {name} is running; start one with `parley stage {name}`" for name in missing),
        *(f"{name} is {behind} events behind; start another with `parley stage {name}`" for name, behind in late),
    ]


async def _why_state_is_silent(bus: Bus, settings: Settings) -> str | None:
    question = Question(user=settings.user, tenant=settings.tenant)
    try:
        async with asyncio.timeout(ASKED_WITHIN_S):
            await ask_state(bus, SUMMARY, question)
    except TimeoutError:
        return f"no answer within {ASKED_WITHIN_S:.0f} s"
    except (BusUnavailable, StateNotAsked) as error:
        return str(error)
    return None


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
