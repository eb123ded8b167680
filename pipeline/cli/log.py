"""`parley log …`: what happened, as it happens (from the bus) and as it was (from the event log)."""

import asyncio
import contextlib
import io
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra import settings as configuration
from infra.bus.delivery import TYPE, Delivery, Hop
from infra.bus.errors import BusUnavailable
from infra.event_log.port import Parameter, Table
from pipeline.cli import answers, exits, log_archive, log_files, log_stats
from pipeline.cli.answers import Format
from pipeline.cli.exits import Exit, fail
from pipeline.cli.joining import bus_of, note
from pipeline.cli.reaching_log import asked_at_length, asking
from pipeline.cli.sql import SqlCommand, sql_of
from pipeline.cli.tables import show, terminal_table
from schemas import subjects
from schemas.catalogue import arrived
from schemas.errors import InvalidField, SchemaError
from schemas.event import Event, Fact
from schemas.ids import checked_uuid7

app = typer.Typer(
    help="Every event that was: follow them, or ask with SQL.", no_args_is_help=True, rich_markup_mode=None
)

app.command("archive")(log_archive.archive)
app.command("dump")(log_files.dump)
app.command("files")(log_archive.files)
app.command("stats")(log_stats.stats)
app.command("import")(log_files.taken_in)

SHOWN_CHARS = 100
USUAL_ROWS = 10_000  # of an answer, unless somebody says how many
DIGITS = 6  # of numbers in a table
FILE_WIDTH = 240  # characters of a table in a file
AWAY_MAX_S = 10.0


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


@app.command(cls=SqlCommand)
def query(
    sql: Annotated[
        str,
        typer.Argument(
            help='Exactly one SELECT, e.g. "SELECT type, count(*) FROM events GROUP BY 1"; - reads standard input.'
        ),
    ],
    form: Annotated[
        Format | None, typer.Option("--format", help="How the answer is written; parquet and arrow need --out.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the answer to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json: one object a line.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", help="At most so many rows; else 10,000.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All rows, up to a million and 64 MiB of JSON.")] = False,
) -> None:
    """Ask the event log with SQL, while Parley runs and when it does not. Views: turns, transcripts, intents, …

    Whether rows were left out is told on standard error; `parley log dump` writes all of the log, however large.
    """
    with exits.told():
        if limit is not None and (everything or limit < 1):
            raise InvalidField("--limit", limit, "a whole number from 1, without --all")
        if as_json and form not in (None, Format.JSON):
            raise InvalidField("--format", str(form), "json, or no --json")
        chosen = Format.JSON if as_json else form or Format.TABLE
        if out is None and not chosen.is_text:
            raise InvalidField("--out", None, f"a file for {chosen}, which no terminal can show")
        most = None if everything else limit or USUAL_ROWS
        table = asyncio.run(asked_at_length(sql_of(sql), most))
        as_wished = limit is not None and len(table.rows) == limit  # what is missing is what was not asked for
        cut = _cut(len(table.rows), most)
        if table.truncated and not as_wished and (out is not None or chosen is Format.CSV):
            fail(f"{cut}; nothing was written", Exit.TURN_FAILED)
        text = _text_of(table, chosen, out)
        if out is not None:
            answers.write(table, chosen, out, text)
            note(f"{len(table.rows)} rows are in {out}")
        elif text is not None:
            sys.stdout.write(text)
        else:
            show(Console(), table, digits=DIGITS)
        if table.truncated and as_wished:
            note(f"these are the first {limit} rows; there are more")
        elif table.truncated:
            fail(cut, Exit.TURN_FAILED)


def _cut(rows: int, most: int | None) -> str:
    """What is told when rows are missing that were wanted."""
    if rows == most:
        return f"the answer was cut at {rows} rows; --all has all of them, --limit N as many as you like"
    return f"the answer was cut at {rows} rows, where it grew too large; ask for fewer columns, or use parley log dump"


def _text_of(table: Table, form: Format, out: Path | None) -> str | None:
    """The answer as text; None for files with types, and for a table that the terminal draws."""
    match form:
        case Format.JSON:
            return answers.as_json(table)
        case Format.CSV:
            return answers.as_csv(table)
        case Format.TABLE if out is not None:
            drawn = io.StringIO()
            Console(file=drawn, width=FILE_WIDTH).print(terminal_table(table, digits=DIGITS), crop=False)
            return drawn.getvalue()
        case _:
            return None


async def asked(sql: str, parameters: Mapping[str, Parameter] | None = None) -> Table:
    """The log's answer: from its owner over the bus, or from the file when no Parley runs."""
    async with asking() as ask:
        return await ask(sql, parameters or {})
