"""What is done to a whole to see it bear it: calls that fail, workers that fall silent, a bus that forgets ids.

Each function takes the test's monkeypatch, which undoes it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest

from infra.bus.delivery import Delivery
from infra.bus.errors import BusUnavailable
from pipeline import topology
from schemas.event import Event, Fact
from schemas.stage import Stage
from tests.e2e.whole import Whole

ACK_WAIT_S = 0.8  # instead of ten: how long the bus waits for a silent worker
WINDOW_S = 0.1  # for duplicates: as short as the bus allows
FORGOTTEN_S = 0.35  # after which it has let go of an id for certain

Put = pytest.MonkeyPatch
Handler = Callable[..., AsyncIterator[Any]]


def hurried(put: Put) -> None:
    """All waits of the bus and of the retries are short, so that a fault is over within a second or two."""
    put.setattr("infra.bus.streams.ACK_WAIT_S", ACK_WAIT_S)
    put.setattr("pipeline.heartbeat.BEAT_S", ACK_WAIT_S / 4)
    put.setattr("pipeline.retry.FIRST_DELAY_S", 0.05)
    put.setattr("pipeline.keeping.STALE_AFTER", timedelta(seconds=0.3))
    put.setattr("pipeline.keeping.SWEEP_EVERY_S", 0.05)


async def forgetful(parley: Whole) -> None:
    """The bus forgets ids after WINDOW_S."""
    for info in await parley.bus.js.streams_info():
        if info.config.duplicate_window:
            await parley.bus.js.update_stream(info.config.evolve(duplicate_window=WINDOW_S))


def failing(
    put: Put,
    owner: type,
    name: str,
    *,
    when: Callable[..., bool] = lambda *_, **__: True,
    error: Exception | None = None,
    times: int = 1,
    done: bool = False,
) -> None:
    """The next `times` calls of an async method of which `when` is true fail; `done`: after their work is done."""
    whole_call = getattr(owner, name)
    left = times

    async def called(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal left
        fails = left > 0 and when(*given, **named)
        left -= fails
        if fails and not done:
            raise error or BusUnavailable("a fault of the test")
        found = await whole_call(self, *given, **named)
        if fails:
            raise error or BusUnavailable("a fault of the test")
        return found

    put.setattr(owner, name, called)


def says(kind: type[Fact], stage: str | None = None) -> Callable[..., bool]:
    """Whether Bus.say is called with this kind of fact."""

    def is_it(event: Event[Fact], *_: Any, **__: Any) -> bool:
        return isinstance(event.fact, kind) and stage in (None, event.meta.stage)

    return is_it


def instead(put: Put, name: str, made: Callable[[Handler], Handler], **changed: Any) -> None:
    """A stage with another handler, made of its own one."""
    module, attribute = topology._DECLARED[name]
    stage: Stage[Any] = getattr(import_module(module), attribute)
    put.setattr(f"{module}.{attribute}", replace(stage, handle=made(stage.handle), **changed))


def silent(put: Put) -> None:
    """No worker says that it is still working."""

    async def nothing(_: Delivery) -> None:
        return None

    put.setattr(Delivery, "still_working", nothing)


def lost_acks(put: Put, when: Callable[[Delivery], bool], times: int) -> None:
    """The next acknowledgements never arrive, and nobody is told; the next message is asked for all the same."""
    whole_ack = Delivery.ack
    left = times

    async def ack(self: Delivery) -> None:
        nonlocal left
        if left > 0 and when(self):
            left -= 1
            return
        await whole_ack(self)

    put.setattr(Delivery, "ack", ack)


async def paused(until: asyncio.Event) -> None:
    """As a process that is stopped with SIGSTOP: whatever it is told meanwhile, it goes on afterwards."""
    while not until.is_set():
        try:
            await until.wait()
        except asyncio.CancelledError:
            continue


async def nothing(*_: Any) -> None:
    """In the place of a method that shall do nothing."""
