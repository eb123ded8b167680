"""What the log's two halves cost with nothing around them, in a process of their own, one after the other.

Bare nats-py: a pull consumer that fetches the same messages in batches as large as the logger's and acknowledges each.
Bare DuckDB: the appender, the same rows in values that are ready, a transaction a batch, no lookups.
Prints {"fetched": …, "appended": …, "fetch_cpu": …, "append_cpu": …}: events a second, and microseconds of processor
an event.
"""

import json
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import nats
import uvloop
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from infra.event_log import duck, migrations
from infra.event_log.columns import Columns, columns_of
from infra.event_log.port import LogLimits, Row
from schemas.subjects import EVENT_STREAM
from stages.training_logger import TRAINING_LOGGER

DURABLE: Final = "floor"
FETCH_TIMEOUT_S: Final = 5.0


async def fetched(url: str, token: str, count: int) -> tuple[list[Row], float, float]:
    """The stream's first `count` messages, the seconds that it took, and the processor's."""
    client = await nats.connect(url, token=token)
    config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=2 * TRAINING_LOGGER.batch_max_rows)
    pull = await client.jetstream().pull_subscribe("", durable=DURABLE, stream=EVENT_STREAM, config=config)
    found: list[Msg] = []
    began, spent = perf_counter(), process_time()
    while len(found) < count:
        batch = await pull.fetch(min(TRAINING_LOGGER.batch_max_rows, count - len(found)), timeout=FETCH_TIMEOUT_S)
        for message in batch:
            await message.ack()
        found += batch
    await client.flush()
    took, spent = perf_counter() - began, process_time() - spent
    await client.jetstream().delete_consumer(EVENT_STREAM, DURABLE)
    await client.close()
    rows = [Row(m.metadata.sequence.stream, m.subject, m.headers or {}, m.data) for m in found]
    return rows, took, spent


def appended(rows: list[Columns], path: Path) -> tuple[float, float]:
    """The seconds that it took, and the processor's. Makes a file at `path`, and removes it."""
    connection = duck.connect(path, LogLimits(), read_only=False)
    names = ", ".join(f'"{name}"' for name in Columns._fields)
    connection.script(migrations.tables()[0].sql)
    connection.run(f"CREATE TABLE bare AS SELECT {names} FROM events LIMIT 0")
    began, spent = perf_counter(), process_time()
    for first in range(0, len(rows), TRAINING_LOGGER.batch_max_rows):
        with connection.transaction():
            connection.append("bare", rows[first : first + TRAINING_LOGGER.batch_max_rows])
    took, spent = perf_counter() - began, process_time() - spent
    connection.close()
    path.unlink()
    return took, spent


def main(url: str, token: str, count: int, path: Path) -> None:
    rows, fetch_s, fetch_cpu_s = uvloop.run(fetched(url, token, count))
    ready = [columns_of(row) for row in rows]
    append_s, append_cpu_s = appended(ready, path)
    told = {
        "fetched": count / fetch_s,
        "appended": count / append_s,
        "fetch_cpu": fetch_cpu_s / count * 1e6,
        "append_cpu": append_cpu_s / count * 1e6,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
