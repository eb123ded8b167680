"""`parley log archive` and `parley log files`: what days of the log lie where, and moving them to Parquet now."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table as TerminalTable

from infra import settings as configuration
from infra.event_log.port import Table, archive_folder
from pipeline import wiring
from pipeline.cli import exits
from pipeline.cli.exits import Exit, fail
from pipeline.cli.joining import note
from pipeline.cli.reaching_log import archiving, asking
from pipeline.log_archiving import Moved, checked_before
from schemas.errors import InvalidField

DAYS: Final = "FROM days ORDER BY day DESC, first_log_seq DESC"
KB: Final = 1e3
MB: Final = 1e6


def archive(
    before: Annotated[
        str | None, typer.Option("--before", metavar="DAY", help="Only days before this one, e.g. 2026-11-14 (UTC).")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Move nothing; read every byte of the archive and tell what is damaged.")
    ] = False,
) -> None:
    """Move days of the log that are over into Parquet files now, while Parley runs and when it does not.

    Parley does it by itself after log.archive_after_days. What has moved is asked for as before. With --check, files
    that cannot be read are left out of the log (exit status 1) until they are back.
    """
    with exits.told():
        today = datetime.now(UTC).date()
        day = checked_before("--before", before, today) if before is not None else today
        if check:
            if before is not None:
                raise InvalidField("--before", before, "nothing beside --check")
            _tell_of(asyncio.run(_checked()))
            return
        moved = asyncio.run(_moved(day))
        if not moved:
            print(f"nothing to archive from before {day}")
            return
        rows, size = sum(each.rows for each in moved), sum(each.bytes for each in moved)
        days = len({each.day for each in moved})
        print(f"archived: {days} day{'s' * (days > 1)}, {rows} events, {_size(size)}")


async def _moved(before: date) -> list[Moved]:
    moved = []
    async with archiving() as archive:
        while (one := await archive.move(before)) is not None:
            note(f"{one.day}: {one.rows} events, {_size(one.bytes)}")
            moved.append(one)
    return moved


async def _checked() -> list[Moved]:
    async with archiving() as archive:
        return await archive.check()


def _tell_of(unreadable: list[Moved]) -> None:
    if not unreadable:
        print("the archive is whole")
        return
    folder = archive_folder(wiring.log_path(configuration.load()))
    for each in unreadable:
        note(f"{folder / each.path}: {each.why}; {each.rows} events of {each.day} are left out")
    files = "1 file" if len(unreadable) == 1 else f"{len(unreadable)} files"
    fail(f"{files} of the archive cannot be read; put them back from a copy and check again", Exit.TURN_FAILED)


def files(as_json: Annotated[bool, typer.Option("--json", help="JSON: the rows.")] = False) -> None:
    """Which days of the log lie where, newest first: in the database (recent), in Parquet files, or removed."""
    with exits.told():
        table = asyncio.run(_days())
        if as_json:
            print(json.dumps([dict(zip(table.columns, row, strict=True)) for row in table.rows], ensure_ascii=False))
            return
        shown = TerminalTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for name in ("day", "place", "files", "events", "size", "log_seq", ""):
            shown.add_column(name, justify="left" if name in ("day", "place", "") else "right")
        for day, place, count, rows, size, first, last, why in table.rows:
            told = _size(int(str(size))) if size is not None else ""
            shown.add_row(str(day), str(place), str(count or ""), str(rows), told, f"{first}-{last}", str(why))
        Console().print(shown if table.rows else "the log is empty")
        path = wiring.log_path(configuration.load())
        if path.exists():
            folder = archive_folder(path)
            database, archived = (_bytes_of(path.parent.glob(f"{path.name}*")), _bytes_of(folder.rglob("*.parquet")))
            print(f"{path}: {_size(database)}; {folder}: {_size(archived)}")


def _bytes_of(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / MB:.1f} MB" if size_bytes >= MB else f"{size_bytes / KB:.0f} kB"


async def _days() -> Table:
    async with asking() as ask:
        return await ask(DAYS, {})
