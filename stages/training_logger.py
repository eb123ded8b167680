"""Keeps every fact: hears all that is said in batches, and records each event once in the event log.

Says nothing. Does not know the bus: pipeline/ fetches from the durable consumer, calls `record`, and acknowledges the
batch when it has returned; a batch that was not acknowledged comes again and is recorded once all the same.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from infra.event_log.port import Appended, Batch
from schemas.catalogue import FACTS
from schemas.event import Fact

BATCH_MAX_ROWS: Final = 4_000  # half a second at the rate that must be reached; decoded at once in memory
BATCH_WAIT_S: Final = 0.25  # how long the first event of a batch waits for company before it can be queried


class Log(Protocol):
    """The part of the event log that a logger needs."""

    async def append(self, batch: Batch) -> Appended:
        """Record a batch, each event once; on the disk when this returns, and nothing of it when it raises."""


@dataclass(frozen=True, slots=True)
class TrainingLoggerGiven:
    """What the logger works with."""

    log: Log


@dataclass(frozen=True, slots=True)
class Recorder:
    """The declaration of a stage that takes events in batches, as raw messages, and says nothing."""

    name: str
    hears: tuple[type[Fact], ...]
    says: tuple[type[Fact], ...]
    record: Callable[[Batch, TrainingLoggerGiven], Awaitable[Appended]]
    batch_max_rows: int
    batch_wait_s: float


async def record(batch: Batch, given: TrainingLoggerGiven) -> Appended:
    """Record a batch. An event that cannot be read is recorded as invalid; it never stops the others.

    Raises whatever the log raises (disk full, stream made anew unannounced): the batch must then come again.
    """
    return await given.log.append(batch)


TRAINING_LOGGER = Recorder(
    name="training_logger",
    hears=FACTS,
    says=(),
    record=record,
    batch_max_rows=BATCH_MAX_ROWS,
    batch_wait_s=BATCH_WAIT_S,
)
