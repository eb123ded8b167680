"""Seven durable hops through nats-py alone: what any worker must do, and nothing else.

Take the message, publish the next one with a message id, wait for the stream's acknowledgement, acknowledge. Decodes
nothing, makes no event, knows no deadline and no trace.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import nats
import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from infra.clock import new_id
from scripts.bench.carriers.carrier import HOPS, PAYLOAD_BYTES, Arrivals, InThisProcess, own_server

STREAM: Final = "RAW"
WRITES_AT: Final = 2  # the hop that stands where Parley's router does
KEY_CHARS: Final = 36
Handler = Callable[[Msg], Awaitable[None]]


@asynccontextmanager
async def pulled(name: str, folder: Path, *, writes: bool = False) -> AsyncIterator[InThisProcess]:
    """Each hop fetches one message at a time; with `writes` one of them also makes a transaction in SQLite."""
    stop = asyncio.Event()
    async with _chain(folder) as (js, send), _database(folder, writes) as write:

        async def pull(number: int) -> None:
            handle = _hop(js, number, write if number == WRITES_AT else None)
            subscription = await js.pull_subscribe(f"hop.{number}", durable=f"hop{number}", stream=STREAM)
            while not stop.is_set():
                try:
                    for message in await subscription.fetch(1, timeout=2):
                        await handle(message)
                except (TimeoutError, nats.errors.Error):
                    continue

        pulls = [asyncio.create_task(pull(number)) for number in range(HOPS)]
        try:
            yield InThisProcess(name, send)
        finally:
            stop.set()  # each ends with its fetch; nats-py may swallow a cancellation
            await asyncio.gather(*pulls)


@asynccontextmanager
async def pushed(name: str, folder: Path) -> AsyncIterator[InThisProcess]:
    """Each hop is a queue group that the server pushes to."""
    async with _chain(folder) as (js, send):
        for number in range(HOPS):
            await js.subscribe(
                f"hop.{number}", queue=f"hop{number}", cb=_hop(js, number), manual_ack=True, stream=STREAM
            )
        yield InThisProcess(name, send)


@asynccontextmanager
async def _chain(folder: Path) -> AsyncIterator[tuple[JetStreamContext, Callable[[], Awaitable[float]]]]:
    """A server with a stream, and what sends a message into it and waits until it comes out."""
    async with own_server(folder) as url:
        client = await nats.connect(url)
        js, arrivals = client.jetstream(timeout=5), Arrivals()
        await js.add_stream(StreamConfig(name=STREAM, subjects=["hop.>"], duplicate_window=120))

        async def end(message: Msg) -> None:
            arrivals.arrived(message.data[:KEY_CHARS].decode())

        await client.subscribe(f"hop.{HOPS}", cb=end)
        filler = b"x" * (PAYLOAD_BYTES - KEY_CHARS)

        async def send() -> float:
            key = new_id()
            arrival = arrivals.expect(key)
            began = time.perf_counter()
            await js.publish("hop.0", key.encode() + filler, headers={"Nats-Msg-Id": f"{key}0"})
            await arrival
            return (time.perf_counter() - began) * 1e3

        try:
            yield js, send
        finally:
            await client.close()


def _hop(js: JetStreamContext, number: int, write: Callable[[str, bytes], None] | None = None) -> Handler:
    async def handle(message: Msg) -> None:
        key = message.data[:KEY_CHARS].decode()
        if write is not None:
            write(key, message.data)
        await js.publish(f"hop.{number + 1}", message.data, headers={"Nats-Msg-Id": f"{key}{number + 1}"})
        await message.ack()

    return handle


@asynccontextmanager
async def _database(folder: Path, wanted: bool) -> AsyncIterator[Callable[[str, bytes], None] | None]:
    """What writes an effect and the bytes said, as durably as Parley's state: on this thread, which is the quickest."""
    if not wanted:
        yield None
        return
    with closing(sqlite3.connect(folder / "state.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE notes (id TEXT NOT NULL PRIMARY KEY, text TEXT NOT NULL, created_at TEXT NOT NULL)")
        db.execute("CREATE TABLE inbox (event_id TEXT NOT NULL PRIMARY KEY, handled_at TEXT NOT NULL, said BLOB)")

        def write(key: str, said: bytes) -> None:
            now = datetime.now(UTC).isoformat()
            db.execute("BEGIN IMMEDIATE")
            if db.execute("SELECT said FROM inbox WHERE event_id = ?", (key,)).fetchone() is None:
                db.execute("INSERT INTO notes VALUES (?, ?, ?)", (key, said[KEY_CHARS:].decode(), now))
                db.execute("INSERT INTO inbox VALUES (?, ?, ?)", (key, now, said))
            db.execute("COMMIT")

        yield write
