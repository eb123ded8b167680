"""`parley topology`, `parley status`, `parley doctor`: who takes part, how they are, and what is missing."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra import settings as configuration
from infra import troubles
from infra.bus.errors import BusUnavailable
from infra.clock import SystemClock
from pipeline import checkup
from pipeline import topology as parts
from pipeline.cli import exits
from pipeline.cli.exits import Exit
from pipeline.cli.joining import bus_of, joined
from pipeline.metrics import gathered
from pipeline.standing import Standing, standing_of

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def topology(as_json: AsJson = False) -> None:
    """Who hears and says what."""
    if as_json:
        print(json.dumps([asdict(part) for part in parts.parts()]))
        return
    table = Table("who", "hears", "says")
    for part in parts.parts():
        table.add_row(part.name, "\n".join(part.hears), "\n".join(part.says) or "-")
        table.add_section()
    Console().print(table)


def status(as_json: AsJson = False) -> None:
    """How Parley is: bus, workers, how far each is behind, engine. Exit status 1 when something is wrong."""
    with exits.told():
        standing = asyncio.run(_standing())
        if as_json:
            print(json.dumps(asdict(standing), default=str))
        else:
            _show(standing)
        if standing.wrong:
            raise SystemExit(int(Exit.TURN_FAILED))


async def _standing() -> Standing:
    settings = joined(configuration.load())
    now = SystemClock().now()
    try:
        async with bus_of(settings) as bus:
            return await standing_of(bus, settings, now)
    except BusUnavailable as error:
        if settings.bus.url is None:  # none runs, and so has no trouble
            raise
        lately = [trouble.words for trouble in troubles.lately(settings.data_dir, now)]
        raise BusUnavailable("; ".join((str(error), *lately))) from error


def _show(standing: Standing) -> None:
    console = Console()
    console.print(f"bus     {standing.bus_url}, nats-server {standing.bus_version}")
    console.print(f"engine  {standing.engine}", markup=False)
    table = Table("worker", "processes", "behind", "in hand", "counts since its start")
    for worker in standing.workers:
        pids = ", ".join(f"{present.pid}{'' if present.ready else ' (loading)'}" for present in worker.processes)
        counts = " ".join(f"{name} {total}" for name, total in worker.counts.items() if total)
        table.add_row(worker.name, pids or "none", str(worker.behind), str(worker.in_hand), counts)
    console.print(table)
    for problem in standing.wrong:
        console.print(f"wrong   {problem}", markup=False, soft_wrap=True)


def doctor(as_json: AsJson = False) -> None:
    """What is installed, which models are found where, which ports are taken, and what to do about each.

    Exit status 1 when something that Parley needs is missing.
    """
    with exits.told():
        found = asyncio.run(checkup.all_findings(configuration.load()))
        if as_json:
            print(json.dumps([asdict(finding) for finding in found]))
        else:
            table = Table("", "what", "found", "to do", show_lines=False)
            for finding in found:
                table.add_row("ok" if finding.ok else "!!", finding.what, finding.found, finding.to_do)
            Console().print(table)
        if not all(finding.ok for finding in found):
            raise SystemExit(int(Exit.TURN_FAILED))


def metrics() -> None:
    """Metrics of all workers in the Prometheus text format: handled, dropped, retried, dead, in flight, latencies."""
    with exits.told():
        print(asyncio.run(_metrics()), end="")


async def _metrics() -> str:
    async with bus_of(configuration.load()) as bus:
        return await gathered(bus, SystemClock())
