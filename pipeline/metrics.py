"""What each worker counts and times, in the Prometheus text format, gathered from all workers over the bus.

Each process answers with its own metrics; whoever asks puts the answers together. Nothing listens on a port for this.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from infra.bus.connection import Bus
from infra.clock import Clock, ms_between
from pipeline import topology
from schemas.subjects import EVENT_STREAM

SUBJECT: Final = "parley.metrics"
WAIT_S: Final = 0.5
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
IN_FLIGHT: Final = "parley_engine_in_flight"
QUEUED: Final = "parley_engine_queued"
GAUGES: Final = frozenset({"in_flight", "sockets"})  # of what workers count; all else only grows


class Metrics:
    """One process's metrics. `counts` is read when somebody asks, so counting costs a hop nothing."""

    def __init__(self, stage: str, worker: str, counts: Callable[[], Mapping[str, int]]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Counts(stage, worker, counts))
        labels = {"stage": stage, "worker": worker}
        self._labels = labels
        self._queue = _Times("queue", "How long events waited for the stage.", labels)
        self._work = _Times("work", "How long the stage worked on an event.", labels)
        self._registry.register(self._queue)
        self._registry.register(self._work)

    def handled(self, queue_ms: float, work_ms: float) -> None:
        """One event was handled."""
        self._queue.observe(queue_ms / 1e3)
        self._work.observe(work_ms / 1e3)

    def watch_engines(self, at_work: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        """Tell how many requests this process has at each engine, and how many wait for a place there."""
        self._registry.register(_Engines(self._labels, at_work))

    def exposition(self) -> bytes:
        """All of it in the text format."""
        return generate_latest(self._registry)

    async def announce(self, bus: Bus) -> None:
        """Answer whoever asks, from now on."""
        await bus.answer_polls(SUBJECT, self.exposition)


class _Times(Collector):
    """A histogram that is put together when somebody asks: the library's own takes locks at each observation."""

    def __init__(self, name: str, text: str, labels: Mapping[str, str]) -> None:
        self._name, self._text, self._labels = f"parley_stage_{name}_seconds", text, labels
        self._within = [0] * (len(BUCKETS_S) + 1)  # by the first bucket that holds it; the last one is without an end
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self._within[bisect_left(BUCKETS_S, seconds)] += 1
        self._sum_s += seconds

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=tuple(self._labels))
        ends = (*(str(end_s) for end_s in BUCKETS_S), "+Inf")
        buckets = list(zip(ends, map(float, accumulate(self._within)), strict=True))
        family.add_metric(tuple(self._labels.values()), buckets, self._sum_s)
        yield family


class _Counts(Collector):
    def __init__(self, stage: str, worker: str, counts: Callable[[], Mapping[str, int]]) -> None:
        self._labels = {"stage": stage, "worker": worker}
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        for name, value in self._counts().items():
            kind = GaugeMetricFamily if name in GAUGES else CounterMetricFamily
            family = kind(f"parley_stage_{name}", f"Events: {name.replace('_', ' ')}.", labels=tuple(self._labels))
            family.add_metric(tuple(self._labels.values()), value)
            yield family


class _Engines(Collector):
    def __init__(self, labels: Mapping[str, str], at_work: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        self._labels = labels
        self._at_work = at_work

    def collect(self) -> Iterator[Metric]:
        names = (*self._labels, "engine")
        in_flight = GaugeMetricFamily(IN_FLIGHT, "Requests that an engine is answering.", labels=names)
        queued = GaugeMetricFamily(QUEUED, "Requests that wait for a place in an engine.", labels=names)
        for engine, (running, waiting) in self._at_work().items():
            in_flight.add_metric((*self._labels.values(), engine), running)
            queued.add_metric((*self._labels.values(), engine), waiting)
        yield from (in_flight, queued)


def at_engines(exposition: str) -> dict[str, tuple[int, int]]:
    """By engine, what all workers together have in flight and queued, from an exposition of `gathered`."""
    found: dict[str, tuple[int, int]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples if family.name in (IN_FLIGHT, QUEUED) else ():
            running, waiting = found.get(sample.labels["engine"], (0, 0))
            more = int(sample.value)
            found[sample.labels["engine"]] = (
                (running + more, waiting) if family.name == IN_FLIGHT else (running, waiting + more)
            )
    return found


async def gathered(bus: Bus, clock: Clock, wait_s: float = WAIT_S) -> str:
    """The metrics of all processes that answer within `wait_s`, and how far each stage is behind."""
    from pipeline.standing import backlogs

    answers = await bus.poll(SUBJECT, wait_s=wait_s)
    behind = GaugeMetricFamily("parley_stage_behind", "Events that nobody has taken yet.", labels=("stage",))
    for stage, (waiting, _) in (await backlogs(bus)).items():
        behind.add_metric((stage,), waiting)
    age = GaugeMetricFamily("parley_stage_queue_age_seconds", "Age of the oldest event that waits.", labels=("stage",))
    for stage in topology.PROCESSES:
        since = await bus.waiting_since(EVENT_STREAM, stage)
        age.add_metric((stage,), 0.0 if since is None else ms_between(since, clock.now()) / 1e3)
    return merged([answer.decode() for answer in answers], [behind, age])


def merged(expositions: Iterable[str], more: Iterable[Metric] = ()) -> str:
    """Several processes' metrics as one exposition: each family once, with the samples of all."""
    families: dict[str, Metric] = {family.name: family for family in more}
    for exposition in expositions:
        for family in text_string_to_metric_families(exposition):
            if family.name in families:
                families[family.name].samples.extend(family.samples)
            else:
                families[family.name] = family
    registry = CollectorRegistry()
    registry.register(_Fixed(list(families.values())))
    return generate_latest(registry).decode()


class _Fixed(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
