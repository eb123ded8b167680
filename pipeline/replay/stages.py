"""The stages of a replay: each is loaded when the first turn needs it, and does no more at once than a worker would."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from infra.bus.connection import Bus
from infra.clock import Clock
from infra.settings import Settings
from pipeline import topology, wiring
from schemas.errors import InvalidField
from schemas.event import Event, Fact
from schemas.stage import Stage

ROUTER: Final = "router"
STT: Final = "stt"
VOICE: Final = "tts"


def first_and_later(start: str) -> tuple[str, ...]:
    """The stages from this one on, in the order of a turn. Raises InvalidField."""
    if start not in topology.STAGE_NAMES:
        raise InvalidField("--from", start, f"one of {', '.join(topology.STAGE_NAMES)}")
    return topology.STAGE_NAMES[topology.STAGE_NAMES.index(start) :]


@dataclass(slots=True)
class Bench:
    """One stage with all that it works with. The router's state is another one for each turn."""

    stage: Stage[Any]
    given: Any
    slots: asyncio.Semaphore


@dataclass(slots=True)
class Stages:
    """Those that do their work anew."""

    names: tuple[str, ...]
    settings: Settings
    bus: Bus | None
    clock: Clock
    opened: AsyncExitStack
    benches: dict[str, Bench] = field(default_factory=dict)
    loading: Mapping[str, asyncio.Lock] = field(
        default_factory=lambda: {n: asyncio.Lock() for n in topology.STAGE_NAMES}
    )

    def hearing(self, event: Event[Fact]) -> list[str]:
        """Who hears this, of those that do their work anew. A voice is not even loaded for who wants no sound."""
        names = self.names if event.meta.speech else [name for name in self.names if name != VOICE]
        return [name for name in names if isinstance(event.fact, topology.stage(name).hears)]

    async def prepare(self, *, spoken: bool, sounded: bool) -> None:
        """Load what turns of these kinds need, so that the first one does not wait for it."""
        unused = {name for name, used in ((STT, spoken), (VOICE, sounded)) if not used}
        for name in self.names:
            if name not in unused:
                await self.bench(name)

    async def bench(self, name: str) -> Bench:
        """A stage, ready to work."""
        async with self.loading[name]:
            if name not in self.benches:
                stage = topology.stage(name)
                given = None
                if name != ROUTER:
                    built = wiring.given_to(name, self.settings, self.bus, self.clock)
                    given = await self.opened.enter_async_context(built)
                self.benches[name] = Bench(stage, given, asyncio.Semaphore(stage.slots))
        return self.benches[name]


@asynccontextmanager
async def opened(start: str, settings: Settings, bus: Bus | None, clock: Clock) -> AsyncIterator[Stages]:
    """The stages from `start` on; what they have loaded is freed when the block ends."""
    async with AsyncExitStack() as stack:
        yield Stages(first_and_later(start), settings, bus, clock, stack)
