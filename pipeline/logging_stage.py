"""Binds the training logger to the bus: batches in, acknowledged once they are on the disk; questions answered.

One process owns the database file, so one runs at a time; a second one ends with a clear message.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Final

from infra.bus.connection import Bus
from infra.bus.delivery import Delivery
from infra.bus.errors import BusFull, BusUnavailable
from infra.bus.streams import Durable, tokens_of
from infra.clock import Clock
from infra.event_log import duck, lines
from infra.event_log.lines import LineRefused
from infra.event_log.log import EventLog
from infra.event_log.port import (
    Batch,
    EventLogError,
    LogBroken,
    NotTakenIn,
    Parameter,
    QueryRefused,
    Row,
    StreamChanged,
    StreamIdentity,
    Table,
    TakenIn,
)
from pipeline import large_answers
from pipeline.lag import Lag
from pipeline.large_answers import ANSWER_MAX_BYTES
from schemas import subjects
from schemas.errors import SchemaError
from stages.training_logger import TRAINING_LOGGER, TrainingLoggerGiven

ASK_SUBJECT: Final = "parley.ask.log"
ASK_TIMEOUT_S: Final = 35.0  # a little more than a question may take
ASK_LARGE_TIMEOUT_S: Final = 60.0  # with the time to put it where it is fetched
ASKED_AT_ONCE: Final = 32  # questions that are in hand: the log answers a few, and tells the others when none got free
TAKE_IN_SUBJECT: Final = "parley.import.log"
TAKE_IN_TIMEOUT_S: Final = 60.0  # some thousand lines, behind whatever is being written
HURRIED_S: Final = 0.8  # behind; what is promised is 2 s, and a batch takes its time too
GIVEN_UP_S: Final = 10.0  # it has been away, or the machine can do no more: questions have waited enough then
DURABLE: Final = Durable(
    TRAINING_LOGGER.name,
    subjects.EVENT_STREAM,
    tokens_of(TRAINING_LOGGER.hears),
    max_deliver=-1,  # the log gives up on nothing
    max_ack_pending=2 * TRAINING_LOGGER.batch_max_rows,
)

log = logging.getLogger("parley.log")


class LogKeeping:
    """The logger at work."""

    def __init__(self, event_log: EventLog, bus: Bus, clock: Clock) -> None:
        self._clock = clock
        self._log = event_log
        self._bus = bus
        self._gave_up = asyncio.Event()
        self._broken: LogBroken | None = None  # why it gave up while lines were taken in
        self.handled = 0  # messages, also those that had been recorded before
        self.in_flight = 0
        self.recorded = 0
        self.copies = 0
        self.invalid = 0

    def counts(self) -> Mapping[str, int]:
        """What was done since the start."""
        told = {"recorded": self.recorded, "copies": self.copies, "invalid": self.invalid}
        return {"handled": self.handled, "in_flight": self.in_flight, **told}

    async def run(self, stop: asyncio.Event) -> None:
        """Record until `stop` is set. Raises when the log cannot be written: the supervisor starts it again."""
        given = TrainingLoggerGiven(self._log)
        lag = Lag()
        identity: StreamIdentity

        def renewed(created: datetime) -> None:
            nonlocal identity
            identity = StreamIdentity(subjects.EVENT_STREAM, created)

        async def heard(deliveries: list[Delivery]) -> None:
            self.in_flight = len(deliveries)
            behind_s = lag.seen(deliveries[0].stored_at, deliveries[-1].stored_at, self._clock.now())
            self._log.hurries = HURRIED_S < behind_s < GIVEN_UP_S
            rows = tuple(Row(d.stream_seq, d.subject, d.headers, d.payload) for d in deliveries)
            try:
                done = await TRAINING_LOGGER.record(Batch(identity, rows), given)
            except StreamChanged as changed:  # the machine lost power, and the bus its last messages: places come again
                renewed(self._clock.now())
                log.warning("%s; what follows is recorded as another stream's", changed)
                done = await TRAINING_LOGGER.record(Batch(identity, rows), given)
            for delivery in deliveries:
                await delivery.ack()
            self.in_flight = 0
            self.handled += len(deliveries)
            self.recorded += done.recorded
            self.copies += done.copies
            self.invalid += done.invalid

        consumer = await self._bus.hear_in_batches(
            DURABLE,
            heard,
            batch=TRAINING_LOGGER.batch_max_rows,
            wait_s=TRAINING_LOGGER.batch_wait_s,
            renewed=renewed,
        )
        self._bus.answer(ASK_SUBJECT, self._answer, at_once=ASKED_AT_ONCE)
        self._bus.answer(TAKE_IN_SUBJECT, self._take_in)
        await self._bus.start_answering()
        recording = asyncio.create_task(consumer.run())
        ending = [asyncio.create_task(event.wait()) for event in (stop, self._gave_up)]
        await asyncio.wait({recording, *ending}, return_when=asyncio.FIRST_COMPLETED)
        consumer.close()
        for waiting in ending:
            waiting.cancel()
        await recording
        if self._broken is not None:
            raise self._broken

    async def _answer(self, payload: bytes) -> bytes:
        """One question as JSON {sql, parameters}; one answer as JSON, {error} when it is refused."""
        try:
            asked = json.loads(payload)
            if asked.get("large"):
                return await large_answers.answered(self._log, self._bus, asked)
            table = await self._log.ask(asked["sql"], asked.get("parameters"), limit_rows=asked.get("limit_rows"))
        except QueryRefused as refused:
            return large_answers.refusal(refused)
        except (BusFull, BusUnavailable) as error:
            return json.dumps({"error": f"an answer of this size at another time: {error}"}).encode()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return json.dumps({"error": f"a question is JSON such as {{'sql': 'SELECT 1'}}: {error}"}).encode()
        answer = json.dumps(asdict(table)).encode()
        if len(answer) > ANSWER_MAX_BYTES:
            expected = (
                f"an answer of at most {ANSWER_MAX_BYTES} bytes, not {len(answer)}; ask for less, add a LIMIT, "
                "or ask with 'large': true"
            )
            return json.dumps({"error": expected}).encode()
        return answer

    async def _take_in(self, payload: bytes) -> bytes:
        """Lines of a dump; {recorded, known} as JSON, or, when none was taken in, why.

        {error}: a line is refused. {failed}: the log cannot record them now.
        """
        try:
            done = await take_lines_in(self._log, payload)
        except SchemaError as refused:
            return json.dumps({"error": str(refused)}).encode()
        except EventLogError as failed:
            if isinstance(failed, LogBroken):
                self._broken = failed
                self._gave_up.set()
            return json.dumps({"failed": str(failed)}).encode()
        return json.dumps(asdict(done)).encode()


async def take_lines_in(event_log: EventLog, payload: bytes) -> TakenIn:
    """Take lines of a dump into the log, all or none.

    Raises SchemaError when one cannot be read, NotTakenIn, LogBroken.
    """
    read = await asyncio.to_thread(lambda: [lines.imported(line) for line in payload.split(b"\n")])
    try:
        return await event_log.take_in(read)
    except duck.Broken as error:
        raise LogBroken(error) from error
    except duck.Error as error:
        raise NotTakenIn(error) from error


async def tell_log(bus: Bus, payload: bytes) -> TakenIn:
    """Have the log's owner take in lines of a dump. Raises LineRefused, EventLogError, BusUnavailable (no logger)."""
    answer = json.loads(await bus.ask(TAKE_IN_SUBJECT, payload, timeout_s=TAKE_IN_TIMEOUT_S))
    if "failed" in answer:
        raise EventLogError(answer["failed"])
    if "error" in answer:
        raise LineRefused("the log", answer["error"])
    return TakenIn(answer["recorded"], answer["known"])


async def ask_log(bus: Bus, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Table:
    """Ask the log's owner over the bus. Raises QueryRefused, QueryStopped, BusUnavailable (no logger runs)."""
    question = json.dumps({"sql": sql, "parameters": large_answers.jsonable(parameters or {})}).encode()
    answer = json.loads(await bus.ask(ASK_SUBJECT, question, timeout_s=ASK_TIMEOUT_S))
    return large_answers.table_of(sql, answer)


async def ask_log_at_length(
    bus: Bus, sql: str, parameters: Mapping[str, Parameter] | None = None, *, limit_rows: int | None = None
) -> Table:
    """The same for an answer that may be larger than a message: then it is fetched from where it lies."""
    told = {"sql": sql, "parameters": large_answers.jsonable(parameters or {}), "limit_rows": limit_rows, "large": True}
    answer = json.loads(await bus.ask(ASK_SUBJECT, json.dumps(told).encode(), timeout_s=ASK_LARGE_TIMEOUT_S))
    return await large_answers.fetched(bus, sql, answer)
