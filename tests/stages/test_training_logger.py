"""The training logger: a batch in, everything in the log, each event once."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.clock import new_id
from infra.event_log.log import open_log
from infra.event_log.port import Appended, Batch, Row, StreamIdentity
from schemas.catalogue import FACTS
from schemas.event import Event, Fact, Meta
from schemas.turns import TextTurnOpened, TurnCompleted
from stages.training_logger import TRAINING_LOGGER, Log, TrainingLoggerGiven, record

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def turn() -> list[Event[Fact]]:
    turn_id = new_id()
    meta = Meta(
        id=f"{turn_id}-0",
        type="TextTurnOpened",
        conversation=new_id(),
        turn=turn_id,
        user="anna",
        time=NOON,
        stage="keeper",
    )
    opened = Event[Fact].first(TextTurnOpened(text="hello"), meta)
    return [opened, opened.following("keeper", 0, TurnCompleted(reply="Hello.", sentences=1), NOON)]


def batch(events: list[Event[Fact]], *more: Row) -> Batch:
    rows = (Row(place + 1, event.subject, {}, event.encoded()) for place, event in enumerate(events))
    return Batch(StreamIdentity("PARLEY_EVENTS", NOON), (*rows, *more))


def test_it_hears_every_fact_and_says_nothing() -> None:
    assert TRAINING_LOGGER.hears == FACTS
    assert TRAINING_LOGGER.says == ()


async def test_a_batch_is_recorded_once_however_often_it_comes(tmp_path: Path) -> None:
    events = turn()
    async with await open_log(tmp_path / "log.duckdb") as log:
        given = TrainingLoggerGiven(log)

        first = await TRAINING_LOGGER.record(batch(events), given)
        again = await TRAINING_LOGGER.record(batch(events), given)

        assert first == Appended(recorded=2, position=2)
        assert again == Appended(recorded=0, redelivered=2, position=2)
        assert (await log.ask("SELECT id FROM events ORDER BY stream_seq")).rows == tuple((e.meta.id,) for e in events)


async def test_a_broken_message_among_them_stops_nothing(tmp_path: Path) -> None:
    async with await open_log(tmp_path / "log.duckdb") as log:
        done = await record(batch(turn(), Row(9, "parley.v1.odd", {}, b"\xff")), TrainingLoggerGiven(log))

    assert done == Appended(recorded=3, invalid=1, position=9)


async def test_what_the_log_cannot_write_is_not_taken_for_done() -> None:
    class FullDisk(Log):
        async def append(self, batch: Batch) -> Appended:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        await record(batch(turn()), TrainingLoggerGiven(FullDisk()))
