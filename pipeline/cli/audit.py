"""`parley audit`: who read or deleted what of whom, as the gateways put it on the record."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from infra import settings as configuration
from infra.clock import SystemClock
from infra.settings import Settings
from pipeline.cli import exits
from pipeline.cli.joining import bus_of
from pipeline.cli.moments import MOMENT, moment
from pipeline.gateway.audit import EVERYBODY, AuditRecord, as_json, records
from schemas.ids import checked_token

LOOKED_BACK: Final = timedelta(days=7)  # unless --since says otherwise


def audit(
    user: Annotated[
        str | None, typer.Option("--user", help="Only what this user did, or what was done with what is theirs.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help=f"{MOMENT} Default: seven days ago.")] = None,
    as_json_lines: Annotated[bool, typer.Option("--json", help="A line of JSON a record.")] = False,
) -> None:
    """Who read or deleted what of whom, when, from where, allowed or refused; oldest first."""
    with exits.told():
        settings = configuration.load()
        if user is not None:
            checked_token("user", user)
        zone = settings.time_zone
        from_then = moment("since", since, zone) if since is not None else SystemClock().now() - LOOKED_BACK
        found = asyncio.run(_found(settings, user, from_then))
        if as_json_lines:
            for record in found:
                print(json.dumps(as_json(record)))
        elif found:
            Console().print(_table(found, ZoneInfo(zone)))
        else:
            print("nothing is on the record")


async def _found(settings: Settings, user: str | None, since: datetime) -> list[AuditRecord]:
    async with bus_of(settings) as bus:
        return await records(bus, settings.tenant, user=user, since=since)


def _table(found: list[AuditRecord], zone: ZoneInfo) -> Table:
    table = Table(Column("time", no_wrap=True), "who", "did", "what", "of", "outcome", "from")
    for record in found:
        ids = " ".join(record.ids.values())
        table.add_row(
            f"{record.time.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            Text(f"{record.who} ({', '.join(record.roles)})"),
            record.action,
            Text(f"{record.what} {ids}".strip()),
            Text("everybody" if record.whose == EVERYBODY else record.whose),
            Text(record.outcome, style="red" if record.outcome == "refused" else ""),
            Text(record.address),
        )
    return table
