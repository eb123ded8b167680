"""`parley engine …`: what answers, whether it is well, what it has to do."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.clock import SystemClock
from infra.event_log.port import EventLogError
from infra.settings import Settings
from pipeline.cli import exits
from pipeline.cli.exits import Exit
from pipeline.cli.joining import bus_of, joined
from pipeline.engine_view import FALLBACKS_SQL, EngineSeen, Looked, look
from pipeline.logging_stage import ask_log
from pipeline.metrics import at_engines, gathered

app = typer.Typer(help="The engines: what answers, and how it is.", no_args_is_help=True, rich_markup_mode=None)

BETWEEN_LOOKS_S: Final = 1.0


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False) -> None:
    """Each engine: backend, model, healthy, in flight, tokens a second, cache hits. Exit status 1 when one is not well.

    Speed is taken over one second. The share of fallbacks is of the last hour's replies.
    """
    with exits.told():
        looked, fallbacks = asyncio.run(_status())
        if as_json:
            print(json.dumps({"engines": [_as_json(each) for each in looked.engines], "fallbacks": fallbacks}))
        else:
            print(_shown(looked), _told(fallbacks), sep="\n")
        if not all(engine.ok for engine in looked.engines):
            raise SystemExit(int(Exit.TURN_FAILED))


@app.command()
def watch(
    every: Annotated[float, typer.Option("--every", min=0.2, max=60, help="Seconds between looks.")] = 1.0,
) -> None:
    """The same, kept up to date until Ctrl-C."""
    with exits.told(), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(every))


async def _status() -> tuple[Looked, Mapping[str, int] | None]:
    settings = joined()
    async with _bus(settings) as bus:
        before = await look(settings)
        await asyncio.sleep(BETWEEN_LOOKS_S)
        return await look(settings, before, await _at_work(bus)), await _fallbacks(bus, settings.tenant)


async def _watch(every_s: float) -> None:
    settings = joined()
    looked: Looked | None = None
    async with _bus(settings) as bus:
        with Live(Text("looking ..."), console=Console(), auto_refresh=False) as live:
            while True:
                began = time.monotonic()
                looked = await look(settings, looked, await _at_work(bus))
                live.update(Text(f"{_shown(looked)}\n{_told(await _fallbacks(bus, settings.tenant))}"), refresh=True)
                await asyncio.sleep(max(0.0, every_s - (time.monotonic() - began)))


@contextlib.asynccontextmanager
async def _bus(settings: Settings) -> AsyncIterator[Bus | None]:
    """The bus of the Parley that runs, or None: the engines' servers can be looked at without it."""
    async with contextlib.AsyncExitStack() as held:
        bus = None
        if settings.bus.url is not None:
            with contextlib.suppress(BusUnavailable):
                bus = await held.enter_async_context(bus_of(settings))
        yield bus


async def _at_work(bus: Bus | None) -> Mapping[str, tuple[int, int]]:
    return at_engines(await gathered(bus, SystemClock(), wait_s=0.2)) if bus is not None else {}


async def _fallbacks(bus: Bus | None, tenant: str) -> Mapping[str, int] | None:
    if bus is None:
        return None
    try:
        table = await ask_log(bus, FALLBACKS_SQL, {"tenant": tenant})
    except EventLogError:
        return None
    replies, fallbacks = table.rows[0]
    return {"replies": int(str(replies)), "fallbacks": int(str(fallbacks))}


def _shown(looked: Looked) -> str:
    """A few lines an engine: a table of so many columns would fit no terminal."""
    lines: list[str] = []
    for each in looked.engines:
        load = each.load
        running = f"{load.running:.0f}" if load.running is not None else str(each.in_flight)
        facts = [f"in flight {running}", f"queued {(load.waiting or 0) + each.queued:.0f}"]
        facts += [f"{each.tokens_per_s:.1f} tokens/s"] if each.tokens_per_s is not None else []
        facts += [f"cache hits {load.cache_hit_rate:.0%}"] if load.cache_hit_rate is not None else []
        facts += [f"cache full {load.cache_used_share:.0%}"] if load.cache_used_share is not None else []
        where = f" at {each.address}" if each.address else ""
        lines += [
            f"{each.name}: {'ok' if each.ok else f'!! {each.reason}'}",
            f"    {each.backend}, {each.model}{where} ({each.port})",
            f"    for {', '.join(each.roles) or 'no role'}",
            f"    {', '.join(facts)}",
        ]
    return "\n".join(lines) or "no engine: replies come from rules (minimal mode)"


def _told(fallbacks: Mapping[str, int] | None) -> str:
    if fallbacks is None:
        return "fallbacks: no Parley runs whose log could be asked"
    if not fallbacks["replies"]:
        return "fallbacks: no reply in the last hour"
    share = fallbacks["fallbacks"] / fallbacks["replies"]
    return f"fallbacks: {fallbacks['fallbacks']} of {fallbacks['replies']} replies of the last hour ({share:.0%})"


def _as_json(engine: EngineSeen) -> dict[str, object]:
    return asdict(engine) | {"cache_hit_rate": engine.load.cache_hit_rate}
