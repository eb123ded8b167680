"""`parley up` and `parley stage`: start all of Parley, some of it, or one more worker."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections import deque
from typing import Annotated, Final

import typer
import uvloop

from infra import settings as configuration
from infra.bus.connection import Listener
from infra.tokens import Authenticator
from pipeline import topology
from pipeline.cli import exits
from pipeline.cli.joining import joined, note
from pipeline.cli.token import with_key
from pipeline.engine_start import NAMES, with_engine
from pipeline.process import UnknownWorker, address_of, connected, run
from pipeline.supervisor import Supervisor
from schemas import subjects
from schemas.catalogue import decode
from schemas.errors import SchemaError
from schemas.ids import LIVE_RUN
from schemas.tasks import ReminderDue

PRIVATE_UMASK = 0o077  # what people said is nobody else's to read
REMINDERS_KNOWN: Final = 1_000


def up(
    only: Annotated[
        str | None,
        typer.Option("--only", help="Only these workers, e.g. stt,tts, joining a bus that is already there."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help=f"Instead of the configured one: {', '.join(NAMES)}."),
    ] = None,
) -> None:
    """Start Parley: bus, engine, keeper, all stages and the log; Ctrl-C ends it in order.

    A worker that dies is started again. With NATS_URL set, that bus is joined instead of starting one. Nothing is left
    running, even when this process is killed; the next `parley up` finishes what was begun.
    """
    with exits.told():
        os.umask(PRIVATE_UMASK)
        settings = configuration.checked_prompts(configuration.load())
        every = topology.SERVED if settings.gateway.enabled else topology.PROCESSES
        names = tuple(every if only is None else (name.strip() for name in only.split(",")))
        for name in names:
            if name not in topology.SERVED:
                raise UnknownWorker(name)
        settings = settings if engine is None else with_engine(settings, engine)
        if only is not None:
            settings = joined(settings)
            address_of(settings)  # refuses when there is no bus to join
        if topology.GATEWAY in names:
            _check_tokens(settings)
        uvloop.run(_up(Supervisor(settings, names, note)))


async def _up(supervisor: Supervisor) -> None:
    stop = asyncio.Event()
    began = time.monotonic()
    starting = asyncio.current_task()
    ready = False

    def end() -> None:
        stop.set()
        if not ready and starting is not None:
            starting.cancel()

    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, end)
    try:
        async with supervisor.running() as address, connected(address, "parley-up-reminders") as bus:
            ready = True
            await bus.listen(subjects.every(ReminderDue.token, LIVE_RUN), _reminders_once())
            note(f"ready after {time.monotonic() - began:.1f} s (process {os.getpid()}); in another terminal:")
            note('  parley say "remind me tomorrow at three to call the dentist"')
            note("Ctrl-C ends it.")
            await stop.wait()
            note("ending: what is in hand is finished")
    except asyncio.CancelledError:
        note("stopped before it was ready")


def _reminders_once() -> Listener:
    """Shows each reminder that falls due; one that is published again is heard again, though no stream takes it."""
    shown: deque[str] = deque(maxlen=REMINDERS_KNOWN)

    async def show(_: str, payload: bytes) -> None:
        with contextlib.suppress(SchemaError):
            event = decode(payload, ReminderDue.__name__)
            if isinstance(event.fact, ReminderDue) and event.meta.id not in shown:
                shown.append(event.meta.id)
                note(f"reminder   {event.fact.message}")

    return show


def stage(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(topology.SERVED)}.")],
) -> None:
    """Run one more worker of a stage, on the bus that is already there.

    Workers of one stage share its events, so a stage is scaled by starting it again.
    """
    with exits.told():
        if name not in topology.SERVED:
            raise UnknownWorker(name)
        _run_one(name, joined())


def gateway(
    host: Annotated[
        str | None, typer.Option("--host", help="Where to listen; beyond 127.0.0.1 tokens are needed.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="0: any free one.")] = None,
) -> None:
    """One more gateway (HTTP, WebSocket, page), on the bus that is already there. `parley up` starts one by itself."""
    with exits.told():
        asked = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
        settings = configuration.with_gateway(joined(), asked)
        _check_tokens(settings)
        _run_one(topology.GATEWAY, settings)


def _check_tokens(settings: configuration.Settings) -> None:
    """Before anything starts: the key with which tokens are checked, made where none is configured.

    Raises SettingsError when it cannot be used.
    """
    if settings.gateway.auth == "jwt":
        with_key(settings)
        Authenticator(settings)


def _run_one(name: str, settings: configuration.Settings) -> None:
    """One worker in this process, until a signal ends it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    address = address_of(settings)

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
        await run(name, settings, address, stop)

    uvloop.run(until_stopped())
