"""How a command finds its Parley: a configured bus, the one that runs on the data folder, or one of its own."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from infra import instance
from infra import settings as configuration
from infra.bus.connection import Bus
from infra.bus.errors import BusUnavailable
from infra.settings import Settings
from pipeline import topology
from pipeline.process import address_of, connected
from pipeline.supervisor import Supervisor

JOIN_WITHIN_S = 5.0


def note(line: str) -> None:
    """Progress for a person: standard error, so that output stays what was asked for."""
    print(line, file=sys.stderr, flush=True)


def joined(settings: Settings | None = None) -> Settings:
    """The settings with the address of the Parley that runs on this data folder, if one does and none is named."""
    settings = settings or configuration.load()
    if settings.bus.url is not None:
        return settings
    running = instance.find(settings.data_dir)
    if running is None:
        return settings
    token = SecretStr(running.bus_token) if running.bus_token else None
    changes: dict[str, Any] = {"bus": settings.bus.model_copy(update={"url": running.bus_url, "token": token})}
    if running.engine_url and settings.engine.base_url is None and settings.engine.backend != "contextual":
        key = SecretStr(running.engine_key) if running.engine_key else None
        engine = {"backend": running.engine_backend, "base_url": running.engine_url, "model": running.engine_model}
        changes["engine"] = settings.engine.model_copy(update={**engine, "api_key": key})
    return settings.model_copy(update=changes)


@asynccontextmanager
async def bus_of(
    settings: Settings, *, here: bool | None = None, names: Sequence[str] = topology.PROCESSES
) -> AsyncIterator[Bus]:
    """A connection to the Parley that runs; with `here`, to one started for this block when none does.

    `here` is None for commands without the option --here. Raises BusUnavailable when none runs.
    """
    settings = joined(settings)
    if settings.bus.url is not None:
        async with connected(address_of(settings), "parley-cli", within_s=JOIN_WITHIN_S) as bus:
            yield bus
        return
    if not here:
        alone = ", add --here to run one just for this" if here is not None else ""
        raise BusUnavailable(
            f"no Parley runs on {settings.data_dir}; start one with `parley up`{alone}, or set NATS_URL"
        )
    async with Supervisor(settings, names, note).running() as address, connected(address, "parley-cli") as bus:
        yield bus
