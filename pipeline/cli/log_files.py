"""`parley log dump` and `parley log import`: the log to a file of JSON lines and back."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TextIO

import typer

from infra import settings as configuration
from infra.event_log.lines import LineRefused
from infra.event_log.port import TakenIn
from pipeline import log_files
from pipeline.cli import exits
from pipeline.cli.exits import Exit, fail
from pipeline.cli.joining import note
from pipeline.cli.moments import MOMENT, moment
from pipeline.cli.reaching_log import asking, telling
from pipeline.log_files import Wanted
from schemas.errors import InvalidField
from schemas.ids import checked_token, checked_uuid7

SHOWN_MAX = 20  # bad lines that are told one by one


def dump(
    since: Annotated[str | None, typer.Option("--since", help=f"From here on. {MOMENT}")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time.")] = None,
    conversation: Annotated[str | None, typer.Option("--conversation", "-c", help="Only this conversation.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Only this run; live is what people said.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this file, whole or not at all; else to the terminal.")
    ] = None,
) -> None:
    """Write the log as JSON, one event a line with what the log knows of it, while Parley runs and when it does not."""
    with exits.told():
        zone = configuration.load().time_zone
        wanted = Wanted(
            run=checked_token("--run", run) if run is not None else None,
            conversation=checked_uuid7("--conversation", conversation) if conversation is not None else None,
            since=moment("--since", since, zone) if since is not None else None,
            until=moment("--until", until, zone) if until is not None else None,
        )
        with _written(out) as file:
            count = asyncio.run(_dump(wanted, file))
        if out is not None:
            note(f"{count} events are in {out}")


async def _dump(wanted: Wanted, file: TextIO) -> int:
    count = 0
    async with asking() as ask:
        async for line in log_files.dumped(ask, wanted):
            file.write(f"{line}\n")
            count += 1
    return count


@contextlib.contextmanager
def _written(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:  # `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    beside = out.with_name(f".{out.name}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        beside.replace(out)
    except OSError as error:
        raise InvalidField("--out", str(out), f"a file that can be written ({error.strerror})") from None
    finally:
        beside.unlink(missing_ok=True)


def taken_in(
    file: Annotated[Path, typer.Argument(help="A file that `parley log dump` has written.")],
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Leave bad lines out instead of the file.")] = False,
) -> None:
    """Take events of a dump into the log; those that it has already add nothing, so repeating it does no harm.

    The whole file is read and checked before anything is taken in. Exit status 2 when a line is bad, and then nothing
    is; with --keep-going 1, and then all others are.
    """
    with exits.told():
        if not file.is_file():
            raise InvalidField("FILE", str(file), "a file that exists")
        if not keep_going:
            _refuse_unless_good(file)
        bad = _Bad()
        done = asyncio.run(_taken_in(file, bad if keep_going else None))
        print(f"taken in: {done.recorded} events; {done.known} were in the log already")
        if bad.count:
            fail(f"{bad.count} bad lines were left out", Exit.TURN_FAILED)


async def _taken_in(file: Path, bad: "_Bad | None") -> TakenIn:
    async with telling() as take_in:
        return await log_files.taken_in(file, take_in, bad.tell if bad is not None else None)


def _refuse_unless_good(file: Path) -> None:
    bad = _Bad()
    for refused in log_files.refusals(file):
        bad.tell(refused)
    if bad.count:
        lines = "1 bad line" if bad.count == 1 else f"{bad.count} bad lines"
        fail(f"nothing of {file} was taken in: {lines} (--keep-going leaves them out)", Exit.WRONG_INPUT)


class _Bad:
    """Tells the first bad lines and counts all of them."""

    def __init__(self) -> None:
        self.count = 0

    def tell(self, refused: LineRefused) -> None:
        self.count += 1
        if self.count <= SHOWN_MAX:
            note(str(refused))
        elif self.count == SHOWN_MAX + 1:
            note("…")
