"""`parley log …`: what happened, as it happens (from the bus) and as it was (from the event log)."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, TypeAlias

import typer
from rich.console import Console
from rich.table import Table as TerminalTable
from rich.text import Text

from infra import settings as configuration
from infra.bus.delivery import TYPE, Delivery, Hop
from infra.bus.errors import BusUnavailable
from infra.event_log.port import Json, Parameter, Table
from pipeline import wiring
from pipeline.cli import exits
from pipeline.cli.exits import Exit, fail
from pipeline.cli.joining import bus_of, joined
from pipeline.logging_stage import ask_log
from schemas import subjects
from schemas.catalogue import arrived
from schemas.errors import SchemaError
from schemas.event import Event, Fact
from schemas.ids import checked_uuid7

app = typer.Typer(
    help="Every event that was: follow them, or ask with SQL.", no_args_is_help=True, rich_markup_mode=None
)

Ask: TypeAlias = Callable[[str, Mapping[str, Parameter] | None], Awaitable[Table]]

SHOWN_CHARS = 100
AWAY_MAX_S = 10.0
_NUMBERS = ("BIGINT", "INTEGER", "DOUBLE", "HUGEINT", "DECIMAL", "UBIGINT", "FLOAT")


@app.command()
def tail(
    everything: Annotated[bool, typer.Option("--all", help="From the beginning of the stream.")] = False,
    conversation: Annotated[str | None, typer.Option("--conversation", "-c", help="Only this conversation.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Each event as one line of JSON, whole.")] = False,
) -> None:
    """Show events as they happen, one a line, until Ctrl-C."""
    with exits.told():
        if conversation is not None:
            checked_uuid7("--conversation", conversation)
        subject = f"{subjects.ROOT}.*.*.*.{conversation or '*'}.*.*"
        asyncio.run(_tail(subject, everything, as_json))


async def _tail(subject: str, everything: bool, as_json: bool) -> None:
    async def heard(delivery: Delivery) -> None:
        try:
            event = arrived(delivery.subject, delivery.payload, delivery.headers.get(TYPE))
        except SchemaError as error:
            print(f"{delivery.stream_seq:>8}  unreadable: {error}", flush=True)
            return
        shown = event.encoded().decode() if as_json else _line(delivery.stream_seq, event, Hop.read(delivery.headers))
        print(shown, flush=True)

    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    now = not everything
    async with bus_of(configuration.load()) as bus, bus.follow(subjects.EVENT_STREAM, subject, heard, from_now=now):
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AWAY_MAX_S)
            if not bus.client.is_connected:
                raise BusUnavailable(f"the bus at {bus.url} has gone; start Parley again and then `parley log tail`")


def _line(seq: int, event: Event[Fact], hop: Hop) -> str:
    meta = event.meta
    fact = " ".join(f"{key}={value}" for key, value in event.fact.model_dump(mode="json", exclude_none=True).items())
    cut = fact if len(fact) <= SHOWN_CHARS else f"{fact[:SHOWN_CHARS]}…"
    times = f"{hop.queue_ms:7.1f} {hop.work_ms:8.1f}"
    return (
        f"{seq:>8}  {meta.time:%H:%M:%S.%f}"[:-3] + f"  {meta.turn[-6:]}  {meta.stage:<10}{meta.type:<18}{times}  {cut}"
    )


@app.command()
def query(
    sql: Annotated[
        str, typer.Argument(help='Exactly one SELECT, e.g. "SELECT type, count(*) FROM events GROUP BY 1".')
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row, one row a line.")] = False,
) -> None:
    """Ask the event log with SQL, while Parley runs and when it does not. Views: turns, transcripts, intents, …"""
    with exits.told():
        table = asyncio.run(asked(sql))
        if as_json:
            for row in table.rows:
                print(json.dumps(dict(zip(table.columns, row, strict=True)), ensure_ascii=False))
        else:
            Console().print(terminal_table(table))
        if table.truncated:
            fail(f"the answer was cut at {len(table.rows)} rows; ask for less, or add a LIMIT", Exit.TURN_FAILED)


async def asked(sql: str, parameters: Mapping[str, Parameter] | None = None) -> Table:
    """The log's answer: from its owner over the bus, or from the file when no Parley runs."""
    async with asking() as ask:
        return await ask(sql, parameters)


@asynccontextmanager
async def asking() -> AsyncIterator[Ask]:
    """Somebody who answers many questions about the log: its owner over the bus, or the file when no Parley runs."""
    settings = joined()
    if settings.bus.url is not None:
        async with bus_of(settings) as bus:
            yield partial(ask_log, bus)
        return
    from infra.event_log.log import open_read_only

    async with await open_read_only(wiring.log_path(settings)) as log:
        yield log.ask


def terminal_table(
    table: Table, title: str | None = None, *, columns: Sequence[str] | None = None, cell_chars: int | None = None
) -> TerminalTable:
    """An answer of the log as it looks on a terminal; `columns` and `cell_chars` leave out what has no room."""
    shown = TerminalTable(title=title, title_justify="left")
    kept = [place for place, name in enumerate(table.columns) if columns is None or name in columns]
    for place in kept:
        number = any(table.types[place].startswith(kind) for kind in _NUMBERS)
        shown.add_column(table.columns[place], overflow="fold", justify="right" if number else "left")
    for row in table.rows:
        shown.add_row(*(Text(_cell(row[place], cell_chars)) for place in kept))
    return shown


def _cell(value: Json, most_chars: int | None) -> str:
    match value:
        case None:
            text = ""
        case list():
            text = ", ".join(str(item) for item in value)
        case float():
            text = f"{value:.1f}"
        case _:
            text = str(value)
    return text if most_chars is None or len(text) <= most_chars else f"{text[: most_chars - 1]}…"
