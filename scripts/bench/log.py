"""How fast the event log takes events in and answers, beside the bare appender: `python -m scripts.bench.log`.

Real events, encoded and with headers, from the batch as pipeline/ hands it over to rows committed on the disk. Does
not measure the bus; scripts/bench/ has others for that.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

from infra.clock import new_id
from infra.event_log import duck, reports
from infra.event_log.columns import Columns, columns_of
from infra.event_log.log import EventLog, open_log
from infra.event_log.port import Batch, LogLimits, Row, StreamIdentity
from schemas.chat import Candidate, EngineUse, ReplyChosen, ReplyGenerated, SentenceChosen, SentenceGenerated, TokenUse
from schemas.event import Blob, Event, Fact, Meta
from schemas.intents import Intent, IntentClassified, IntentLabel
from schemas.speech import ModelUse, SpeechReady, TranscriptReady
from schemas.tasks import TaskCompleted, TaskOutcome
from schemas.turns import SpeechTurnOpened, TurnCompleted

BEGIN = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
STREAM = StreamIdentity("PARLEY_EVENTS", BEGIN)
COPIES = 9  # the ingested events, multiplied inside the database, make the million
ASKS = 5
READERS = 4
SAID = "Set a reminder for 1 a.m. to sleep and note to buy chocolate."
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def turn(number: int) -> list[Event[Fact]]:
    """The ten events of a spoken turn with a reply of one sentence."""
    turn_id = new_id()
    at = BEGIN + timedelta(milliseconds=120 * number)
    sound = Blob(ref=f"sha256:{turn_id.replace('-', '') * 2}", media_type="audio/wav", size_bytes=96_044)
    meta = Meta(
        id=f"{turn_id}-0",
        type="SpeechTurnOpened",
        conversation=new_id(),
        turn=turn_id,
        number=1,
        user=f"user{number % 97}",
        cause=f"{turn_id}-submitted",
        stage="keeper",
        time=at,
        deadline=at + timedelta(minutes=1),
    )
    model, reply = ModelUse(backend="whisper", model="tiny.en"), "I've set your reminder for 'sleep' at 1 AM."
    intent = Intent(label=list(IntentLabel)[number % 13], confidence=0.6 + number % 40 / 100, text=SAID)
    outcome = TaskOutcome(skill=IntentLabel.CREATE_REMINDER, success=True, data={"title": "sleep"}, message=reply)
    engine = EngineUse(backend="llama.cpp", model="SmolLM2-135M", fallback=number % 20 == 0)
    said: list[tuple[str, Fact]] = [
        ("stt", TranscriptReady(text=SAID, audio_s=3.0, confidence=0.87, recogniser=model)),
        ("intent", IntentClassified(text=SAID, intents=(intent,))),
        ("router", TaskCompleted(intent=0, outcome=outcome)),
        ("chat", SentenceGenerated(asked=SAID, index=0, text=reply, last=True, firsts=(reply,))),
        (
            "chat",
            ReplyGenerated(
                asked=SAID,
                candidates=(Candidate(text=reply, sentences=(reply,)),),
                engine=engine,
                tokens=TokenUse(prompt=200, completion=20 + number % 30),
            ),
        ),
        ("reranker", SentenceChosen(index=0, text=reply, last=True)),
        ("reranker", ReplyChosen(asked=SAID, chosen=0, text=reply, sentences=1)),
        (
            "tts",
            SpeechReady(index=0, last=True, text=reply, audio=sound, rate_hz=22_050, audio_s=2.4, voice=model),
        ),
        ("keeper", TurnCompleted(reply=reply, sentences=1, audio_s=2.4)),
    ]
    events = [Event[Fact].first(SpeechTurnOpened(audio=sound), meta)]
    for place, (stage, fact) in enumerate(said):
        events.append(events[-1].following(stage, 0, fact, at + timedelta(milliseconds=90 * (place + 1))))
    return events


def messages(count: int) -> list[Row]:
    """Events as the stream holds them."""
    rows: list[Row] = []
    for number in range(count // 10):
        for event in turn(number):
            seq = len(rows) + 1
            headers = {
                "ce-type": event.meta.type,
                "ce-source": event.meta.stage,
                "Parley-Hop": f"{seq % 7 + 0.25:.3f} {seq % 310 + 1.5:.3f} 1",
                "traceparent": TRACE,
                "Nats-Msg-Id": event.meta.id,
            }
            rows.append(Row(seq, event.subject, headers, event.encoded()))
    return rows


def batches(rows: list[Row], size_rows: int) -> Iterator[Batch]:
    for first in range(0, len(rows), size_rows):
        yield Batch(STREAM, tuple(rows[first : first + size_rows]))


def bare_appender(rows: list[Columns], size_rows: int, path: Path) -> float:
    """Rows a second of the appender alone: values that are ready, no lookups, one transaction a batch."""
    connection = duck.connect(path, LogLimits(), read_only=False)
    names = ", ".join(f'"{name}"' for name in Columns._fields)
    connection.script((Path(reports.__file__).parent / "migrations" / "0001_events.sql").read_text(encoding="utf-8"))
    connection.run(f"CREATE TABLE bare AS SELECT {names} FROM events LIMIT 0")
    began = perf_counter()
    for first in range(0, len(rows), size_rows):
        with connection.transaction():
            connection.append("bare", rows[first : first + size_rows])
    took_s = perf_counter() - began
    connection.close()
    return len(rows) / took_s


async def ingest(log: EventLog, rows: list[Row], size_rows: int) -> tuple[float, list[float]]:
    """Rows a second from messages to committed rows, and the milliseconds of each batch."""
    took_ms = []
    began = perf_counter()
    for batch in batches(rows, size_rows):
        start = perf_counter()
        await log.append(batch)
        took_ms.append((perf_counter() - start) * 1_000)
    return len(rows) / (perf_counter() - began), took_ms


def multiply(path: Path) -> int:
    """Add COPIES copies of all events, days later and with ids of their own; how many there are then."""
    connection = duck.connect(path, LogLimits(), read_only=False)
    [(count,)] = connection.run("SELECT count(*) FROM events")
    for copy in range(1, COPIES + 1):
        connection.run(
            """
            INSERT INTO events SELECT * REPLACE (
                log_seq + $copy * $count AS log_seq, stream_seq + $copy * $count AS stream_seq,
                id || '-' || $copy AS id, cause || '-' || $copy AS cause,
                md5(conversation::VARCHAR || $copy)::UUID AS conversation, md5(turn::VARCHAR || $copy)::UUID AS turn,
                time + to_days($copy::INTEGER) AS time, deadline + to_days($copy::INTEGER) AS deadline)
            FROM events WHERE log_seq <= $count""",
            {"copy": copy, "count": count},
        )
    connection.run("UPDATE streams SET position = (SELECT max(stream_seq) FROM events)")
    [(total,)] = connection.run("SELECT count(*) FROM events")
    connection.close()
    return int(str(total))


async def ask_all(log: EventLog) -> dict[str, float]:
    """The median milliseconds of each ready report."""
    took: dict[str, float] = {}
    for name in reports.names():
        report = reports.report(name)
        took[name] = median([(await log.ask(report.sql, report.parameters())).took_ms for _ in range(ASKS)])
    return took


async def ask_for_ever(log: EventLog) -> None:
    while True:
        await ask_all(log)


def rss_mb() -> float:
    """Memory that this process holds now; /proc because that is where this is measured (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def main(count: int, size_rows: int, folder: Path) -> None:
    rows = messages(count)
    size_bytes = sum(len(row.payload) for row in rows) / len(rows)
    print(f"{len(rows)} events of {size_bytes:.0f} bytes on average, batches of {size_rows}")

    began = perf_counter()
    ready = [columns_of(row) for row in rows]
    print(f"reading messages alone:         {len(rows) / (perf_counter() - began):>9,.0f} rows/s")
    bare = bare_appender(ready, size_rows, folder / "bare.duckdb")
    print(f"bare appender, values ready:    {bare:>9,.0f} rows/s")
    del ready

    path = folder / "log.duckdb"
    async with await open_log(path) as log:
        rate, took_ms = await ingest(log, rows, size_rows)
        print(f"messages to committed rows:     {rate:>9,.0f} rows/s, {_ms(took_ms)} ({rate / bare:.2f} of bare)")
        rate, took_ms = await ingest(log, rows, size_rows)
        print(f"all of them delivered again:    {rate:>9,.0f} rows/s, {_ms(took_ms)}")
    began = perf_counter()
    total = multiply(path)
    size_mb = path.stat().st_size / (1 << 20)
    print(f"\n{total:,} events ({size_mb:.0f} MiB on disk), made in {perf_counter() - began:.1f} s")

    async with await open_log(path) as log:
        for name, took in (await ask_all(log)).items():
            print(f"report {name:<10} {took:>7.0f} ms")
        more = [Row(total + row.stream_seq, row.subject, row.headers, row.payload) for row in messages(count)]
        half = len(more) // 2
        before_mb = rss_mb()
        rate, took_ms = await ingest(log, more[:half], size_rows)
        print(f"\ninto the full log:              {rate:>9,.0f} rows/s, {_ms(took_ms)}")
        print(f"memory:                         {rss_mb() - before_mb:>+9,.0f} MB over these {half:,} rows")
        asking = [asyncio.create_task(ask_for_ever(log)) for _ in range(READERS)]
        rate, took_ms = await ingest(log, more[half:], size_rows)
        print(f"the same while {READERS} readers ask:   {rate:>9,.0f} rows/s, {_ms(took_ms)}")
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


def _ms(took_ms: list[float]) -> str:
    return f"a batch p50 {median(took_ms):.0f} ms, max {max(took_ms):.0f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="how many are ingested; ten times that are asked")
    parser.add_argument("--batch", type=int, default=1_000, help="rows in one append")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(options.events, options.batch, Path(folder)))
